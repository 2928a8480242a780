"""What the page sends: a question at one level of a picture, and a session, which is a `Sample` with its picture."""

import base64
import binascii
import re
from collections.abc import Sequence, Sized
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mglmm import grounding, masks
from mglmm.schema import GroundedText, Record, Sample, Segment, check_runs
from mglmm.studio.pictures import MAX_SIDE_PX

MAX_INSTRUCTION_CHARACTERS = 2_000
"""Ours: several times the context of the model in the package; larger models have no use for more either."""

MAX_EARLIER_TURNS = 64
"""Of the conversation that a question goes on with. Ours: with a sentence each they fill the context of most models."""
MAX_ANSWER_CHARACTERS = 8_000
"""Of an earlier answer with its markup. Ours: twice an answer of the usual length."""
MAX_SEGMENTS = 1_024
"""Of a session. Ours: a mask of the largest picture takes 4 MiB as long as it is drawn or packed."""

SAME_IOU = 0.7
"""A mask found inside an object that covers it like this is the object again. Ours, by looking at answers."""
PART_SHARE = 0.5
"""A mask with at least this share inside an object is a part of it. Ours: the edge of a part may well stick out."""

_ARTICLE = re.compile(r"^(a|an|the|one|this|that)\s+", re.IGNORECASE)
_DATA_URL = re.compile(r"^data:image/(?:png|jpeg);base64,")


class Said(Record):
    """An instruction and the answer it got; `unnamed`: where in it masks without a phrase stand."""

    instruction: Annotated[str, Field(max_length=MAX_INSTRUCTION_CHARACTERS)]
    answer: GroundedText
    unnamed: Annotated[tuple[int, ...], Field(max_length=MAX_SEGMENTS)] = ()

    @model_validator(mode="after")
    def _can_be_said_again(self) -> Self:
        length = len(self.marked)
        if length > MAX_ANSWER_CHARACTERS:
            raise ValueError(
                f"the earlier answer of {length:,} characters is longer than {MAX_ANSWER_CHARACTERS:,}; "
                "begin a new conversation"
            )
        return self

    @property
    def marked(self) -> str:
        """The answer with markup."""
        return grounding.render(self.answer, self.unnamed)


class Question(Record):
    """The next instruction of a conversation about a picture, or about one object in it.

    `focus`: the object that is looked into; None: the whole picture. `first_segment_id`: what the first new segment is
    called, so that ids are unique in the session.
    """

    picture: str
    instruction: Annotated[str, Field(max_length=MAX_INSTRUCTION_CHARACTERS)]
    turns: tuple[Said, ...] = ()
    focus: Segment | None = None
    first_segment_id: Annotated[int, Field(ge=1)] = 1

    @field_validator("turns", mode="before")
    @classmethod
    def _are_not_too_many(cls, turns: Any) -> Any:
        if isinstance(turns, Sized) and len(turns) > MAX_EARLIER_TURNS:
            raise ValueError(f"{len(turns)} earlier turns are more than {MAX_EARLIER_TURNS}; begin a new conversation")
        return turns

    @model_validator(mode="after")
    def _focus_is_whole(self) -> Self:
        check_runs([self.focus] if self.focus else [])
        return self

    def conversation(self) -> list[tuple[str, str | None]]:
        """(instruction, answer with markup) of each turn; the last answer is None."""
        return [*((t.instruction, t.marked) for t in self.turns), (self.instruction, None)]


class UnnamedMask(Record):
    """A mask that no phrase is tied to: with which turn of the sample it came, and at which character of its text."""

    turn: Annotated[int, Field(ge=0)]
    segment_id: int
    place: Annotated[int, Field(ge=0)]


