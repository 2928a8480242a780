"""The documentation says what the code does: `python tools/formats.py` writes it."""

import json
import re
import sys
from pathlib import Path
from typing import get_args

from mglmm.grounding import render
from mglmm.schema import Sample, Task

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import formats  # noqa: E402


def test_schema_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "sample.schema.json").read_text(encoding="utf-8") == formats.schema()


def test_readers_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert page == formats.data_page(page)
    assert page.count("#### ") == len(formats.READERS)


def test_examples_of_the_format_are_records() -> None:
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    examples = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        assert json.loads(example)["id"]
    sample = Sample.model_validate_json(examples[1])
    assert {turn.task for turn in sample.turns} == set(get_args(Task))
    rendered = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert rendered
    assert rendered[1].splitlines() == [f"{turn.task}: {render(turn.answer)}" for turn in sample.turns]
