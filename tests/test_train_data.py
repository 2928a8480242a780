"""What a recipe says of its data is what the mixture does."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mglmm.data.balance import Step
from mglmm.data.export import Options, export
from mglmm.schema import write_jsonl
from mglmm.train import TrainRecipe
from mglmm.train.setup import make_mixture
from tests.data.records_made import simple, write


def recipe(data: list[dict[str, Any]], **more: Any) -> TrainRecipe:
    return TrainRecipe.model_validate(
        {
            "output": "x",
            "model": "default",
            "data": data,
            "trainer": {"max_steps": 1},
            "conversations_per_image": 9,
            **more,
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`a.jsonl`: six samples with turns; `b`: shards of three without any, with their images."""
    write(tmp_path, *(simple(f"a{k}") for k in range(6)), file="a.jsonl")
    write(tmp_path, *(simple(f"b{k}").model_copy(update={"turns": ()}) for k in range(3)), file="b.jsonl")
    export("parquet", tmp_path / "b.jsonl", str(tmp_path / "b"), Options("b", with_images=True))
    return tmp_path


def test_turns_are_made_where_they_are_asked_for(folder: Path) -> None:
    entry = {"source": "samples", "paths": [str(folder / "b")], "tasks": ["semantic", "panoptic"]}
    chosen = recipe([entry])
    mixed = make_mixture(chosen, chosen.data, 6, 0)
    assert {turns[0].task for k in range(6) for turns in mixed[k].conversations} == {"semantic", "panoptic"}
    augmented = recipe([{**entry, "augment": True}])
    sizes = {make_mixture(augmented, augmented.data, 6, 0)[k].sample.size for k in range(6)}
    assert len(sizes) > 1
    with pytest.raises(ValidationError, match="augment needs tasks"):
        recipe([{"source": "samples", "paths": ["x"], "augment": True}])


def test_an_image_without_anything_to_say_is_replaced(folder: Path) -> None:
    bare = simple("b0").model_copy(update={"segments": (), "turns": (), "exhaustive": ()})
    write_jsonl(folder / "c.jsonl", [bare, simple("b1")])
    chosen = recipe([{"source": "samples", "paths": [str(folder / "c.jsonl")], "tasks": ["referring"]}])
    mixed = make_mixture(chosen, chosen.data, 4, 0)
    assert {mixed[k].sample.id for k in range(4)} == {"b1"}


def test_caps_and_families(folder: Path) -> None:
    a = {"source": "samples", "paths": [str(folder / "a.jsonl")], "cap": 2}
    b = {"source": "samples", "paths": [str(folder / "b")], "tasks": ["semantic"]}
    chosen = recipe([a, b], batches="family")
    mixed = make_mixture(chosen, chosen.data, 40, 0, step=Step(4))
    steps = [{mixed[k].sample.id[0] for k in range(start, start + 4)} for start in range(0, 40, 4)]
    assert all(len(step) == 1 for step in steps) and set.union(*steps) == {"a", "b"}
    seen = Counter(mixed[k].sample.id for k in range(40))
    assert sum(name.startswith("a") for name in seen) == 2
    one = recipe([{**a, "family": "x"}, {**b, "family": "x"}], batches="family")
    mixed = make_mixture(one, one.data, 40, 0, step=Step(40))
    assert {mixed[k].sample.id[0] for k in range(40)} == {"a", "b"}


def test_the_ablation(folder: Path) -> None:
    entry = {"source": "samples", "paths": [str(folder / "b")], "tasks": ["referring", "gcg"]}
    chosen = recipe([entry], uscdf=False)
    answers = {turns[0].task: turns[0].answer for turns in make_mixture(chosen, chosen.data, 1, 0)[0].conversations}
    assert answers["referring"].phrases == ("It",)
    assert "It" not in answers["gcg"].phrases
