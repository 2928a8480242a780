"""MGSCData: captions, masks, parents; written back equal; broken files are refused or left out alone."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mglmm import masks
from mglmm.data.label_studio import reviewed, task
from mglmm.data.readers import READERS
from mglmm.data.readers.mgsc import _mask_text, nodes_of, write_mgsc
from mglmm.data.readers.policy import Skipped
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn, UserError


def mask_text(*rows: int, spaced: bool = True) -> str:
    mask = np.zeros((6, 8), dtype=np.bool_)
    mask[list(rows)] = True
    rle = masks.encode(mask)
    value = {"size": rle["size"], "counts": base64.b64encode(rle["counts"].encode()).decode()}
    return json.dumps(value) if spaced else json.dumps(value, separators=(",", ":"), sort_keys=True)


def nodes() -> list[dict[str, Any]]:
    return [
        {
            "file_name": "sa_1.jpg",
            "label": "root",
            "type": "root",
            "gcg_caption": "<car>The red car</car> is near <tree 2>a tree</tree 2>. <car>It</car> is old.",
            "gcg_labels": ["car", "tree 2"],
            "car": {"label": "red car", "mask": mask_text(0, 1, 2)},
            "tree 2": {"label": "tall tree", "mask": mask_text(4, spaced=False)},
        },
        {
            "file_name": "sa_1.jpg",
            "label": "subtree: car",
            "type": "subtree",
            "gcg_caption": "<car>The car</car> with <wheel>a wheel</wheel>.",
            "gcg_labels": ["car", "wheel"],
            "car": {"label": "car", "mask": mask_text(0, 1, 2), "more": 1},
            "wheel": {"label": "wheel", "mask": mask_text(2)},
            "other": [1, 2],
        },
        {"file_name": "sa_1.jpg", "label": "subtree: sky", "type": "subtree", "gcg_caption": "", "gcg_labels": []},
    ]


def write(root: Path, **files: Any) -> Path:
    for name, value in files.items():
        text = value if isinstance(value, str) else json.dumps(value)
        (root / f"mglmm_sa_{name}.json").write_text(text)
    (root / "val.txt").write_text("".join(f"mglmm_sa_{name}.json\n" for name in files))
    Image.new("RGB", (8, 6)).save(root / "sa_1.jpg")
    return root


def read(root: Path, **options: Any) -> list[Sample]:
    return list(READERS["mgsc"](root, "val", **options))


def test_a_file(tmp_path: Path) -> None:
    (sample,) = read(write(tmp_path, a=nodes()))
    assert sample.image == "sa_1.jpg"
    assert [(s.id, s.label, s.area, s.parent) for s in sample.segments] == [
        (1, "red car", 24, None),
        (2, "tall tree", 8, None),
        (3, "wheel", 8, 1),
    ]
    whole, part = sample.turns
    assert whole.answer.text == "The red car is near a tree. It is old."
    assert list(zip(whole.answer.phrases, whole.answer.segment_ids, strict=True)) == [
        ("The red car", 1),
        ("a tree", 2),
        ("It", 1),
    ]
    assert (whole.granularity, part.granularity) == ("panoptic", "part")
    assert part.answer.segment_ids == (1, 3)
    assert "the car" in part.instruction


def test_written_back_equal(tmp_path: Path) -> None:
    (sample,) = read(write(tmp_path, a=nodes()))
    sample = Sample.model_validate_json(sample.model_dump_json())
    (tmp_path / "again").mkdir()
    assert write_mgsc([sample], tmp_path / "again") == 1
    assert json.loads((tmp_path / "again" / "mglmm_sa_a.json").read_text()) == nodes()


def test_what_a_reviewer_changed_is_written(tmp_path: Path) -> None:
    (sample,) = read(write(tmp_path, a=nodes()))
    made = json.loads(json.dumps(task(sample, "x")))
    record, result = made["data"]["record"], made["predictions"][0]["result"]
    assert nodes_of(reviewed(record, result)) == nodes()
    without = reviewed(record, [item for item in result if item["id"] != "segment-3"])
    assert [node["gcg_labels"] for node in nodes_of(without)] == [["red car", "tall tree", "red car 2"], ["red car"]]
    answer = next(item for item in result if item["from_name"] == "answer_1")
    answer["value"]["text"] = ["[A car](1) without wheels."]
    assert nodes_of(reviewed(record, result))[1]["gcg_caption"] == "<red car>A car</red car> without wheels."


@pytest.mark.parametrize("change", [{"label": "bush"}, {"rle": Rle.from_mask(np.eye(6, 8, dtype=np.bool_))}])
def test_changed_segments_are_written(tmp_path: Path, change: dict[str, Any]) -> None:
    (sample,) = read(write(tmp_path, a=nodes()))
    tree = sample.segments[1].model_copy(update=change)
    changed = sample.model_copy(update={"segments": (sample.segments[0], tree, sample.segments[2])})
    node = nodes_of(changed)[0][tree.label]
    assert (node["label"], json.loads(node["mask"])) == (tree.label, json.loads(_mask_text(tree.rle)))


KEYS = st.lists(st.text(st.characters(exclude_characters="<>", codec="utf-8"), min_size=1), unique=True, max_size=4)


# no "[" in the words: hypothesis tries constants of the code, and "[SEG]" is refused
@given(keys=KEYS, words=st.text(st.characters(exclude_characters="<>[", codec="utf-8")), rows=st.integers(0, 5))
def test_any_keys_are_written_back(keys: list[str], words: str, rows: int, tmp_path_factory: Any) -> None:
    keys = [key for key in keys if key not in nodes()[0]]
    tagged = "".join(f"{words}<{key}>a thing</{key}>" for key in keys)
    node = {**nodes()[2], "gcg_caption": tagged, "gcg_labels": keys}
    node |= {key: {"label": f"l{n}", "mask": mask_text(rows, n)} for n, key in enumerate(keys)}
    (sample,) = read(write(tmp_path_factory.mktemp("mgsc"), a=[node]))
    assert nodes_of(sample) == [node]
    assert all(turn.answer.phrases == ("a thing",) * len(keys) for turn in sample.turns)


def test_a_sample_of_another_source(tmp_path: Path) -> None:
    def segment(number: int, label: str, row: int) -> Segment:
        mask = np.zeros((6, 8), dtype=np.bool_)
        mask[row] = True
        return Segment(id=number, rle=Rle.from_mask(mask), label=label)

    text = GroundedText(
        text="A cat and dogs.",
        spans=(Span(start=0, end=5, segment_ids=(1,)), Span(start=10, end=14, segment_ids=(2, 3))),
    )
    first = Sample(
        id="x/mglmm_sa_1",
        image="sa_1.jpg",
        size=(6, 8),
        segments=(segment(1, "cat", 0), segment(2, "dog", 1), segment(3, "dog", 2)),
        turns=(Turn(task="mgsc", instruction="?", answer=text, granularity="panoptic"),),
    )
    write_mgsc([first], tmp_path)
    Image.new("RGB", (8, 6)).save(tmp_path / "sa_1.jpg")
    (tmp_path / "val.txt").write_text("mglmm_sa_1.json\n")
    (again,) = read(tmp_path)
    assert again.turns[0].answer.text == text.text
    assert again.turns[0].answer.phrases == text.phrases
    assert [s.area for s in again.segments] == [8, 16]


BROKEN: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "key without a field": (lambda n: n[0].pop("car"), "'car'"),
    "key is a text": (lambda n: n[0].update(car="mask"), "label and mask"),
    "mask is no JSON": (lambda n: n[0]["car"].update(mask="{"), "mask"),
    "no base64": (lambda n: n[0]["car"].update(mask='{"size": [6, 8], "counts": "%%"}'), "mask"),
    "runs do not fill": (lambda n: n[0]["car"].update(mask='{"size": [6, 9], "counts": "MDAw"}'), "pixels"),
    "tag not closed": (lambda n: n[0].update(gcg_caption="<car>The car"), "no partner"),
    "tag in a tag": (lambda n: n[0].update(gcg_caption="<car>a <tree 2>b</tree 2></car>"), "another tag"),
    "tag without words": (lambda n: n[0].update(gcg_caption="<car> </car>"), "no phrase"),
    "another image": (lambda n: n[1].update(file_name="sa_2.jpg"), "file_name"),
    "no caption": (lambda n: n[1].pop("gcg_caption"), "gcg_caption"),
    "missing image": (lambda n: [node.update(file_name="sa_9.jpg") for node in n], "no such picture"),
    "zip-slip": (lambda n: [node.update(file_name="../sa_1.jpg") for node in n], "leads out"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(name: str, tmp_path: Path) -> None:
    listed = nodes()
    spoil, reason = BROKEN[name]
    spoil(listed)
    root = write(tmp_path, a=listed, b=nodes())
    with pytest.raises(UserError, match="sa_") as caught:
        read(root)
    assert reason in str(caught.value)
    skipped = Skipped()
    assert [s.id for s in read(root, on_bad=skipped)] == ["mgsc/mglmm_sa_b"]
    assert skipped.count == 1


def test_cut_and_missing_files(tmp_path: Path) -> None:
    root = write(tmp_path, a=json.dumps(nodes())[:-9], b=nodes(), c="[]")
    (root / "val.txt").write_text("mglmm_sa_a.json\nmglmm_sa_b.json\nmglmm_sa_c.json\nnone.json\n../x.json\n")
    skipped = Skipped()
    assert [s.id for s in read(root, on_bad=skipped)] == ["mgsc/mglmm_sa_b"]
    assert skipped.count == 4


def test_mask_called_as_a_field_of_the_node_takes_no_place() -> None:
    """A bottle has a label; the node that tells it has a field of that name."""
    mask = np.ones((2, 2), dtype=np.bool_)
    segments = tuple(Segment(id=k, rle=Rle.from_mask(mask), label=name) for k, name in enumerate(("bottle", "label")))
    spans = (Span(start=2, end=8, segment_ids=(0,)), Span(start=16, end=21, segment_ids=(1,)))
    answer = GroundedText(text="A bottle with a label.", spans=spans)
    turn = Turn(task="mgsc", instruction="?", answer=answer, granularity="part")
    (node,) = nodes_of(Sample(id="a", image="a.png", size=(2, 2), segments=segments, turns=(turn,)))
    assert node["label"] == "subtree: bottle"
    assert node["gcg_labels"] == ["bottle", "label 2"] and node["label 2"]["label"] == "label"
