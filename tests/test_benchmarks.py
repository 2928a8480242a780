"""The benchmarks of asking compare like with like: all ways answer alike, and a script says what it is told."""

import numpy as np
import pytest
import torch
from benchmarks import ask, batch, models, roofline, scale, script, straightforward
from benchmarks.timing import in_turns

from mglmm.predict import Predictor
from mglmm.prediction import ImagePrediction
from mglmm.schema import Rle
from mglmm.segmenting import Picture
from mglmm.world.samples import world_sample


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return models.load("default")


@pytest.mark.parametrize("way", [straightforward.ask, straightforward.as_published])
def test_the_ways_answer_alike(predictor: Predictor, way) -> None:
    image = world_sample(ask.SEED, 128)[0]
    own = ask.ours(predictor, image, ask.TURNS[1:])
    other = ask.plainly(predictor, image, way, ask.TURNS[1:])
    assert any(masks for _, masks in own)
    assert [text for text, _ in own] == [text for text, _ in other]
    assert all(map(ask.nearly_same, own, other))


@pytest.mark.parametrize(("num_tokens", "num_masks"), [(12, 0), (20, 3), (64, 6)])
def test_a_script_is_said(predictor: Predictor, num_tokens: int, num_masks: int) -> None:
    ids = script.answer_of(predictor, num_tokens, num_masks)
    assert len(ids) == num_tokens
    way = script.scripted(predictor, ids)
    events = way.begin([way.prepare(Picture(world_sample(ask.SEED, 64)[0]), [("Say.", None)], num_tokens)])
    while not events:
        events = way.step()
    ((answer, prediction),) = events
    assert answer.row.answer == ids
    assert isinstance(prediction, ImagePrediction) and prediction.num_invalid == 0
    assert len(prediction.segments) == num_masks
    with pytest.raises(ValueError, match="do not go into"):
        script.answer_of(predictor, 10, 5)


def test_answers_that_differ_are_seen() -> None:
    mask = Rle.from_mask(np.ones((4, 4), bool))
    other = Rle.from_mask(np.eye(4, dtype=bool))
    assert ask.nearly_same(("a cat", [mask]), ("a cat", [mask]))
    for differs in (("a dog", [mask]), ("a cat", []), ("a cat", [mask, mask]), ("a cat", [other])):
        assert not ask.nearly_same(("a cat", [mask]), differs)


def test_ways_take_turns() -> None:
    order: list[str] = []
    seconds, results = in_turns({name: lambda name=name: order.append(name) for name in "ab"}, 3)
    assert order == list("ababab")
    assert set(seconds) == set(results) == {"a", "b"}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["default", "small"])
def test_the_scripts_run(model: str, capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    for module in (ask, batch, scale, roofline):
        monkeypatch.setattr("sys.argv", ["benchmark", "--model", model, "--repeats", "1", "--threads", "1"])
        module.main()
    text = capsys.readouterr().out
    assert text.count("| ") > 30 and "nan" not in text
    assert text.count("| 0 |") == 4, "no answer differs"
    torch.set_num_threads(2)
