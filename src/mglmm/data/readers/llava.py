"""Conversations about images: LLaVA-Instruct, and Osprey-724K, which points at regions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import Pictures, existing
from mglmm.data.readers.json_stream import Element, elements
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import Segmentation, to_rle
from mglmm.data.readers.spans import Range, ground
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Sample, Segment, Turn, UserError

IMAGE_TAG = "<image>"
"""Where the picture stands in the text. Source: the LLaVA repository."""

OSPREY_SPLITS = ("short_form", "conversation", "detail_description", "part_level", "lvis_positive_negative")
"""The files of Osprey-724K, without "osprey_" and ".json". Source: its card."""

_REGION = re.compile(r"<region(\d+)>")
_DESCRIPTION = re.compile(r"<region\d+>:\s*(?P<text>.*)", re.DOTALL)


class Message(SourceRecord):
    """One side of a turn; `from` is a word of Python."""

    model_config = {**SourceRecord.model_config, "populate_by_name": True}

    sender: Literal["human", "gpt"]
    value: str

    @classmethod
    def pairs(cls, messages: list[dict[str, Any]], place: str) -> list[tuple[str, str]]:
        """Questions and answers.

        Raises:
            UserError: no message, a broken one, or human and gpt do not take turns.
        """
        parsed = [cls.of({**m, "sender": m.get("from")}, f"{place}, message {n}") for n, m in enumerate(messages, 1)]
        senders = [message.sender for message in parsed]
        if not parsed or senders != ["human", "gpt"] * (len(parsed) // 2):
            raise UserError(f"{place}, field conversations: human and gpt do not take turns ({', '.join(senders)})")
        texts = [message.value for message in parsed]
        return list(zip(texts[0::2], texts[1::2], strict=True))


class Conversation(SourceRecord):
    """An entry of LLaVA's files; without `image` a conversation about nothing to be seen."""

    id: str | int
    image: str | None = None
    conversations: list[dict[str, Any]]


class Region(SourceRecord):
    """A region of an image of Osprey."""

    segmentation: Segmentation


class Described(SourceRecord):
    """An entry of Osprey's files: `description` in one of them, `conversations` in the others."""

    file_name: str
    height: int
    width: int
    annotation: list[Region]
    conversations: list[dict[str, Any]] = []
    description: list[str] = []


