"""The real samples of public data sets, in whatever folder they lie."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("MGLMM_REALDATA") or Path(__file__).resolve().parents[4] / "shared" / "realdata")


def files(*patterns: str) -> list[Any]:
    """The files that match, as parameters of a test; one skipped test that says so where there is none."""
    found = sorted({path for pattern in patterns for path in FOLDER.glob(pattern)})
    if not found:
        return [pytest.param(None, id=f"{patterns[0]}-absent", marks=pytest.mark.skip(reason=f"{FOLDER} has none"))]
    return [pytest.param(path, id=str(path.relative_to(FOLDER))) for path in found]


def polygon_length(polygon: list[float]) -> float:
    """The length of a polygon's outline, in pixels."""
    points: Iterator[tuple[float, float]] = zip(polygon[0::2], polygon[1::2], strict=True)
    listed = list(points)
    return sum(
        ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5 for a, b in zip(listed, [*listed[1:], listed[0]], strict=True)
    )
