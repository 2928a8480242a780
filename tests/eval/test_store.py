import json

import numpy as np
import pytest

from mglmm import masks
from mglmm.eval.scorers import Question
from mglmm.eval.store import PredictionStore, PredictionWriter, claim
from mglmm.schema import UserError
from tests.eval.test_run import made

_, SAMPLE = made(0)
QUESTION = Question(0, SAMPLE, 0, ("panoptic",))
GOOD = json.loads(QUESTION.truth().to_json())


def stored(tmp_path, *records):
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def changed(**update):
    return GOOD | update


def with_segment(**update):
    first, *others = GOOD["segments"]
    return changed(segments=[first | update, *others])


def test_a_good_prediction(tmp_path):
    with PredictionStore(stored(tmp_path, changed(turn_index=3), GOOD)) as store:
        assert len(store) == 2 and QUESTION.key in store
        assert store.get(QUESTION) == QUESTION.truth()


def test_a_parent_that_is_no_part_of_the_answer_counts_as_a_whole(tmp_path):
    with PredictionStore(stored(tmp_path, with_segment(parent=9))) as store:
        assert store.get(QUESTION).segments[0].parent == 9


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (changed(size=[9, 9]), r"line 1, field size: \(9, 9\), but the image is \(20, 30\)"),
        (changed(instruction="other"), "line 1, field instruction: 'other', but the benchmark asks 'describe 0'"),
        (changed(answer={"text": "It is [SEG]."}), "line 1, field answer: plain text must hold no markup"),
        (changed(segments=[]), r"line 1, field answer.spans: segments \[1, 2\] do not exist"),
        (changed(segments=GOOD["segments"] * 2), "line 1, field segments: segment ids are not unique"),
        (with_segment(rle={"size": [20, 30], "counts": "123"}), "line 1: segment 1: RLE counts"),
        (with_segment(rle=masks.encode(np.ones((3, 3), dtype=bool))), r"field segments.0.rle: size \(3, 3\) is not"),
        (with_segment(parent=1), "line 1, field segments: segment 1: its parents form a cycle"),
        (changed(num_invalid=-1), "line 1, field num_invalid: Input should be greater"),
        (with_segment(score=float("nan")), "line 1, field segments.0.score: nan is not a number"),
        (changed(num_invalid="many"), "line 1, field num_invalid: "),
        (changed(colour="red"), "line 1, field colour: Extra inputs"),
    ],
)
def test_malformed_predictions_are_named(tmp_path, record, message):
    path = stored(tmp_path, record)
    with pytest.raises(UserError, match=message) as error, PredictionStore(path) as store:
        store.get(QUESTION)
    assert str(error.value).startswith(f"{path}, ") and "\n" not in str(error.value)


def test_an_answer_twice_is_told(tmp_path):
    with pytest.raises(UserError, match="line 3: sample made/0, turn 0 is answered before, in line 1"):
        PredictionStore(stored(tmp_path, GOOD, changed(turn_index=3), GOOD))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="none.jsonl: No such file"):
        PredictionStore(tmp_path / "none.jsonl")


def test_writer_appends(tmp_path):
    path = tmp_path / "p.jsonl"
    for turn in (0, 3):
        with PredictionWriter(path) as writer:
            writer.write([QUESTION.truth().model_copy(update={"turn_index": turn})])
    with PredictionStore(path) as store:
        assert store.keys() == {("made/0", 0), ("made/0", 3)}


def test_claim(tmp_path):
    claim(tmp_path / "new" / "folder", {"seeds": (1, 2)})
    claim(tmp_path / "new" / "folder", {"seeds": [1, 2]})
    with pytest.raises(UserError, match=r"seeds \[1, 2\], this one has \[1, 3\]"):
        claim(tmp_path / "new" / "folder", {"seeds": [1, 3]})
    (tmp_path / "new" / "folder" / "run.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        claim(tmp_path / "new" / "folder", {"seeds": [1, 3]})
    (tmp_path / "predictions.jsonl").write_text("")
    with pytest.raises(UserError, match="without run.json"):
        claim(tmp_path, {"seeds": [1, 3]})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/x: Not a directory"):
        claim(tmp_path / "file" / "x", {})
