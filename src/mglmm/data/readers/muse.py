"""MUSE: questions that are answered with several targets, each described in the answer."""

from collections.abc import Sequence
from pathlib import Path

from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import Pictures, existing
from mglmm.data.readers.json_stream import Element, elements
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import Segmentation, to_rle
from mglmm.data.readers.spans import Range, ground
from mglmm.instructions import instruction, sentence_case
from mglmm.phrasing import Mention, Pieces, grounded, listing
from mglmm.schema import GroundedText, Sample, Segment, Turn, UserError

SEG = "{seg}"
"""Where a mask belongs in an answer. Source: the reader of the PixelLM repository."""


class Target(SourceRecord):
    """One target of an answer; `rephrased_name` tells it apart from others of its class."""

    segmentation: Segmentation
    category_name: str
    rephrased_name: str | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return (self.rephrased_name or self.category_name).strip()


class Asked(SourceRecord):
    """An image with its questions, the targets of each, and answers in words with a `{seg}` for each target."""

    height: int
    width: int
    file_name: str | None = None
    coco_url: str | None = None
    questions: list[str]
    answers: list[list[Target]]
    text_answers: list[str | None] | None = None


def muse(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Reading:
    """MUSE: reasoning with several targets, 246,000 questions on images of LVIS, made with GPT-4V.

    Each question is a turn; the same mask in several answers is one segment. In an answer in words the phrase of a mask
    is the target's name if that stands right before its `{seg}` (which is taken out), else the one word before it.
    Without words the answer is the list of the targets' names. Splits: train, val, test.

    Source: https://github.com/MaverickRen/PixelLM (arXiv 2312.02228); fields as its reader has them.
    Licence: none stated where its reader is published; images of COCO under the Flickr terms of each.
    Tree: `ROOT/muse_SPLIT.json`; images below `ROOT` or the option `images`, as "train2017/000000000001.jpg" by their
    `coco_url`, or "train2014/" and the `file_name`.
    Convert: `mglmm data convert muse --root MUSE --split train --option images=../coco --out muse-train.jsonl`
    """
    path = existing(root / (annotations or f"muse_{split}.json"), "the questions")
    pictures = Pictures(root, root / images, check_images)

    def _build(item: tuple[int, Element]) -> Sample:
        number, element = item
        place = f"{path}, entry {number}"
        entry = Asked.parse(element.raw, place)
        size = entry.height, entry.width
        words = _words(entry, place)
        found: dict[str, Segment] = {}
        meant = []
        for targets in entry.answers:
            rles = [to_rle(target.segmentation, size) for target in targets]
            for target, rle in zip(targets, rles, strict=True):
                found.setdefault(rle.counts, Segment(id=len(found) + 1, rle=rle, label=target.name))
            meant.append([(target.name, found[rle.counts].id) for target, rle in zip(targets, rles, strict=True)])
        sample_id = f"muse/{split}/{number}"
        rng = wording(sample_id)
        return Sample(
            id=sample_id,
            image=pictures.place(_image(entry), size),
            size=size,
            segments=tuple(found.values()),
            turns=tuple(
                Turn(
                    task="reasoning",
                    instruction=instruction("reasoning", rng, question=sentence_case(question.strip())),
                    answer=_answer(text, targets, place),
                    granularity="object",
                    family="several" if len(targets) > 1 else "one",
                )
                for question, text, targets in zip(entry.questions, words, meant, strict=True)
            ),
            source="muse",
            split=split,
        )

    return Reading(enumerate(elements(path), start=1), _build, lambda item: f"{path}, entry {item[0]}", on_bad)


def _words(entry: Asked, place: str) -> Sequence[str | None]:
    """The answer in words to each question, None where there is none."""
    words = entry.text_answers if entry.text_answers is not None else [None] * len(entry.questions)
    if not len(entry.questions) == len(entry.answers) == len(words):
        counts = f"{len(entry.questions)} questions, {len(entry.answers)} answers and {len(words)} texts"
        raise UserError(f"{place}: {counts}; there must be one of each for every question")
    return words


def _image(entry: Asked) -> str:
    if entry.file_name is not None:
        return f"train2014/{entry.file_name}"
    return "/".join((entry.coco_url or "").split("/")[-2:])


def _answer(text: str | None, targets: Sequence[tuple[str, int]], place: str) -> GroundedText:
    """The answer, its phrases tied to the segments (name and id each)."""
    if not targets:
        raise UserError(f"{place}: an answer has no target")
    if text is None:
        pieces: Pieces = listing([Mention(name, (segment_id,)) for name, segment_id in targets])
        return grounded([*pieces, "."])
    parts = text.split(SEG)
    if len(parts) != len(targets) + 1:
        raise UserError(f"{place}: an answer has {len(parts) - 1} marks {SEG} for {len(targets)} targets")
    plain, ranges = "", []
    for part, (name, segment_id) in zip(parts, targets, strict=False):
        plain = (plain + part).rstrip()
        named = plain.lower().endswith(name.lower())
        start = len(plain) - len(name) if named else plain.rfind(" ") + 1
        end = len(plain)
        while end > start and plain[end - 1] in "([,:":
            end -= 1
        if end == start:
            raise UserError(f"{place}: an answer has a mark {SEG} without a word before it")
        ranges.append(Range(start, end, (segment_id,)))
    return ground((plain + parts[-1]).strip(), ranges)
