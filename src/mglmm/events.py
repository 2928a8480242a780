"""What a streamed answer is made of: words, phrases with their masks, masks without a phrase, and the prediction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, Segment, Span


@dataclass(frozen=True)
class Words:
    """The answer's plain text goes on with this."""

    text: str


@dataclass(frozen=True)
class Grounded:
    """A phrase is closed and its masks are there: `span` of the plain text so far, `segments` in the picture's size."""

    span: Span
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Unnamed:
    """A mask that no phrase is tied to is there: its `[SEG]` stands at `place` of the plain text so far."""

    place: int
    segment: Segment


Event = Words | Grounded | Unnamed | ImagePrediction
"""What a streamed answer is made of; the last one is the whole prediction.

The prediction counts: where markup is not constrained and comes out malformed, what was told before may differ from it.
"""


def groundings(
    answer: GroundedText, unnamed: Sequence[tuple[int, int]], segments: Sequence[Segment]
) -> Iterator[Grounded | Unnamed]:
    """What the answer points at, in reading order, up to where masks are not there yet; segment ids count from 1.

    `unnamed`: (segment id, place), see `grounding.Parsed`.
    """
    spans = {span.segment_ids[0]: span for span in answer.spans}
    places = dict(unnamed)
    for first in sorted([*spans, *places]):
        ids = spans[first].segment_ids if first in spans else (first,)
        if ids[-1] > len(segments):
            return
        own = tuple(segments[number - 1] for number in ids)
        yield Grounded(spans[first], own) if first in spans else Unnamed(places[first], own[0])