def llava_instruct(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Reading:
    """LLaVA-Instruct: conversations, detailed descriptions and questions about COCO images, written by GPT-4.

    Each entry is a sample with one conversation; an id may stand for several entries. The mark `<image>` is taken out
    of the text. Entries of the 665k mix that have no image are left out: a sample is about an image. Sizes are those of
    the pictures, which must be there (`check_images` makes no difference). The split is a file's name.

    Source: https://huggingface.co/datasets/liuhaotian/LLaVA-Instruct-150K (arXiv 2304.08485).
    Licence: CC BY-NC 4.0 and OpenAI's terms of use (LLaVA's README); images under the Flickr terms of each.
    Tree: `ROOT/SPLIT.json`; an image where the entry says below `ROOT` ("coco/train2017/1.jpg"), or below the option
    `images` ("000000000001.jpg" in the 150k files: `images=train2017`).
    Convert: `mglmm data convert llava-instruct --root llava --split llava_v1_5_mix665k --out llava.jsonl`
    """
    path = existing(root / (annotations or f"{split}.json"), "the conversations")
    pictures = Pictures(root, root / images, check_images)

    def _build(item: tuple[int, Conversation | UserError]) -> Sample:
        number, entry = item
        if isinstance(entry, UserError):
            raise entry
        image, size = pictures.measure(entry.image or "")
        pairs = Message.pairs(entry.conversations, f"{path}, entry {number}")
        return Sample(
            id=f"llava-instruct/{number}/{entry.id}",
            image=image,
            size=size,
            turns=tuple(
                Turn(
                    task="conversation",
                    instruction=asked.replace(IMAGE_TAG, "").strip(),
                    answer=GroundedText(text=told.strip()),
                    follows=index > 0,
                )
                for index, (asked, told) in enumerate(pairs)
            ),
            source="llava-instruct",
            split=split,
        )

    entries = ((n, _entry(e, f"{path}, entry {n}")) for n, e in enumerate(elements(path), start=1))
    seen = (item for item in entries if isinstance(item[1], UserError) or item[1].image is not None)
    return Reading(seen, _build, lambda item: f"{path}, entry {item[0]}", on_bad)


def _entry(element: Element, place: str) -> Conversation | UserError:
    """The entry, or what is wrong with it."""
    try:
        return Conversation.parse(element.raw, place)
    except UserError as error:
        return error


def osprey(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Reading:
    """Osprey-724K: conversations about regions and descriptions of them, written by GPT-4, on COCO images.

    Regions are segments called "region1", "region2", ...; where a text has "<region1>" it says "region1". A question
    that names regions points at them (`region_ids`), one that names none at all of them; an answer that names them is
    grounded there. Of detail_description each description is a turn that points at its region. A last question without
    an answer is left out, and so is an entry without any answer, as its authors do. Splits: short_form, conversation,
    detail_description, part_level, lvis_positive_negative. Image names are COCO 2017's: the "COCO_train2014_" that
    some entries have goes.

    Source: https://huggingface.co/datasets/AntGroup-MI/Osprey-724K (arXiv 2312.10032); fields as the reader of
    github.com/CircleRadon/Osprey has them.
    Licence: CC BY-NC 4.0 (not confirmed: its repository states none); images under the Flickr terms of each.
    Tree: `ROOT/osprey_SPLIT.json`, `ROOT/images/*.jpg` or the option `images`.
    Convert: `mglmm data convert osprey-724k --root Osprey-724K --split conversation --option images=../coco/imgs
    --out osprey-conversation.jsonl`
    """
    if split not in OSPREY_SPLITS:
        raise UserError(f"osprey-724k has no split {split!r}; there are {', '.join(OSPREY_SPLITS)}")
    path = existing(root / (annotations or f"osprey_{split}.json"), "the conversations")
    pictures = Pictures(root, root / (images or "images"), check_images)

    def _build(item: tuple[int, Element]) -> Sample:
        number, element = item
        place = f"{path}, entry {number}"
        entry = Described.parse(element.raw, place)
        size = entry.height, entry.width
        name = re.sub(r"^COCO_\w+2014_", "", entry.file_name)
        sample_id = f"osprey-724k/{split}/{number}"
        return Sample(
            id=sample_id,
            image=pictures.place(name, size),
            size=size,
            segments=tuple(
                Segment(id=n, rle=to_rle(region.segmentation, size), label=f"region{n}")
                for n, region in enumerate(entry.annotation, start=1)
            ),
            turns=tuple(_descriptions(entry, sample_id, place) if entry.description else _conversation(entry, place)),
            source="osprey-724k",
            split=split,
        )

    entries = ((number, element) for number, element in enumerate(elements(path), start=1) if _is_told(element.value))
    return Reading(entries, _build, lambda item: f"{path}, entry {item[0]}", on_bad)


def _is_told(entry: Any) -> bool:
    """Whether an entry tells anything; true as well for what is no entry, so that it is refused."""
    talk = entry.get("conversations") if isinstance(entry, dict) else None
    return not isinstance(talk, list) or len(talk) > 1 or bool(entry.get("description"))


def _descriptions(entry: Described, name: str, place: str) -> Iterator[Turn]:
    if len(entry.description) != len(entry.annotation):
        raise UserError(f"{place}: {len(entry.description)} descriptions of {len(entry.annotation)} regions")
    rng = wording(name)
    for number, line in enumerate(entry.description, start=1):
        found = _DESCRIPTION.match(line.strip())
        if not found or not found["text"].strip():
            raise UserError(f"{place}, description {number}: is not of the form <region{number}>: TEXT")
        yield Turn(
            task="caption",
            instruction=instruction("region_long", rng),
            answer=_plain(found["text"].strip(), len(entry.annotation)),
            granularity="object",
            region_ids=(number,),
        )


def _conversation(entry: Described, place: str) -> Iterator[Turn]:
    count = len(entry.annotation)
    talk = entry.conversations[: len(entry.conversations) // 2 * 2]
    for index, (asked, told) in enumerate(Message.pairs(talk, place)):
        question = _plain(asked.replace(IMAGE_TAG, "").strip(), count)
        yield Turn(
            task="conversation",
            instruction=question.text,
            answer=_plain(told.strip(), count),
            region_ids=tuple(dict.fromkeys(question.segment_ids)) or tuple(range(1, count + 1)),
            follows=index > 0,
        )


def _plain(text: str, count: int) -> GroundedText:
    """The text with "region1" for "<region1>", grounded there. ValueError if it names a region that is not there."""
    plain, ranges, end = "", [], 0
    for tag in _REGION.finditer(text):
        number = int(tag[1])
        if not 1 <= number <= count:
            raise ValueError(f"the text names {tag[0]} of {count} regions")
        plain += text[end : tag.start()]
        ranges.append(Range(len(plain), len(plain) + len(tag[0]) - 2, (number,)))
        plain += tag[0][1:-1]
        end = tag.end()
    return ground(plain + text[end:], ranges)
