"""Requests without a picture: the answer repeats what was asked for, word by word."""

import re

from mglmm.world.echo import MAX_SEVERAL, NUM_TURNS, echo_sample

ENDS = re.compile(r" (in the picture|in the image|here|to be seen|to segment|in it)$")
"""What may stand behind the thing that is not there."""


def test_answers_repeat_what_was_asked_for() -> None:
    turns = [turn for seed in range(40) for turn in echo_sample(seed)[1].turns]
    assert len(turns) == 40 * NUM_TURNS
    for turn in turns:
        assert all(phrase in turn.instruction for phrase in turn.answer.phrases)
        if not turn.answer.phrases:
            missing = turn.answer.text.rstrip(".").split(" no ", 1)[1]
            assert ENDS.sub("", missing) in turn.instruction
    counts = {len(turn.answer.phrases) for turn in turns}
    assert counts == set(range(MAX_SEVERAL + 1))
    assert len({turn.instruction for turn in turns}) > 0.97 * len(turns)


def test_a_seed_says_it_all() -> None:
    assert echo_sample(3)[1] == echo_sample(3)[1] != echo_sample(4)[1]
    assert (echo_sample(2**30)[1].split, echo_sample(5)[1].split) == ("test", "train")
