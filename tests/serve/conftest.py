"""The real engine behind a server, once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import mglmm
from mglmm.engine import Engine
from mglmm.predict import Predictor
from mglmm.serve.limits import Limits
from tests.serve.live import Live, serving

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "examples" / "images" / "street.jpg"


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """The model in the package."""
    if not (ROOT / "src" / "mglmm" / "assets" / "default" / "config.json").is_file():
        pytest.skip("the package holds no weights")
    return mglmm.load("default", device="cpu")


@pytest.fixture(scope="session")
def live(predictor: Predictor) -> Iterator[Live]:
    """A server of that model under its usual limits."""
    with serving(Engine(predictor), Limits(), model="default") as server:
        yield server


@pytest.fixture(scope="session")
def tiny_live(tiny_model_dir: Path) -> Iterator[Live]:
    """A server of the tiny model with short answers and small limits."""
    limits = Limits(max_new_tokens=8, max_body_bytes=200_000, max_pixels=250_000, timeout_s=20)
    with serving(Engine(mglmm.load(tiny_model_dir, device="cpu")), limits, model="tiny") as server:
        yield server
