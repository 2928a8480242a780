"""Masks that no phrase is tied to, as models of LISA's layout write them, count where an answer means regions."""

import pytest
from PIL import Image

from mglmm.eval import run
from mglmm.eval.benchmarks import BENCHMARKS
from mglmm.eval.foreign import score_files
from mglmm.eval.samples import SampleSet
from mglmm.eval.store import PREDICTIONS_NAME
from mglmm.schema import GroundedText, Prediction, Sample, Span, Turn, read_jsonl, write_jsonl
from tests.eval.test_run import MODEL, SIZE, WORDS, segment

REGIONS = {
    "refcoco": "referring",
    "grefcoco": "generalized_referring",
    "reasonseg": "reasoning",
    "muse": "reasoning",
}


def asked(task, nothing_there=False):
    """A sample that is asked for the car, and, if wanted, for what is not there."""
    car = GroundedText(text="It is the car.", spans=(Span(start=6, end=13, segment_ids=(1,)),))
    turns = [Turn(task=task, instruction="Segment the car.", answer=car, family="short")]
    if nothing_there:
        turns.append(Turn(task=task, instruction="Segment the cow.", answer=GroundedText(text="There is none.")))
    segments = (segment(1, 0, "car"), segment(2, 15, "tree"))
    return Sample(id="one", image="one.png", size=SIZE, segments=segments, turns=tuple(turns))


def answer(sample, turn, *segments):
    return Prediction(
        sample_id=sample.id,
        turn_index=turn,
        size=SIZE,
        instruction=sample.turns[turn].instruction,
        answer=GroundedText(text="Sure, it is."),
        segments=segments,
        num_invalid=len(segments),
    )


@pytest.mark.parametrize(("name", "task"), REGIONS.items())
def test_a_file_of_answers_without_spans(name, task, tmp_path):
    sample = asked(task, nothing_there=name == "grefcoco")
    write_jsonl(tmp_path / "truth.jsonl", [sample])
    answers = [answer(sample, 0, segment(1, 0, "")), *(answer(sample, 1) for _ in sample.turns[1:])]
    write_jsonl(tmp_path / PREDICTIONS_NAME, answers)
    result = score_files(name, [tmp_path / "truth.jsonl"], tmp_path / PREDICTIONS_NAME, tmp_path / "out", resamples=5)
    corrected = result["groups"]["all"]["corrected"]
    assert corrected["mean_iou"]["value"] == pytest.approx(1.0)
    assert corrected["cumulative_iou"]["value"] == pytest.approx(1.0)


def test_every_mask_of_an_answer_counts(tmp_path):
    """As each `[SEG]` does in the authors' evaluators: one that a phrase names does not silence another."""
    sample = asked("referring")
    named = GroundedText(text="The car.", spans=(Span(start=0, end=7, segment_ids=(1,)),))
    mixed = answer(sample, 0, segment(1, 0, "car"), segment(2, 15, "")).model_copy(update={"answer": named})
    write_jsonl(tmp_path / "truth.jsonl", [sample])
    write_jsonl(tmp_path / PREDICTIONS_NAME, [mixed])
    result = score_files(
        "refcoco", [tmp_path / "truth.jsonl"], tmp_path / PREDICTIONS_NAME, tmp_path / "o", resamples=5
    )
    assert result["groups"]["all"]["corrected"]["mean_iou"]["value"] == pytest.approx(0.5)


def test_a_model_that_writes_no_phrases_is_scored_by_its_masks(sure, tmp_path):
    image = Image.new("RGB", SIZE[::-1], "teal")
    sample = asked("referring")
    samples = SampleSet(1, lambda _: sample, lambda _: image, {"made": 1})
    result = run.evaluate(
        sure, BENCHMARKS["refcoco"], samples, tmp_path, model=MODEL, measures=WORDS, resamples=5, batch_size=2
    )
    [given] = read_jsonl(tmp_path / PREDICTIONS_NAME, Prediction)
    assert (given.answer.text, given.answer.spans, len(given.segments)) == ("Sure, it is.", (), 1)
    truth, found = sample.segments[0].mask, given.segments[0].mask
    iou = (truth & found).sum() / (truth | found).sum()
    assert result["groups"]["all"]["corrected"]["mean_iou"]["value"] == pytest.approx(iou) and iou > 0
    assert result["num_invalid"] == 1
