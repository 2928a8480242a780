"""Every committed recipe is valid and says in its header how to run it, on what, for how long, and its score."""

import re
from pathlib import Path

import pytest

from mglmm.config import load_recipe
from mglmm.train import TrainRecipe

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


def test_every_folder_of_recipes_is_known() -> None:
    assert RECIPES
    assert {path.parent.name for path in RECIPES} <= {"train"}


@pytest.fixture(params=RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_recipe_is_valid(path: Path) -> None:
    load_recipe(path, TrainRecipe)


def test_header_says_what_one_needs_to_know(path: Path) -> None:
    header = re.match(r"(#.*\n)+", path.read_text(encoding="utf-8"))
    assert header, "a recipe begins with comments"
    for field in ("command", "hardware", "time", "score"):
        assert re.search(rf"^# {field}: +\S", header[0], re.MULTILINE), f"the header lacks '# {field}: ...'"
    assert f"mglmm train {path.relative_to(ROOT)}" in header[0]


def test_every_recipe_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert all(f"(../{path.relative_to(ROOT)})" in page for path in RECIPES)
