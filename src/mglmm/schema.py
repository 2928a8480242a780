"""The records that every part of the project shares: pure data, no torch.

A `Sample` is one image with its segments and turns. A `Prediction` has the same types as the truth, so that
drawing and scoring never need to know which of the two they hold.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from mglmm import masks
from mglmm.atomic import atomic_file

Task = Literal[
    "caption",
    "conversation",
    "referring",
    "generalized_referring",
    "reasoning",
    "semantic",
    "panoptic",
    "gcg",
    "mgsc",
]
Granularity = Literal["panoptic", "object", "part"]


R = TypeVar("R", bound=BaseModel)


class UserError(Exception):
    """A mistake that the user can mend; the message is one plain line, shown without a traceback (exit code 2)."""


class Record(BaseModel):
    """Base of all records: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rle(Record):
    """COCO compressed run-length encoding of one mask: `size` is (height, width).

    A `Sample` or `Prediction` that is read from JSON has the runs of all its masks checked (`check_runs`).
    """

    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    counts: str

    def to_coco(self) -> masks.CocoRle:
        """The plain dict that pycocotools and `mglmm.masks` work on."""
        return {"size": list(self.size), "counts": self.counts}

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> Self:
        """Encode `mask` (bool[H, W])."""
        return cls.model_validate(masks.encode(mask))


class Segment(Record):
    """One mask with its meaning. `parent` is the id of the whole it is a part of; None: a whole."""

    id: int
    rle: Rle
    label: str
    caption: str | None = None
    parent: int | None = None
    score: float | None = None
    """Predicted quality of the mask, 0..1; None for truth."""

    @property
    def mask(self) -> np.ndarray:
        """bool[H, W]."""
        return masks.decode(self.rle.to_coco())

    @property
    def area(self) -> int:
        """Number of pixels."""
        return masks.area(self.rle.to_coco())

    @property
    def box(self) -> tuple[float, float, float, float]:
        """xyxy, absolute pixels, right and bottom exclusive."""
        return masks.box(self.rle.to_coco())

    def to_coco(self) -> dict[str, Any]:
        """What COCO's annotations say of a mask: compressed RLE, area, and the box as x, y, width, height."""
        left, top, right, bottom = self.box
        return {
            "segmentation": self.rle.to_coco(),
            "area": self.area,
            "bbox": [left, top, right - left, bottom - top],
        }


def check_parents(segments: Sequence[Segment], complete: bool = True) -> None:
    """Nothing, if the parents make trees of these segments.

    Args:
        segments: of one image.
        complete: whether all segments are here; if not, one whose parent is elsewhere counts as a whole.

    Raises:
        ValueError: a parent does not exist, or parents form a cycle.
    """
    parent = {s.id: s.parent for s in segments}
    for start in [child for child, up in parent.items() if up is not None]:
        node, seen = start, {start}
        while (up := parent[node]) is not None:
            if up not in parent and not complete:
                break
            if up not in parent:
                raise ValueError(f"segment {node}: parent {up} does not exist")
            if up in seen:
                raise ValueError(f"segment {start}: its parents form a cycle")
            seen.add(up)
            node = up


def check_runs(segments: Sequence[Segment]) -> None:
    """Nothing, if the runs of every mask fill it; all are gone through at once.

    Raises:
        ValueError: of one they do not; names the segment.
    """
    try:
        masks.validate_many([s.rle.counts for s in segments], [s.rle.size for s in segments])
    except ValueError:
        for segment in segments:
            try:
                masks.validate(segment.rle.to_coco())
            except ValueError as error:
                raise ValueError(f"segment {segment.id}: {error}") from None


class Span(Record):
    """Characters `[start, end)` of a text, tied to one or more segment ids (in order)."""

    start: Annotated[int, Field(ge=0)]
    end: int
    segment_ids: tuple[int, ...]

    @model_validator(mode="after")
    def _holds_text_and_segments(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"span [{self.start}, {self.end}) holds no text")
        if not self.segment_ids:
            raise ValueError(f"span [{self.start}, {self.end}) names no segment")
        return self


