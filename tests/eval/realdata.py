"""Small real samples of public data sets and published scores, in whatever folder they lie."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("MGLMM_REALDATA") or Path(__file__).resolve().parents[3] / "shared" / "realdata")


def folder(name: str) -> Path:
    """The folder called `name`; a test that asks for one that is absent skips itself."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path
