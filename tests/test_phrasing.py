"""Composed texts keep their phrases tied to segments."""

import numpy as np
import pytest

from mglmm import grounding
from mglmm.phrasing import Mention, fill, grounded, listing, shuffled, words, write

CAT, DOG = Mention("the cat", (1,)), Mention("the dogs", (2, 3))


def test_mentions_become_spans_where_they_stand() -> None:
    text = grounded(fill("here are {things}, {what}.", things=listing([CAT, [DOG, " too"]]), what="I think"))
    assert grounding.render(text) == ("Here are <p> the cat </p> [SEG] and <p> the dogs </p> [SEG] [SEG] too, I think.")
    assert text.segment_ids == (1, 2, 3)


def test_a_mention_at_the_start_keeps_its_case() -> None:
    assert grounded([CAT, "."]).text == "the cat."


def test_a_slot_that_is_not_given_is_named() -> None:
    with pytest.raises(KeyError, match="thing"):
        fill("{thing}")


def test_choices_are_drawn_before_slots_are_filled() -> None:
    rng = np.random.default_rng(0)
    assert {words(write("[a|b] {x}", rng, x="[c|d]")) for _ in range(30)} == {"a [c|d]", "b [c|d]"}


def test_shuffling_keeps_all_items_and_follows_the_generator() -> None:
    first, second = (shuffled(np.random.default_rng(3), range(20)) for _ in range(2))
    assert first == second and sorted(first) == list(range(20)) and first != list(range(20))
