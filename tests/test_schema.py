"""Records refuse what does not fit together, and survive a file."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from mglmm.schema import (
    GroundedText,
    Prediction,
    Rle,
    Sample,
    Segment,
    Span,
    Turn,
    UserError,
    check_parents,
    read_jsonl,
    write_jsonl,
)


def rle(height: int = 4, width: int = 6) -> Rle:
    mask = np.zeros((height, width), bool)
    mask[1:3, 2:5] = True
    return Rle.from_mask(mask)


def sample(**changes: object) -> Sample:
    answer = GroundedText(text="the cat.", spans=(Span(start=0, end=7, segment_ids=(1,)),))
    turn = Turn(task="referring", instruction="Segment the cat.", answer=answer)
    fields: dict[str, object] = {
        "id": "a",
        "image": "images/a.jpg",
        "size": (4, 6),
        "segments": (
            Segment(id=1, rle=rle(), label="cat"),
            Segment(id=2, rle=rle(), label="head", parent=1, caption="a head"),
        ),
        "turns": (turn, turn.model_copy(update={"follows": True}), turn),
        "meta": {"names": {"1": "kitty"}},
    }
    return Sample.model_validate({**fields, **changes})


def test_a_sample_survives_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert write_jsonl(path, [sample(), sample(id="b")]) == 2
    assert list(read_jsonl(path, Sample)) == [sample(), sample(id="b")]
    assert not list(tmp_path.glob("*.partial"))


def test_a_prediction_survives_a_file(tmp_path: Path) -> None:
    prediction = Prediction(
        sample_id="a", size=(4, 6), instruction="Segment it.", answer=sample().turns[0].answer, segments=()
    )
    (tmp_path / "p.jsonl").write_text(prediction.to_json() + "\n\n", encoding="utf-8")
    assert list(read_jsonl(tmp_path / "p.jsonl", Prediction)) == [prediction]


def test_measures_and_relations() -> None:
    s = sample()
    assert s.segment(1).area == 6
    assert s.segment(1).box == (2, 1, 5, 3)
    assert s.segment(1).mask.sum() == 6
    assert [c.id for c in s.children(1)] == [2] and [c.id for c in s.children(None)] == [1]
    assert [len(c) for c in s.conversations] == [2, 1]
    assert sample(turns=()).conversations == ()
    with pytest.raises(KeyError):
        s.segment(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (4, 7)}, r"\(4, 6\) is not the image's \(4, 7\)"),
        ({"segments": (Segment(id=1, rle=rle(), label="a"),) * 2}, r"not unique: \[1\]"),
        ({"segments": (Segment(id=1, rle=rle(), label="a", parent=9),)}, "parent 9 does not exist"),
        (
            {
                "segments": (
                    Segment(id=1, rle=rle(), label="a", parent=2),
                    Segment(id=2, rle=rle(), label="b", parent=1),
                )
            },
            "cycle",
        ),
        ({"segments": ()}, r"turn 0 names segments \[1\]"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        sample(**changes)


def test_parents_elsewhere_count_as_wholes_only_where_that_is_said() -> None:
    part, whole = sample().segments[1], sample().segments[0]
    check_parents((part,), complete=False)
    with pytest.raises(ValueError, match="parent 1 does not exist"):
        check_parents((part,))
    with pytest.raises(ValueError, match="cycle"):
        check_parents((part, whole.model_copy(update={"parent": 2})), complete=False)


def test_the_first_turn_follows_no_other() -> None:
    turn = sample().turns[1]
    with pytest.raises(ValidationError, match="follows no other"):
        sample(turns=(turn,))


@pytest.mark.parametrize(
    "spans", [[(2, 2, (1,))], [(0, 3, ())], [(0, 3, (1,)), (2, 4, (2,))], [(2, 4, (1,)), (0, 1, (2,))], [(0, 9, (1,))]]
)
def test_spans_hold_text_and_stand_in_order(spans: list[tuple[int, int, tuple[int, ...]]]) -> None:
    with pytest.raises(ValidationError):
        GroundedText(text="abcd", spans=tuple(Span(start=s, end=e, segment_ids=i) for s, e, i in spans))


def test_records_are_immutable() -> None:
    with pytest.raises(ValidationError):
        sample().id = "other"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}\n", "line 1, field id"),
        (b"\n{broken\n", "line 2"),
        (b"\xff\xfe\n", "not UTF-8"),
    ],
)
def test_reading_names_file_line_and_field(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        list(read_jsonl(path, Sample))
    assert str(path) in str(error.value)


def test_a_damaged_mask_in_a_file_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    record = json.loads(sample().model_dump_json())
    record["segments"][0]["rle"]["counts"] = "0400000"
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(UserError, match=r"line 1: segment 1: .*of 24"):
        list(read_jsonl(path, Sample))


def test_a_missing_file_is_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        list(read_jsonl(tmp_path / "none.jsonl", Sample))
