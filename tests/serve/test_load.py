"""Many clients at once, each answer held against the one given alone; `benchmarks/serve.py` does so for minutes."""

import asyncio
from itertools import count

from benchmarks.serve import FIRST_SEED, difference, endure, questions

from mglmm.predict import Predictor
from tests.serve.live import Live, until


def test_load(live: Live, predictor: Predictor) -> None:
    asked = questions(predictor, count(FIRST_SEED), 2)
    load, memory = asyncio.run(endure(live.url, asked, 3.0, num_clients=24))
    assert not load.wrong
    assert set(load.outcomes) == {"right"} and load.outcomes["right"] >= 24
    assert load.seconds["word"] and all(0 < seconds < 120 for seconds in load.seconds["whole"])
    assert len(memory) == 4
    until(lambda: live.service.num_open == 0)


def test_mixed_up_answers_would_be_seen(predictor: Predictor) -> None:
    one, other = questions(predictor, count(FIRST_SEED), 1)[:2]
    assert "is not" in difference(one.truth, other.truth.answer.text, [])
    assert difference(one.truth, one.truth.answer.text, []) or not one.truth.segments
