"""Every committed recipe is valid and says in its header how to run it, on what, for how long, and its score."""

import re
from pathlib import Path

import pytest

from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.config import Recipe, load_recipe
from mglmm.train import TrainRecipe

ROOT = Path(__file__).resolve().parents[1]
KINDS: dict[str, tuple[type[Recipe], str, str]] = {
    "train": (TrainRecipe, "mglmm train {path}", "training.md"),
    "annotate": (AnnotateRecipe, "--recipe {path}", "annotation.md"),
}
"""Folder -> what its recipes are, how their command names them, the page that lists them."""
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


def test_every_folder_of_recipes_is_known() -> None:
    assert RECIPES
    assert {path.parent.name for path in RECIPES} <= set(KINDS)


@pytest.fixture(params=RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_recipe_is_valid(path: Path) -> None:
    load_recipe(path, KINDS[path.parent.name][0])


def test_header_says_what_one_needs_to_know(path: Path) -> None:
    header = re.match(r"(#.*\n)+", path.read_text(encoding="utf-8"))
    assert header, "a recipe begins with comments"
    for field in ("command", "hardware", "time", "score"):
        assert re.search(rf"^# {field}: +\S", header[0], re.MULTILINE), f"the header lacks '# {field}: ...'"
    assert KINDS[path.parent.name][1].format(path=path.relative_to(ROOT)) in header[0]


def test_every_recipe_is_in_the_docs() -> None:
    for path in RECIPES:
        page = (ROOT / "docs" / KINDS[path.parent.name][2]).read_text(encoding="utf-8")
        assert f"(../{path.relative_to(ROOT)})" in page
