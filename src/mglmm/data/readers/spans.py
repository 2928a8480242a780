"""Texts whose phrases are given as ranges of characters, as data sets write them -> `GroundedText`."""

from collections.abc import Iterable
from typing import NamedTuple

from mglmm.schema import GroundedText, Span


class Range(NamedTuple):
    """Characters `[start, end)` of a text and the segments that they mean."""

    start: int
    end: int
    ids: tuple[int, ...]


def ground(text: str, ranges: Iterable[Range]) -> GroundedText:
    """The text with its ranges as spans, in reading order and without overlaps.

    Equal ranges become one span with the segments of all. A range that reaches into the next ends before it; one inside
    of another is no span of its own. Ranges of blank text and those without segments are left out.

    Raises:
        ValueError: a range that leaves the text.

    >>> ground("a red car", [Range(2, 9, (2,)), Range(0, 5, (1,)), Range(2, 9, (3,))]).phrases
    ('a', 'red car')
    """
    merged: dict[tuple[int, int], tuple[int, ...]] = {}
    for start, end, ids in ranges:
        if not 0 <= start <= end <= len(text):
            raise ValueError(f"the characters [{start}, {end}) of a phrase leave the text of {len(text)} characters")
        if text[start:end].strip() and ids:
            inner = text[start:end].strip()
            start += text[start:end].index(inner)
            place = start, start + len(inner)
            merged[place] = tuple(dict.fromkeys((*merged.get(place, ()), *ids)))
    spans: list[Span] = []
    for (start, end), ids in sorted(merged.items(), key=lambda item: (item[0][0], -item[0][1])):
        if spans and end <= spans[-1].end:
            continue
        if spans and start < spans[-1].end:
            last = spans.pop()
            cut = last.start + len(text[last.start : start].rstrip())
            if cut > last.start:
                spans.append(last.model_copy(update={"end": cut}))
        spans.append(Span(start=start, end=end, segment_ids=ids))
    return GroundedText(text=text, spans=tuple(spans))


def find(text: str, phrases: Iterable[tuple[str, tuple[int, ...]]]) -> GroundedText:
    """The text with each phrase grounded where it first stands behind the one before it, else where it first stands.

    Case makes no difference; a phrase that the text does not hold is no span.

    >>> find("The cat and a cat", [("cat", (1,)), ("cat", (2,))]).segment_ids
    (1, 2)
    """
    ranges, lower, end = [], text.lower(), 0
    if len(lower) != len(text):  # a few capital letters are two characters long in lower case
        lower = text
    for phrase, ids in phrases:
        wanted = phrase.strip().lower()
        start = lower.find(wanted, end) if wanted else -1
        start = lower.find(wanted) if wanted and start < 0 else start
        if start >= 0:
            end = start + len(wanted)
            ranges.append(Range(start, end, ids))
    return ground(text, ranges)