class GroundedText(Record):
    """Plain text with spans in reading order that do not overlap. The markup exists only in `mglmm.grounding`."""

    text: str
    spans: tuple[Span, ...] = ()

    @model_validator(mode="after")
    def _spans_in_order(self) -> Self:
        end = 0
        for span in self.spans:
            if span.start < end or span.end > len(self.text):
                raise ValueError(
                    f"span [{span.start}, {span.end}) overlaps the one before it or leaves the text "
                    f"of {len(self.text)} characters"
                )
            end = span.end
        return self

    @property
    def phrases(self) -> tuple[str, ...]:
        """The text of each span."""
        return tuple(self.text[s.start : s.end] for s in self.spans)

    @property
    def segment_ids(self) -> tuple[int, ...]:
        """All segment ids in reading order: the k-th belongs to the k-th `[SEG]`."""
        return tuple(i for s in self.spans for i in s.segment_ids)


class Turn(Record):
    """One instruction and its answer. `follows`: goes on with the conversation of the turn before it."""

    task: Task
    instruction: str
    answer: GroundedText
    granularity: Granularity | None = None
    region_ids: tuple[int, ...] = ()
    """Segments that the instruction points at by region rather than by words."""
    follows: bool = False
    family: str | None = None
    """Finer name inside the task, e.g. the question family of a reasoning turn."""


class Sample(Record):
    """The unified SegCap record: one image with its segments and turns.

    `size` is (height, width) of the upright image. `image` is a path relative to the file that holds the record.
    `exhaustive` names the labels of which every instance in the image is a segment: only of those is absence certain.
    """

    id: str
    image: str
    size: tuple[int, int]
    segments: tuple[Segment, ...] = ()
    turns: tuple[Turn, ...] = ()
    source: str = ""
    split: str = ""
    exhaustive: tuple[str, ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        # only what comes from a file needs the proof; the project's own masks are made by pycocotools
        if info.mode == "json":
            check_runs(self.segments)
        ids = [s.id for s in self.segments]
        known = set(ids)
        if len(known) != len(ids):
            raise ValueError(f"segment ids are not unique: {sorted(i for i in known if ids.count(i) > 1)}")
        for s in self.segments:
            if s.rle.size != self.size:
                raise ValueError(f"segment {s.id}: mask size {s.rle.size} is not the image's {self.size}")
        check_parents(self.segments)
        for n, turn in enumerate(self.turns):
            missing = sorted({*turn.answer.segment_ids, *turn.region_ids} - known)
            if missing:
                raise ValueError(f"turn {n} names segments {missing} that the sample does not hold")
        if self.turns and self.turns[0].follows:
            raise ValueError("the first turn follows no other")
        return self

    def segment(self, segment_id: int) -> Segment:
        """The segment with this id; KeyError if there is none."""
        for s in self.segments:
            if s.id == segment_id:
                return s
        raise KeyError(segment_id)

    def children(self, segment_id: int | None) -> tuple[Segment, ...]:
        """The parts of a segment; of None: the wholes."""
        return tuple(s for s in self.segments if s.parent == segment_id)

    @property
    def conversations(self) -> tuple[tuple[Turn, ...], ...]:
        """The turns, cut where a turn does not follow the one before it."""
        starts = np.cumsum([not t.follows for t in self.turns]).tolist()
        return tuple(
            tuple(t for _, t in group) for _, group in groupby(zip(starts, self.turns, strict=True), key=lambda p: p[0])
        )


class Prediction(Record):
    """What a model answered to one instruction about one image; the same types as the truth.

    `num_invalid` counts the places where the raw output's markup could not be parsed (see `grounding.parse`).
    """

    sample_id: str
    turn_index: int = 0
    size: tuple[int, int]
    instruction: str
    answer: GroundedText
    segments: tuple[Segment, ...] = ()
    num_invalid: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _masks_are_whole(self, info: ValidationInfo) -> Self:
        if info.mode == "json":
            check_runs(self.segments)
        return self

    def to_json(self) -> str:
        """One line of JSON."""
        return self.model_dump_json()


def write_jsonl(path: str | Path, records: Iterable[Record]) -> int:
    """Write one record a line, atomically (a reader never sees half a file); returns the number written."""
    count = 0
    with atomic_file(Path(path)) as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")
            count += 1
    return count


def read_jsonl(path: str | Path, record: type[R]) -> Iterator[R]:
    """Yield the records of a JSON-lines file, one at a time.

    Raises:
        UserError: the file is missing, or a line is not such a record; names file, line and field.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield read_line(line, record, f"{path}, line {number}")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text") from error


def read_line(line: str | bytes, record: type[R], place: str) -> R:
    """The record in one line of JSON.

    Raises:
        UserError: it is no such record; begins with `place` and names the field, if it is about one.
    """
    try:
        return record.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"{place}, field {field}" if field else place
        raise UserError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
