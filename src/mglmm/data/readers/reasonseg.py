"""ReasonSeg: questions that must be understood before anything can be segmented."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from mglmm import masks
from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import image_size, parse_json, read_bytes
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.instructions import instruction, sentence_case
from mglmm.phrasing import Mention, Piece, grounded
from mglmm.schema import Rle, Sample, Segment, Turn, UserError

TARGET_ID = 1
"""Segment id of the one mask that answers all questions of an image."""


class Shape(SourceRecord):
    """A polygon. `label`: "target", "flag" (of no meaning), or something with "ignore" in it."""

    label: str
    points: list[tuple[float, float]]


class Reason(SourceRecord):
    """A file: several wordings of one question, whether they are sentences, and shapes that together are the answer."""

    text: list[str]
    is_sentence: bool
    shapes: list[Shape]


class Explanation(SourceRecord):
    """An entry of `explanatory/train.json`: a question and the answer in words."""

    image: str
    query: str
    outputs: str


def reasonseg(
    root: Path, split: str, *, on_bad: OnBad = refuse, check_images: bool = True, explanations: bool = True
) -> Reading:
    """ReasonSeg: a turn for each wording of the question, all answered by one mask.

    Larger shapes are painted first, later ones over them; labels with "ignore" in them make `meta["ignore"]`, shapes
    called "flag" mean nothing. Masks are painted with OpenCV, outline included, as the benchmark's authors do: scores
    depend on it. `explanations`: in the split train a turn with the answer in words too, where there is one.
    The size is that of the picture, so pictures must be there (`check_images` makes no difference).

    Source: https://github.com/dvlab-research/LISA (arXiv 2308.00692).
    Licence: repository Apache-2.0; images of OpenImages (CC BY 2.0) and ScanNet (its own terms).
    Tree: `ROOT/{train,val,test}/NAME.jpg` and `NAME.json`; `ROOT/explanatory/train.json`.
    Convert: `mglmm data convert reasonseg --root ReasonSeg --split val --out reasonseg-val.jsonl`
    """
    folder = root / split
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; the splits of ReasonSeg are train, val and test")
    told = _explanations(root / "explanatory" / "train.json", on_bad) if explanations and split == "train" else {}

    def _build(path: Path) -> Sample:
        picture = path.with_suffix(".jpg")
        size = image_size(picture)
        record = Reason.parse(_text(path), str(path))
        target, ignore = _paint(record.shapes, size, str(path))
        if not target.any():
            raise UserError(f"{path}: no shape marks a pixel as the target")
        name = f"reasonseg/{split}/{path.stem}"
        return Sample(
            id=name,
            image=picture.relative_to(root).as_posix(),
            size=size,
            segments=(Segment(id=TARGET_ID, rle=Rle.from_mask(target), label="target"),),
            turns=tuple(_turns(record, told.get(picture.name, ()), name)),
            source="reasonseg",
            split=split,
            meta={"ignore": masks.encode(ignore)} if ignore.any() else {},
        )

    return Reading(sorted(folder.glob("*.json")), _build, str, on_bad)


def _turns(record: Reason, told: Sequence[Explanation], name: str) -> Iterator[Turn]:
    rng = wording(name)
    for text in (text.strip() for text in record.text):
        if not text:
            raise UserError(f"{name}, field text: a question is empty")
        if record.is_sentence:
            asked = instruction("reasoning", rng, question=sentence_case(text))
            answer: list[Piece] = ["this is ", Mention("it", (TARGET_ID,)), "."]
        else:
            asked = instruction("referring", rng, phrase=text)
            answer = [Mention(text, (TARGET_ID,)), "."]
        family = "sentence" if record.is_sentence else "phrase"
        yield Turn(task="reasoning", instruction=asked, answer=grounded(answer), granularity="object", family=family)
    for words in told:
        answer = ["this is ", Mention("it", (TARGET_ID,)), f". {words.outputs.strip()}"]
        yield Turn(
            task="reasoning",
            instruction=words.query.strip(),
            answer=grounded(answer),
            granularity="object",
            family="explained",
        )


def _paint(shapes: list[Shape], size: tuple[int, int], place: str) -> tuple[np.ndarray, np.ndarray]:
    """Target and ignored pixels (bool[H, W] each). Source: the order and the drawing of LISA's own reader."""
    drawn = []
    for shape in shapes:
        if shape.label.lower() == "flag":
            continue
        if len(shape.points) < 3:
            raise UserError(f"{place}: a shape {shape.label!r} has fewer than 3 points")
        points = np.trunc(shape.points)
        if (points < 0).any() or (points > (size[1], size[0])).any():
            raise UserError(f"{place}: a shape {shape.label!r} leaves the image of {size[1]} x {size[0]} pixels")
        points = points.astype(np.int32)
        canvas = np.zeros(size, dtype=np.uint8)
        cv2.polylines(canvas, [points], True, 1, 1)
        cv2.fillPoly(canvas, [points], 1)
        drawn.append((canvas.astype(np.bool_), "ignore" in shape.label.lower()))
    target, ignore = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    for mask, ignored in sorted(drawn, key=lambda item: -int(item[0].sum())):
        target = target & ~mask if ignored else target | mask
        ignore = ignore | mask if ignored else ignore & ~mask
    return target, ignore


def _text(path: Path) -> str:
    """The text of a file: UTF-8 or, as some of ReasonSeg's are, Windows-1252."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252")


def _explanations(path: Path, on_bad: OnBad) -> dict[str, list[Explanation]]:
    """The answers in words by file name of the image; {} if there is no such file."""
    found: dict[str, list[Explanation]] = {}
    if not path.is_file():
        return found
    entries = parse_json(_text(path), str(path))
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        try:
            explanation = Explanation.of(entry, f"{path}, entry {number}")
        except UserError as error:
            on_bad(error)
        else:
            found.setdefault(explanation.image, []).append(explanation)
    return found
