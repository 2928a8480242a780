import json
import re

import numpy as np
import pytest
from PIL import Image

from mglmm.eval import asking, run
from mglmm.eval import samples as samples_module
from mglmm.eval.benchmarks import BENCHMARKS, SUITES, Benchmark, generalized_groups, mgsc_groups
from mglmm.eval.samples import Inputs, SampleSet, file_samples, world_samples
from mglmm.eval.scorers import Measures
from mglmm.eval.store import PREDICTIONS_NAME
from mglmm.eval.text_similarity import LexicalSimilarity
from mglmm.schema import GroundedText, Prediction, Rle, Sample, Segment, Span, Turn, UserError, read_jsonl, write_jsonl

SIZE = (20, 30)
SAMPLES = 5
MODEL = {"name": "fake", "weights": "0"}


def segment(segment_id, left, label):
    mask = np.zeros(SIZE, dtype=bool)
    mask[5:15, left : left + 8] = True
    return Segment(id=segment_id, rle=Rle.from_mask(mask), label=label)


def made(index):
    """One picture with a car and a tree, asked for as a whole and, in a second turn, for something absent."""
    caption = GroundedText(
        text="A car and a tree.",
        spans=(Span(start=0, end=5, segment_ids=(1,)), Span(start=10, end=16, segment_ids=(2,))),
    )
    turns = (
        Turn(task="mgsc", granularity="panoptic", instruction=f"describe {index}", answer=caption),
        Turn(task="mgsc", granularity="panoptic", instruction="go on", answer=caption, follows=True),
        Turn(task="conversation", instruction="hello", answer=GroundedText(text="hi")),
        Turn(task="mgsc", granularity="part", instruction=f"describe its parts {index}", answer=caption),
    )
    sample = Sample(
        id=f"made/{index}", image="", size=SIZE, segments=(segment(1, 0, "car"), segment(2, 15, "tree")), turns=turns
    )
    return Image.new("RGB", (SIZE[1], SIZE[0]), (index, 0, 0)), sample


def made_set(num=SAMPLES):
    return SampleSet(num, lambda index: made(index)[1], lambda index: made(index)[0], {"made": num})


WORDS = Measures(LexicalSimilarity())
"""Scores without those of the texts, which need a Java."""


BENCHMARK = Benchmark(
    "made", "Made by hand.", lambda _: made_set(), mgsc_groups, {"panoptic": "grounded", "part": "grounded"}
)


class Fake:
    """Knows the true answers and gives what `change` makes of them; dies when it has been asked `patience` batches."""

    def __init__(self, benchmark=BENCHMARK, samples=None, change=lambda truth: truth, patience=None):
        samples = samples or made_set()
        questions = benchmark.questions(samples)
        self.known = {(samples.image(q.sample_index).tobytes(), q.turn.instruction): q.truth() for q in questions}
        self.change, self.patience, self.num_asked = change, patience, 0

    def ask_many(self, questions, *, batch_size, max_new_tokens):
        if self.patience is not None and self.num_asked >= self.patience:
            raise KeyboardInterrupt
        self.num_asked += len(questions)
        return [self.change(self.known[image.tobytes(), text]) for image, text in questions]


def nothing(truth):
    return Prediction(sample_id="?", size=truth.size, instruction=truth.instruction, answer=GroundedText(text="no"))


def wrong(truth):
    """The two phrases with each other's masks, and one malformed place."""
    spans = tuple(
        span.model_copy(update={"segment_ids": other.segment_ids})
        for span, other in zip(truth.answer.spans, reversed(truth.answer.spans), strict=True)
    )
    return truth.model_copy(
        update={"answer": truth.answer.model_copy(update={"spans": spans}), "num_invalid": 1, "sample_id": "?"}
    )


def evaluated(out, predictor, benchmark=BENCHMARK, samples=None, **options):
    options = {"model": MODEL, "measures": WORDS, "batch_size": 3, "resamples": 20} | options
    return run.evaluate(predictor, benchmark, samples or made_set(), out, **options)


def values(result, protocol, group="panoptic"):
    return {name: score["value"] for name, score in result["groups"][group][protocol].items()}


def good(result, protocol, group="panoptic"):
    """The values of which 1 is best."""
    return {n: value for n, value in values(result, protocol, group).items() if not n.startswith("hallucinat")}


def test_perfect_answers_score_one(tmp_path):
    result = evaluated(tmp_path, Fake())
    for group in ("panoptic", "part"):
        for protocol in ("official", "corrected"):
            assert set(good(result, protocol, group).values()) == {1.0}
    assert values(result, "corrected")["hallucination_rate_lexical"] == 0.0
    assert result["num_questions"] == 10 and result["num_samples"] == 5 and result["num_invalid"] == 0
    assert json.loads((tmp_path / "scores.json").read_text()) == result
    assert result["groups"]["part"]["corrected"]["mean_iou"]["interval"] == [1.0, 1.0]
    assert "## Worst" not in (tmp_path / "report.md").read_text()


