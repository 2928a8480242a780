"""The golden cases: numbers of the authors' own evaluators on synthetic inputs, in whatever folder they lie."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("MGLMM_GOLDEN") or Path(__file__).resolve().parents[3] / "shared" / "golden")


def cases(suite: str) -> list[Any]:
    """(case, expected numbers) of every case of `suite`; one skipped test that says so where the suite is absent."""
    path = FOLDER / f"{suite}.json"
    if not path.exists():
        return [pytest.param(None, None, id=f"{suite}-absent", marks=pytest.mark.skip(reason=f"{path} is absent"))]
    expected = json.loads((FOLDER / "expected.json").read_text())[suite]
    return [pytest.param(case, expected[case["id"]], id=case["id"]) for case in json.loads(path.read_text())]