class Session(Record):
    """A session that can be opened again: `picture` is a data URL (PNG or JPEG) of the image of `sample`.

    A turn of the sample that looks into an object has its id in `region_ids`; the turns of one level stand together.
    `unnamed`: where the segments belong that no answer names.
    """

    format: Literal["mglmm-session"]
    version: Literal[1]
    picture: Annotated[str, Field(pattern=_DATA_URL.pattern)]
    sample: Sample
    unnamed: Annotated[tuple[UnnamedMask, ...], Field(max_length=MAX_SEGMENTS)] = ()

    @model_validator(mode="after")
    def _is_no_larger_than_the_studio_makes(self) -> Self:
        height, width = self.sample.size
        if max(height, width) > MAX_SIDE_PX:
            raise ValueError(
                f"its picture of {width} x {height} is longer than the {MAX_SIDE_PX} that the studio works with"
            )
        if len(self.sample.segments) > MAX_SEGMENTS:
            raise ValueError(f"its {len(self.sample.segments)} masks are more than the limit of {MAX_SEGMENTS}")
        return self

    @model_validator(mode="after")
    def _unnamed_masks_have_a_place(self) -> Self:
        turns = self.sample.turns
        named = {i for turn in turns for i in turn.answer.segment_ids}
        left = {segment.id for segment in self.sample.segments} - named
        for mask in self.unnamed:
            if mask.segment_id not in left:
                raise ValueError(f"mask {mask.segment_id} is listed without a phrase, but is missing or has its place")
            left.remove(mask.segment_id)
            if mask.turn >= len(turns) or mask.place > len(turns[mask.turn].answer.text):
                raise ValueError(
                    f"mask {mask.segment_id} stands at character {mask.place} of turn {mask.turn}, which is not there"
                )
        return self

    @model_validator(mode="after")
    def _levels_lead_back_up(self) -> Self:
        came = {mask.segment_id: mask.turn for mask in self.unnamed}
        for number, turn in enumerate(self.sample.turns):
            if len(turn.region_ids) > 1 or any(came.get(i, number) >= number for i in turn.region_ids):
                raise ValueError(f"turn {number} looks into {list(turn.region_ids)}, which came with no turn before it")
            for segment_id in turn.answer.segment_ids:
                came.setdefault(segment_id, number)
        return self

    def segments_of(self, turn: int) -> list[Segment]:
        """The masks of a turn of the sample, in the order of its phrases, then those of no phrase."""
        named = self.sample.turns[turn].answer.segment_ids
        ids = [*named, *(mask.segment_id for mask in self.unnamed if mask.turn == turn)]
        return [self.sample.segment(segment_id) for segment_id in dict.fromkeys(ids)]

    @property
    def content(self) -> bytes:
        """The file of the picture.

        Raises:
            ValueError: it is not Base64.
        """
        try:
            return base64.b64decode(_DATA_URL.sub("", self.picture), validate=True)
        except binascii.Error as error:
            raise ValueError(f"the picture is not Base64 ({error})") from None


def definite(phrase: str) -> str:
    """The phrase with "the" for its article, as an instruction names an object that an answer has named.

    >>> definite("a red car"), definite("The sky"), definite("wheels")
    ('the red car', 'the sky', 'the wheels')
    """
    return f"the {_ARTICLE.sub('', phrase.strip())}"


def parent_of(segment: Segment, focus: Segment | None) -> int | None:
    """The id of `focus` if `segment`, found while looking into it, is a part of it; None if it lies elsewhere.

    An answer about an object begins with the object itself: that is the same whole again and no part.
    """
    if focus is None:
        return None
    own, whole = segment.rle.to_coco(), focus.rle.to_coco()
    again = segment.label != "" and definite(segment.label).casefold() == definite(focus.label).casefold()
    if again or masks.iou_matrix([own], [whole])[0, 0] >= SAME_IOU:
        return None
    return focus.id if masks.containment_matrix([own], [whole])[0, 0] >= PART_SHARE else None


def placed(segments: Sequence[Segment], question: Question) -> list[Segment]:
    """New segments of an answer, with the ids and parents that they have in the session."""
    return [
        s.model_copy(update={"id": s.id - 1 + question.first_segment_id, "parent": parent_of(s, question.focus)})
        for s in segments
    ]