def test_no_answers_score_zero(tmp_path):
    result = evaluated(tmp_path, Fake(change=nothing))
    assert set(values(result, "corrected").values()) == {0.0}
    assert set(values(result, "official").values()) == {0.0}
    assert result["groups"]["panoptic"]["failures"] == [
        "the official evaluator dies with IndexError: no image has a predicted mask"
    ]


def test_wrong_phrases_cost_recall_alone(tmp_path):
    result = evaluated(tmp_path, Fake(change=wrong))
    found = values(result, "corrected")
    assert found["mean_iou"] == found["ap"] == 1.0
    assert found["mask_recall_lexical"] == found["mask_f1_lexical"] == 0.0
    assert result["num_invalid"] == result["num_invalid_answers"] == 10


def test_report_shows_the_worst(tmp_path):
    old, foreign = tmp_path / "gallery" / "000099-0.jpg", tmp_path / "gallery" / "holiday.jpg"
    old.parent.mkdir()
    for path in (old, foreign):
        path.touch()
    evaluated(tmp_path, Fake(change=nothing))
    assert foreign.exists() and not old.exists()
    report = (tmp_path / "report.md").read_text()
    pictures = re.findall(r"\]\((gallery/[^)]+)\)", report)
    assert len(pictures) == 10 and all((tmp_path / p).exists() for p in pictures)
    assert "describe 3" in report and "<p> a tree </p> [SEG]" in report
    with Image.open(tmp_path / pictures[0]) as picture:
        assert picture.width > 2 * 480


def test_a_killed_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "BATCHES_A_RUN", 1)  # few questions make several runs
    straight = evaluated(tmp_path / "straight", Fake(change=wrong))
    with pytest.raises(KeyboardInterrupt):
        evaluated(tmp_path / "killed", Fake(change=wrong, patience=6))
    path = tmp_path / "killed" / PREDICTIONS_NAME
    assert len(list(read_jsonl(path, Prediction))) == 6
    with path.open("a") as file:
        file.write('{"sample_id": "made/')  # killed in the middle of a line
    second = Fake(change=wrong)
    resumed = evaluated(tmp_path / "killed", second)
    assert second.num_asked == 4
    assert resumed["groups"] == straight["groups"]
    assert path.read_text() == (tmp_path / "straight" / PREDICTIONS_NAME).read_text()


def test_a_limited_run_can_be_extended(tmp_path):
    first = evaluated(tmp_path, Fake(), limit=3)
    assert first["num_questions"] == 3
    model = Fake()
    assert evaluated(tmp_path, model)["num_questions"] == 10
    assert model.num_asked == 7
    assert evaluated(tmp_path, Fake(), limit=3)["groups"] == first["groups"]


def test_a_folder_belongs_to_one_run(tmp_path):
    evaluated(tmp_path, Fake())
    with pytest.raises(UserError, match="weights.*choose another folder"):
        evaluated(tmp_path, Fake(), model={"name": "fake", "weights": "1"})
    with pytest.raises(UserError, match="samples.*'made': 5.*'made': 4.*choose another folder"):
        evaluated(tmp_path, Fake(), samples=made_set(4))


def test_scoring_needs_no_model(tmp_path):
    result = evaluated(tmp_path / "a", Fake(change=wrong))
    (tmp_path / "b").mkdir()
    again = run.score(
        BENCHMARK, made_set(), tmp_path / "a" / PREDICTIONS_NAME, tmp_path / "b",
        run=result["run"], measures=WORDS, resamples=20,
    )  # fmt: skip
    assert again["groups"] == result["groups"]


def test_nothing_is_dropped_from_a_denominator(tmp_path):
    evaluated(tmp_path, Fake(), limit=9)
    rest = {"run": json.loads((tmp_path / "run.json").read_text()), "measures": WORDS}
    with pytest.raises(UserError, match="no prediction for sample made/4, turn 3"):
        run.score(BENCHMARK, made_set(), tmp_path / PREDICTIONS_NAME, tmp_path, **rest)
    with pytest.raises(UserError, match="1 predictions answer no question of made, the first: sample made/4, turn 0"):
        run.score(BENCHMARK, made_set(4), tmp_path / PREDICTIONS_NAME, tmp_path, **rest)


def test_a_model_must_answer_every_question(tmp_path):
    class Lazy:
        def ask_many(self, questions, *, batch_size, max_new_tokens):
            return []

    with pytest.raises(ValueError, match="0 answers to 10 questions"):
        evaluated(tmp_path, Lazy())


