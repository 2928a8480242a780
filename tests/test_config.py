"""Recipes: typed, overridable, and every mistake is one line that says where."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from mglmm.config import Recipe, load_recipe
from mglmm.schema import UserError


class Part(Recipe):
    rate: float = 0.1
    steps: int = 5


class Red(Recipe):
    kind: Literal["red"]
    depth: int = 1


class Blue(Recipe):
    kind: Literal["blue"]
    width: int = 1


class Whole(Recipe):
    name: str
    part: Part = Part()
    parts: list[Part] = []
    extra: dict[str, Any] = {}
    maybe: Part | None = None
    data: tuple[Annotated[Red | Blue, Field(discriminator="kind")], ...] = ()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_file_and_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\npart: {rate: 0.5}\n")
    recipe = load_recipe(path, Whole, ["part.steps=7", "extra.a.b=[1, x]", "name=b=c", "maybe.rate=1.0e-3"])
    assert recipe.part == Part(rate=0.5, steps=7)
    assert recipe.extra == {"a": {"b": [1, "x"]}}
    assert recipe.name == "b=c"
    assert recipe.maybe == Part(rate=0.001)
    with pytest.raises(ValueError, match="frozen"):
        recipe.name = "c"


@pytest.mark.parametrize("text", ["1e-4", "1E4", "+2.e3", "-.5e-1", "1.0e-3", "3e+2"])
def test_numbers_with_exponents_are_numbers(tmp_path: Path, text: str) -> None:
    """In the file as in an override, also where any value is taken."""
    recipe = load_recipe(write(tmp_path, f"name: a\nextra: {{a: {text}}}\n"), Whole, [f"extra.b={text}", "name=1e"])
    assert recipe.extra == {"a": float(text), "b": float(text)} and recipe.name == "1e"


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, "# nothing\n"), Part) == Part()


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("nam: a", [], r"unknown key 'nam'; valid keys are: data, extra, maybe, name, part, parts"),
        ("name: a\npart: {rat: 1}", [], r"unknown key 'part\.rat'; valid keys are: rate, steps"),
        ("name: a\nparts: [{rat: 1}]", [], r"unknown key 'parts\.0\.rat'; valid keys are: rate, steps"),
        ("name: a\ndata: [{kind: blue, depth: 2}]", [], r"valid keys are: kind, width$"),
        ("name: a", ["maybe.rat=1"], r"unknown key 'maybe\.rat'; valid keys are: rate, steps"),
        ("name: a\npart: {steps: many}", [], r"part\.steps: .*integer"),
        ("part: {}", [], r"name: Field required"),
        ("name: a\n  b: c\n", [], r"r\.yaml, line 2: "),
        ("name: a\nname: b\n", [], r"line 2: the key 'name' stands twice"),
        ("- 1\n", [], r"not a list"),
        ("name: a", ["part"], r"write it as key=value"),
        ("name: a", ["part..x=1"], r"write it as key=value"),
        ("name: a", ["name.x=1"], r"'name' is a single value"),
        ("name: a", ["part=[1"], r"not valid YAML"),
        ("name: a", ["extra.day=2024-13-45"], r"override 'extra.day=2024-13-45': the value is not valid YAML"),
        ("name: 2024-13-45", [], r"r\.yaml: month must be in 1\.\.12"),
        (
            "name: a\nparts: [{steps: 1}]",
            ["parts.0.steps=2"],
            r"'parts' is a list; give it whole, as in parts=\[\.\.\.\]",
        ),
    ],
)
def test_every_mistake_is_one_plain_line(tmp_path: Path, text: str, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_recipe(write(tmp_path, text), Whole, overrides)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: No such file"):
        load_recipe(tmp_path / "none.yaml", Whole)


@pytest.mark.parametrize(
    ("overrides", "blamed"),
    [
        (["part.steps=1", "part.rat=1", "name=b"], "override 'part.rat=1': unknown key"),
        (["part={steps: many}"], r"override 'part=\{steps: many\}': part\.steps: "),
        (["part.steps=many", "part.rate=1"], "override 'part.steps=many': "),
        (["part.steps=1"], r"^\S+r\.yaml: extra: "),
    ],
)
def test_what_gave_the_value_is_blamed(tmp_path: Path, overrides: list[str], blamed: str) -> None:
    path = write(tmp_path, "name: a\nextra: 1\n" if "extra" in blamed else "name: a\n")
    with pytest.raises(UserError, match=blamed):
        load_recipe(path, Whole, overrides)
