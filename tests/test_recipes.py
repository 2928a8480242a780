"""Every committed recipe is valid and says in its header how to run it, on what, for how long, and its score."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from mglmm import cli
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.config import Recipe, load_recipe
from mglmm.train import TrainRecipe
from mglmm.train.recipe import Build, Evaluation, Resolution

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


def test_the_stages_of_the_default_follow_one_another() -> None:
    """`make default-model` runs them in such an order that each finds the model it begins from."""
    make = ["make", "--dry-run", "default-model"]
    lines = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (loop,) = re.findall(r"for recipe in (.*?); do ", lines)
    stages = [load_recipe(ROOT / path, TrainRecipe) for path in loop.split()]
    assert len(stages) == len(list((ROOT / "recipes" / "train").glob("default-*.yaml")))
    assert [stage.model for stage in stages] == ["new", *(f"{stage.output}/model" for stage in stages[:-1])]


def test_data_of_the_paper_are_made_by_the_command_in_the_header() -> None:
    path = ROOT / "recipes" / "train" / "paper-2-mgsc.yaml"
    (command,) = re.findall(r"^# +(mglmm annotate .*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    options = cli._parser().parse_args(shlex.split(command)[1:])
    recipe = load_recipe(ROOT / options.recipe, AnnotateRecipe, options.set)
    assert recipe.proposals.kind == "sa-1b" and "parquet" in recipe.export.forms
    assert f"{options.out}/parquet" in [name for entry in load_recipe(path, TrainRecipe).data for name in entry.paths]


def test_every_key_of_a_training_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    keys = {*TrainRecipe.model_fields, *Build.model_fields, *Evaluation.model_fields, *Resolution.model_fields}
    assert not {key for key in keys if not re.search(rf"[`{{ ]{key}\b[:` ]", page)}


def test_every_recipe_is_in_the_docs() -> None:
    for path in RECIPES:
        page = (ROOT / "docs" / KINDS[path.parent.name][2]).read_text(encoding="utf-8")
        assert f"(../{path.relative_to(ROOT)})" in page