def test_unknown_names_and_empty_samples_are_told(tmp_path):
    with pytest.raises(UserError, match="'world' does not exist; choose one of mgsc, gcg"):
        run.run_benchmark("world", model="default", out=tmp_path, inputs=Inputs(), measures=WORDS)
    with pytest.raises(UserError, match="'world-all' is several benchmarks; give one of them: world-mgsc, "):
        run.find("world-all")
    with pytest.raises(UserError, match="no question of the benchmark"):
        evaluated(tmp_path, Fake(), samples=made_set(0))
    with pytest.raises(UserError, match="9:9 are empty"):
        run.run_benchmark("world-refer", model="default", out=tmp_path, inputs=Inputs((9, 9)), measures=WORDS)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name.startswith("world-")])
def test_world(name, tmp_path):
    benchmark = BENCHMARKS[name]
    samples = benchmark.samples(Inputs(seeds=(2**30 + 7, 2**30 + 9)))
    result = evaluated(tmp_path / "perfect", Fake(benchmark, samples), benchmark, samples)
    assert result["groups"].keys() == benchmark.scorers.keys()
    for group in benchmark.scorers:
        assert result["groups"][group]["num_questions"] > 0
        assert set(good(result, "corrected", group).values()) <= {1.0, None}
    result = evaluated(tmp_path / "empty", Fake(benchmark, samples, nothing), benchmark, samples)
    for group in set(benchmark.scorers) - {"empty"}:
        assert values(result, "corrected", group)["cumulative_iou" if name[6:] in NO_TEXT else "mean_iou"] == 0


NO_TEXT = ("refer", "grefer", "reason")


def test_suites_name_benchmarks():
    assert all(part in BENCHMARKS for parts in SUITES.values() for part in parts)


@pytest.mark.parametrize("granularity", ["panoptic", "object", "part", None])
@pytest.mark.parametrize("family", ["phrase: unicorn", "gcg", None])
def test_turns_of_other_samples_count_in_groups_that_there_are(granularity, family):
    turn = Turn(
        task="referring", instruction="it", answer=GroundedText(text="It."), granularity=granularity, family=family
    )
    for name in ("photos", "world-refer"):
        assert set(BENCHMARKS[name].groups_of(turn)) <= set(BENCHMARKS[name].scorers)


def test_markup_in_the_truth_is_told(tmp_path):
    _, sample = made(0)
    turn = sample.turns[0].model_copy(update={"answer": GroundedText(text="A [SEG].")})
    write_jsonl(tmp_path / "truth.jsonl", [sample.model_copy(update={"turns": (turn,)})])
    with pytest.raises(UserError, match=r"truth.jsonl, line 1, field turns.0.answer: plain text must hold no markup"):
        file_samples(Inputs(data=tmp_path / "truth.jsonl")).sample(0)


def test_pictures_of_the_world_are_drawn_once(monkeypatch):
    drawn = []
    monkeypatch.setattr(samples_module, "world_sample", lambda seed, novel: drawn.append(seed) or (None, seed))
    samples = world_samples(Inputs((5, 12)))
    assert [samples.sample(k) for k in range(7)] == [*range(5, 12)]
    assert [samples.image(k) for k in range(7)] == [None] * 7
    assert drawn == [*range(5, 12)]


def test_generalized_groups():
    def turn(family, *segment_ids):
        spans = (Span(start=0, end=1, segment_ids=segment_ids),) if segment_ids else ()
        return Turn(
            task="generalized_referring", instruction="?", family=family, answer=GroundedText(text="x", spans=spans)
        )

    assert generalized_groups(turn("absent_kind")) == ("all", "empty")
    assert generalized_groups(turn("mixed", 1)) == ("all", "mixed")
    assert generalized_groups(turn("instances", 1, 2)) == ("all", "several")


def test_a_real_predictor(tiny_model_dir, tmp_path):
    options = {"model": str(tiny_model_dir), "inputs": Inputs((2**30, 2**30 + 1)), "loading": {"device": "cpu"}}
    options |= {"measures": WORDS, "limit": 1, "max_new_tokens": 8}
    result = run.run_benchmark("world-all", out=tmp_path, **options)
    assert set(result["benchmarks"]) == set(SUITES["world-all"])
    refer = result["benchmarks"]["world-refer"]
    assert refer["num_questions"] == 1 and refer["timing"]["num_generated"] == 1
    assert 0 <= values(refer, "corrected", "all")["mean_iou"] < 0.9
    assert json.loads((tmp_path / "scores.json").read_text()) == result
    assert "[world-refer](world-refer/report.md)" in (tmp_path / "report.md").read_text()
    again = run.run_benchmark("world-refer", out=tmp_path / "world-refer", **options)
    assert again["timing"]["num_generated"] == 0 and again["groups"] == refer["groups"]
