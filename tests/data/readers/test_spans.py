"""Phrases given as ranges of characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.data.readers.spans import Range, find, ground
from mglmm.grounding import parse, render


@pytest.mark.parametrize(
    ("ranges", "phrases", "ids"),
    [
        ([(0, 3, 1), (8, 13, 2)], ("the", "apple"), (1, 2)),
        ([(8, 13, 2), (0, 3, 1)], ("the", "apple"), (1, 2)),
        ([(0, 3, 1), (0, 3, 2), (0, 3, 1)], ("the",), (1, 2)),
        ([(0, 7, 1), (4, 13, 2)], ("the", "red apple"), (1, 2)),
        ([(0, 13, 1), (4, 7, 2)], ("the red apple",), (1,)),
        ([(3, 8, 1)], ("red",), (1,)),
        ([(3, 4, 1)], (), ()),
    ],
)
def test_ranges(ranges: list[tuple[int, int, int]], phrases: tuple[str, ...], ids: tuple[int, ...]) -> None:
    text = ground("the red apple", [Range(a, b, (i,)) for a, b, i in ranges])
    assert text.phrases == phrases
    assert text.segment_ids == ids


@pytest.mark.parametrize("place", [(-1, 2), (2, 99), (5, 4)])
def test_ranges_outside(place: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="characters"):
        ground("the red apple", [Range(*place, (1,))])


@given(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13), st.integers(1, 4))))
def test_any_ranges_can_be_rendered(ranges: list[tuple[int, int, int]]) -> None:
    text = ground("the red apple", [Range(min(a, b), max(a, b), (i,)) for a, b, i in ranges])
    assert parse(render(text), text.segment_ids).text == text


def test_phrases_are_found_one_behind_the_other() -> None:
    text = find("A Man and a man by İ", [("man", (1,)), ("man", (2,)), ("man", (3,)), ("dog", (4,))])
    assert text.phrases == ("Man", "man") or text.phrases == ("man",)
    assert find("a man, a man", [("man", (1,)), ("man", (2,)), ("man", (3,))]).segment_ids == (1, 3, 2)
