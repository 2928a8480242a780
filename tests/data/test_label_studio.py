"""Label Studio: what nobody changed comes back as it was, what a reviewer changed comes back changed."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as npst

from mglmm.cli import main
from mglmm.data import brush
from mglmm.data.label_studio import linked, reviewed, task, unlinked
from mglmm.schema import GroundedText, Sample, Span, read_jsonl
from tests.data.records_made import HEIGHT, WIDTH, answers, samples, simple, write

masks = npst.arrays(bool, npst.array_shapes(min_dims=2, max_dims=2, max_side=30))


@settings(max_examples=60, deadline=None)
@given(masks)
def test_a_brush_mask_comes_back(mask: np.ndarray) -> None:
    assert np.array_equal(brush.decode(brush.encode(mask), mask.shape), mask)


def test_long_runs_are_cut() -> None:
    mask = np.zeros((300, 300), dtype=bool)
    mask[1:299] = True
    assert np.array_equal(brush.decode(brush.encode(mask), mask.shape), mask)


def test_masks_as_label_studio_writes_them() -> None:
    """Made with the package label-studio-converter 0.0.59, which also decoded ours: `encode_rle`, four channels."""
    packed = [0, 0, 0, 16, 57, 27, 252, 127, 243, 128, 71, 254]
    assert np.array_equal(brush.decode(packed, (2, 2)), np.eye(2, dtype=bool))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda packed: packed[:-3], "cut short"),
        (lambda packed: packed[:5], "cut short"),
        (lambda packed: [0, 0, 0, 4, *packed[4:]], "4 values"),
    ],
)
def test_broken_masks(change: Callable[[list[int]], list[int]], reason: str) -> None:
    packed = brush.encode(np.eye(6, dtype=bool))
    with pytest.raises(ValueError, match=reason):
        brush.decode(change(packed), (6, 6))


@settings(max_examples=60, deadline=None)
@given(answers([1, -2, 30]))
def test_links_come_back(answer: GroundedText) -> None:
    assert unlinked(linked(answer)) == answer


def test_brackets_are_kept_apart_from_links() -> None:
    answer = GroundedText(text=r"[a](1) \ b]", spans=(Span(start=0, end=3, segment_ids=(7,)),))
    assert linked(answer) == r"[\[a\]](7)(1) \\ b\]"
    assert unlinked(linked(answer)) == answer


@settings(max_examples=25, deadline=None)
@given(samples())
def test_what_nobody_changed_comes_back(sample: Sample) -> None:
    made = json.loads(json.dumps(task(sample, "x")))
    assert reviewed(made["data"]["record"], made["predictions"][0]["result"]) == sample


def result_of(sample: Sample) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    made = copy.deepcopy(task(sample, "x"))
    return made["data"]["record"], made["predictions"][0]["result"]


def test_a_region_that_is_gone_leaves_the_answers() -> None:
    record, result = result_of(simple("a"))
    kept = [item for item in result if item["id"] != "segment-1"]
    sample = reviewed(record, kept)
    assert [(s.id, s.parent) for s in sample.segments] == [(2, None)]
    assert sample.turns[0].answer.text == "The red car has a wheel."
    assert sample.turns[0].answer.phrases == ("a wheel",)


def test_a_new_region_and_a_new_answer() -> None:
    record, result = result_of(simple("a"))
    painted = np.zeros((HEIGHT, WIDTH), dtype=bool)
    painted[:2] = True
    region = {"id": "Xy9", "from_name": "label", "to_name": "image", "type": "brushlabels"}
    region["value"] = {"format": "rle", "rle": brush.encode(painted), "brushlabels": ["roof"]}
    told = next(item for item in result if item["from_name"] == "answer_0")
    told["value"]["text"] = ["[A car](1) below [a roof](3)."]
    sample = reviewed(record, [*result, region])
    assert sample.segment(3).label == "roof" and sample.segment(3).area == 2 * WIDTH
    assert sample.turns[0].answer.segment_ids == (1, 3)
    told["value"]["text"] = ["[A car](1) below [a roof](9)."]
    with pytest.raises(ValueError, match=r"turn 0 names segments \[9\]"):
        reviewed(record, [*result, region])
    region["value"]["brushlabels"] = []
    with pytest.raises(ValueError, match="Xy9 has no label"):
        reviewed(record, [region])


def test_texts_and_relations_as_a_reviewer_leaves_them() -> None:
    record, result = result_of(simple("a"))
    for item in result:
        if item["from_name"] == "caption":
            item["value"]["text"] = "A red car."
    relation = {"type": "relation", "from_id": "segment-1", "to_id": "segment-2", "direction": "right"}
    assert reviewed(record, [*result, relation]).segment(1).caption == "A red car."


def test_meta_goes_with_its_segments() -> None:
    meta = {"predicted_iou": {"1": 0.9, "2": 0.8}, "crowd_ids": [1, 2], "scene": "street"}
    record, result = result_of(simple("a").model_copy(update={"meta": meta}))
    sample = reviewed(record, [item for item in result if item["id"] != "segment-1"])
    assert sample.meta == {"predicted_iou": {"2": 0.8}, "crowd_ids": [2], "scene": "street"}


def test_export_review_and_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, simple("one"), simple("two"), simple("three"))
    out = tmp_path / "review"
    assert main(["data", "export", "label-studio", str(path), "--out", str(out), "--with-images"]) == 0
    tasks = json.loads((out / "x.json").read_text())
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=images/images/one.png"
    assert '<Label value="wheel"/>' in (out / "x.xml").read_text()
    convert = ["data", "convert", "label-studio", "--root", str(out), "--split", "x", "--out", str(out / "y.jsonl")]
    assert main(convert) == 2
    assert "holds no record" in capsys.readouterr().err
    tasks[0]["annotations"] = [{"result": tasks[0]["predictions"][0]["result"], "was_cancelled": False}]
    tasks[1]["annotations"] = [{"result": [], "was_cancelled": True}]
    (out / "x.json").write_text(json.dumps(tasks))
    assert main(convert) == 0
    assert [s.id for s in read_jsonl(out / "y.jsonl", Sample)] == ["one"]
    assert main([*convert, "--option", "reviewed_only=false"]) == 0
    found = list(read_jsonl(out / "y.jsonl", Sample))
    assert [s.model_copy(update={"image": ""}) for s in found] == [
        simple(name).model_copy(update={"image": ""}) for name in ("one", "two", "three")
    ]
    assert main(["data", "check", str(out / "y.jsonl")]) == 0
    tasks[0]["annotations"][0]["result"][0]["value"]["rle"] = [1, 2, 3]
    (out / "x.json").write_text(json.dumps(tasks))
    assert main(convert) == 2
    assert "x.json, task 1: the brush mask is cut short" in capsys.readouterr().err
    tasks[0]["annotations"][0]["result"] = [{"id": "a"}]
    (out / "x.json").write_text(json.dumps(tasks))
    assert main(convert) == 2
    assert "task 1: not as `mglmm data export label-studio` makes it" in capsys.readouterr().err
