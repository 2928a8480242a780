"""A page of samples: each image with its masks and the tree of its parts, each turn with colored phrases and masks."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mglmm import viz
from mglmm.browse import page
from mglmm.data.records import Records
from mglmm.schema import GroundedText, Rle, Sample, Segment, Turn, UserError

WIDTH_PX = 480
PAINTED_PX = 2 * WIDTH_PX
"""Longer side of what is painted on: on a photograph of 6 megapixels that takes a tenth of the time, and the words on
the masks can be read when it is shown."""
MAX_PICTURES = 12
"""So many turns of a sample are shown with a picture of their own; later ones as text alone. Ours: for a small page."""


@dataclass(frozen=True)
class Choice:
    """Which samples are shown: `limit` from `start` on, or drawn with `seed`; of `tasks` alone, or those of `ids`."""

    limit: int = 24
    start: int = 0
    seed: int | None = None
    tasks: Collection[str] = ()
    ids: Sequence[str] = ()


class Piece(NamedTuple):
    """Words of an answer. `color`: CSS for a phrase (ground and ink), "" between phrases."""

    text: str
    color: str


class Node(NamedTuple):
    """A segment in the tree of parts."""

    segment: Segment
    color: str
    share: float
    children: list["Node"]


class ShownTurn(NamedTuple):
    """A turn as the page has it; `picture` is "" where there is none."""

    turn: Turn
    pieces: list[Piece]
    picture: str


class Shown(NamedTuple):
    """A sample as the page has it."""

    sample: Sample
    picture: str
    tree: list[Node]
    turns: list[ShownTurn]


def write_page(address: str, out: Path, choice: Choice) -> int:
    """Write the page about some samples of a file; returns how many.

    Raises:
        UserError: the file cannot be read, an image is missing, or no sample is as asked for.
    """
    found = list(chosen(Records(address), choice))
    if not found:
        raise UserError(f"{address}: no sample is as asked for; look at --id, --task and --start")
    page.write(out, "show.html", title=address, samples=[shown(*one, choice.tasks) for one in found])
    return len(found)


def chosen(records: Records, choice: Choice) -> Iterator[tuple[Image.Image, Sample]]:
    """The samples to show, with their images."""
    if choice.seed is None:
        order = range(choice.start, len(records))
    else:
        order = np.random.default_rng(choice.seed).permutation(len(records)).tolist()
    left = choice.limit
    for index in order:
        if not left:
            return
        if choice.ids or choice.tasks:
            sample = records[index]
            if choice.ids and sample.id not in choice.ids:
                continue
            if choice.tasks and not any(turn.task in choice.tasks for turn in sample.turns):
                continue
        left -= 1
        yield records.load(index)


def shown(image: Image.Image, sample: Sample, tasks: Collection[str] = ()) -> Shown:
    """A sample with its pictures, and its turns (of these tasks)."""
    image, small = _smaller(image, sample)
    turns = [turn for turn in sample.turns if not tasks or turn.task in tasks]
    pictured = [turn for turn in turns if turn.answer.spans][:MAX_PICTURES]
    told = [
        ShownTurn(turn, pieces(turn.answer), _picture(image, small, turn.answer) if turn in pictured else "")
        for turn in turns
    ]
    return Shown(sample, page.data_uri(_painted(image, small.segments, None)), tree(sample), told)


def pieces(answer: GroundedText) -> list[Piece]:
    """The answer cut at its phrases, each with the color of its masks."""
    colors = viz.segment_colors(answer, ())
    found, end = [], 0
    for span, phrase in zip(answer.spans, answer.phrases, strict=True):
        found += [Piece(answer.text[end : span.start], ""), Piece(phrase, viz.css(colors[span.segment_ids[0]]))]
        end = span.end
    return [piece for piece in (*found, Piece(answer.text[end:], "")) if piece.text]


def tree(sample: Sample) -> list[Node]:
    """The wholes of a sample with their parts below them, in the colors of the picture of all masks."""
    colors = viz.segment_colors(None, sample.segments)
    num_pixels = sample.size[0] * sample.size[1]

    def _nodes(parent: int | None) -> list[Node]:
        """The parts of a segment."""
        return [Node(s, viz.css(colors[s.id]), s.area / num_pixels, _nodes(s.id)) for s in sample.children(parent)]

    return _nodes(None)


def _smaller(image: Image.Image, sample: Sample) -> tuple[Image.Image, Sample]:
    """A large picture and its masks at `PAINTED_PX`; what vanishes there is an empty mask."""
    share = PAINTED_PX / max(image.size)
    if share >= 1:
        return image, sample
    width, height = (max(1, round(side * share)) for side in image.size)
    segments = tuple(
        segment.model_copy(update={"rle": Rle.from_mask(_resized(segment.mask, width, height))})
        for segment in sample.segments
    )
    small = sample.model_copy(update={"size": (height, width), "segments": segments})
    return image.resize((width, height), Image.Resampling.LANCZOS), small


def _resized(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def _picture(image: Image.Image, sample: Sample, answer: GroundedText) -> str:
    """The picture of an answer's masks."""
    return page.data_uri(_painted(image, [sample.segment(i) for i in dict.fromkeys(answer.segment_ids)], answer))


def _painted(image: Image.Image, segments: Sequence[Segment], answer: GroundedText | None) -> Image.Image:
    scale = max(1, -(-WIDTH_PX // image.width))
    painted = viz.overlay(image, segments, answer, scale=scale)
    height = max(1, round(painted.height * WIDTH_PX / painted.width))
    return painted.resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
