import json

import numpy as np
import pytest
from PIL import Image

from mglmm.eval.benchmarks import BENCHMARKS
from mglmm.eval.photos import DESCRIPTION, SETS
from mglmm.eval.run import evaluate
from mglmm.eval.samples import Inputs
from mglmm.eval.scorers import ReferringScorer, merged_pair
from mglmm.schema import Rle, Segment, UserError
from tests.eval.test_run import MODEL, WORDS, Fake, good

HEIGHT, WIDTH = 60, 80


def square(top, left, height, width):
    return [left, top, left + width, top, left + width, top + height, left, top + height]


CLASSES = {
    "ccp": [
        {"id": 1, "name": "hair", "role": "part", "whole": "person"},
        {"id": 2, "name": "jeans", "role": "part", "whole": "person"},
        {"id": 3, "name": "heels", "role": "part", "whole": "person"},
    ],
    "facade": [
        {"id": 0, "name": "unlabelled", "role": "ignore"},
        {"id": 1, "name": "facade", "role": "thing"},
        {"id": 3, "name": "window", "role": "part", "whole": "facade"},
    ],
    "cats": [{"id": 1, "name": "cat", "role": "thing"}],
}
SHAPES = {
    "ccp": [(1, 5, 30, 10, 20), (2, 20, 30, 20, 20), (3, 45, 30, 10, 20)],
    "facade": [(1, 10, 10, 45, 60), (3, 15, 15, 10, 10), (3, 15, 40, 10, 10)],
    "cats": [(1, 20, 5, 20, 20), (1, 20, 50, 20, 20)],
}
"""Set -> (class id, top, left, height, width)."""


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for name, shapes in SHAPES.items():
        folder = tmp_path / "photos" / name
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True)
        ids = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        for class_id, top, left, height, width in shapes:
            ids[top : top + height, left : left + width] = class_id
        Image.fromarray(ids).save(folder / "masks" / "a.png")
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(folder / "images" / "a.jpg")
        (folder / "val.txt").write_text("a\n")
        (folder / "classes.json").write_text(json.dumps({"classes": CLASSES[name]}))
        if name != "ccp":
            instances = [{"class_id": c, "polygons": [square(*box)]} for c, *box in shapes]
            (folder / "instances.json").write_text(json.dumps({"a": {"instances": instances}}))
    return tmp_path / "photos"


def asked(root):
    benchmark = BENCHMARKS["photos"]
    samples = benchmark.samples(Inputs(data=root))
    return benchmark, samples, list(benchmark.questions(samples))


def test_what_is_asked(root):
    _, samples, questions = asked(root)
    assert samples.length == 3 and samples.identity["photos"] == 3
    groups = [question.groups for question in questions]
    labels = ["person", "hair", "trousers", "shoes", "building facade", "window", "cat"]
    assert [g[1] for g in groups if g[0] == "all"] == labels
    assert [g for g in groups if g[0] != "all"] == [(DESCRIPTION,)]
    by_label = {q.groups[-1]: q.turn for q in questions}
    assert "the hair" in by_label["hair"].instruction.lower()
    assert "cats" in by_label["cat"].instruction and len(by_label["cat"].answer.segment_ids) == 2
    assert len(by_label[DESCRIPTION].answer.segment_ids) == 4
    again = [question.turn for question in asked(root)[2]]
    assert again == [question.turn for question in questions]


def test_pixels_that_nobody_labelled_do_not_count(root):
    _, _, questions = asked(root)
    question = next(q for q in questions if q.groups[-1] == "building facade")
    truth = question.truth()
    everything = Rle.from_mask(np.ones((HEIGHT, WIDTH), dtype=bool))
    segments = tuple(Segment(id=s.id, rle=everything, label=s.label) for s in truth.segments)
    assert ReferringScorer().update(question, truth.model_copy(update={"segments": segments})) == 1.0
    assert merged_pair(question, truth)[0] == merged_pair(question, truth)[1]


def test_perfect_answers_score_one(root, tmp_path):
    benchmark, samples, questions = asked(root)
    result = evaluate(
        Fake(benchmark, samples), benchmark, samples, tmp_path / "out", model=MODEL, measures=WORDS,
        resamples=20,
    )  # fmt: skip
    assert result["num_questions"] == len(questions) == 8
    for group in ("all", "window", DESCRIPTION):
        for protocol in ("official", "corrected"):
            scores = good(result, protocol, group).values()
            # the official 1e-5 on the count of masks shows where there is but one
            assert list(scores) == pytest.approx([1.0] * len(scores), abs=2e-5)
    # no dress is there, so the mean that holds it is not defined
    assert result["groups"]["dress"]["corrected"]["mean_iou"]["value"] is None
    assert result["groups"]["mean of hair, trousers, shoes, dress"]["corrected"]["mean_iou"]["value"] is None


def test_sets_and_inputs(root):
    assert set(SETS) == set(SHAPES)
    with pytest.raises(UserError, match="take no seeds"):
        BENCHMARKS["photos"].samples(Inputs(seeds=(0, 1), data=root))
    with pytest.raises(UserError, match="test.txt: No such file"):
        BENCHMARKS["photos-test"].samples(Inputs(data=root))
    with pytest.raises(UserError, match="take no data"):
        BENCHMARKS["world-mgsc"].samples(Inputs(data=root))
