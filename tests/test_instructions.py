"""The wording: every template can be drawn, is tidy, and slots are filled as they stand."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.instructions import INSTRUCTIONS, expand, instruction, join_list, sentence_case, variants, with_article

SLOTS = {
    "object": "the red car",
    "phrase": "the red car",
    "phrases": "the cat and the dog",
    "label": "cats",
    "question": "What can one sit on?",
}


@pytest.mark.parametrize("purpose", INSTRUCTIONS)
def test_every_purpose_has_many_tidy_forms(purpose: str) -> None:
    assert sum(variants(template) for template in INSTRUCTIONS[purpose]) >= 8
    drawn = {instruction(purpose, np.random.default_rng(seed), **SLOTS) for seed in range(80)}
    assert len(drawn) >= 8
    for text in drawn:
        assert text.isascii() and text[0].isupper()
        assert not re.search(r"[\[\]{}|]|  | [.,?]|[.,?]{2}|^ | $", text), text


def test_the_same_generator_state_gives_the_same_words() -> None:
    first, second = (instruction("gcg", np.random.default_rng(4)) for _ in range(2))
    assert first == second


def test_slots_are_not_read_as_templates() -> None:
    assert expand("{a} and {b}", np.random.default_rng(0), a="[x|y] {b}") == "[x|y] {b} and {b}"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="phrase"):
        instruction("referring", np.random.default_rng(0))
    with pytest.raises(KeyError):
        instruction("nonsense", np.random.default_rng(0))


@pytest.mark.parametrize("template", ["[a", "a]", "a|b", "[a|b]]"])
def test_brackets_must_match(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        expand(template, np.random.default_rng(0))


@given(st.integers(0, 1000))
def test_nested_choices_draw_every_part(seed: int) -> None:
    text = expand("[a|b [c|d]|]x", np.random.default_rng(seed))
    assert text in {"ax", "b cx", "b dx", "x"}


def test_sentences_begin_with_a_capital() -> None:
    assert sentence_case("is it? yes. 3 of them.") == "Is it? Yes. 3 of them."


def test_lists_and_articles() -> None:
    assert join_list([]) == ""
    assert join_list(["a", "b"]) == "a and b"
    assert [with_article(w) for w in ("umbrella", "hour", "red hat", "one")] == [
        "an umbrella",
        "an hour",
        "a red hat",
        "a one",
    ]
