"""Flickr30k: five captions an image; and Flickr30k Entities, whose phrases have boxes."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mglmm.data.readers.boxes import BOX_IDS, rectangle
from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import Pictures, existing, first_folder, inside, read_bytes, read_lines
from mglmm.data.readers.json_stream import elements
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.spans import Range, ground
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Sample, Segment, Turn, UserError

NOT_VISUAL = "0"
"""The chain of phrases that stand for nothing to be seen. Source: the README of Flickr30k Entities."""

_PHRASE = re.compile(r"\[/EN#(?P<chain>\d+)(?P<kinds>(?:/[^\s\]/]+)+) (?P<words>[^\]]*)\]")
_MAX_XML_BYTES = 1 << 20


class Raw(SourceRecord):
    """A caption as typed."""

    raw: str


class Captioned(SourceRecord):
    """An image of Karpathy's file."""

    filename: str
    split: str
    sentences: list[Raw]


def flickr30k(
    root: Path, split: str, *, on_bad: OnBad = refuse, check_images: bool = True, images: str = "flickr30k-images"
) -> Reading:
    """Flickr30k, captions: five an image, each a turn with the same instruction, as typed.

    Read from Karpathy's `dataset_flickr30k.json` (splits train, val, test: what papers report) or, where there is none,
    from the original `results_20130124.token` with a list of ids for each split, as Flickr30k Entities has them. Sizes
    are those of the pictures, which must be there (`check_images` makes no difference).

    Source: https://shannon.cs.illinois.edu/DenotationGraph (TACL 2014); splits arXiv 1412.2306.
    Licence: for non-commercial research and education, captions alike; images under the Flickr terms of each.
    Tree: `ROOT/dataset_flickr30k.json`, or `ROOT/results_20130124.token` and `ROOT/SPLIT.txt`;
    `ROOT/flickr30k-images/*.jpg`.
    Convert: `mglmm data convert flickr30k --root flickr30k --split test --out flickr30k-test.jsonl`
    """
    karpathy, tokens = root / "dataset_flickr30k.json", root / "results_20130124.token"
    pictures = Pictures(root, root / images, check_images)
    path = karpathy if karpathy.is_file() else existing(tokens, f"the captions (or {karpathy.name})")
    found = _of_karpathy(path, split, on_bad) if path == karpathy else _of_tokens(path, root, split, on_bad)

    def _build(item: tuple[str, Sequence[str]]) -> Sample:
        name, texts = item
        image, size = pictures.measure(name)
        sample_id = f"flickr30k/{Path(name).stem}"
        asked = instruction("caption_short", wording(sample_id))
        return Sample(
            id=sample_id,
            image=image,
            size=size,
            turns=tuple(Turn(task="caption", instruction=asked, answer=GroundedText(text=t.strip())) for t in texts),
            source="flickr30k",
            split=split,
        )

    return Reading(found, _build, lambda item: f"{path}, image {item[0]}", on_bad)


def _of_karpathy(path: Path, split: str, on_bad: OnBad) -> Iterator[tuple[str, Sequence[str]]]:
    splits: set[str] = set()
    for element in elements(path):
        if element.key != "images":
            continue
        try:
            entry = Captioned.parse(element.raw, f"{path}, image at byte {element.offset}")
        except UserError as error:
            on_bad(error)
            continue
        splits.add(entry.split)
        if entry.split == split:
            yield entry.filename, [sentence.raw for sentence in entry.sentences]
    if split not in splits:
        raise UserError(f"{path}: no split {split!r}; there are {', '.join(sorted(splits)) or 'none'}")


def _of_tokens(path: Path, root: Path, split: str, on_bad: OnBad) -> Iterator[tuple[str, Sequence[str]]]:
    """The captions of the images of a split. The whole file is held: it has 13 MB."""
    wanted: dict[str, list[str]] = {
        f"{name}.jpg": [] for name in read_lines(existing(root / f"{split}.txt", "the ids of the images of the split"))
    }
    for number, line in enumerate(read_lines(path), start=1):
        key, tab, text = line.partition("\t")
        name, mark, _ = key.rpartition("#")
        if not tab or not mark or not text.strip():
            on_bad(UserError(f"{path}, line {number}: is not NAME.jpg#NUMBER, a tab and a caption"))
        elif name in wanted:
            wanted[name].append(text)
    for name, texts in wanted.items():
        if texts:
            yield name, texts
        else:
            on_bad(UserError(f"{path}: has no caption of {name}, which {split}.txt names"))


def flickr30k_entities(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    images: str = "flickr30k-images",
    boxes: bool = True,
) -> Reading:
    """Flickr30k Entities: the phrases of the five captions with boxes; phrases of one chain mean the same.

    Each box is a segment whose mask is the whole box (`meta["box_ids"]` names them: no mask was ever drawn), its label
    the first phrase that means it. Each caption is a turn of the task gcg, tokenized as in the file. Phrases of what
    cannot be seen, or has no box, are no spans. `boxes=false` reads the captions alone (task caption). The size is that
    of the picture, so pictures must be there (`check_images` makes no difference). `meta["chains"]`: by box the chains.

    Source: https://github.com/BryanPlummer/flickr30k_entities (arXiv 1505.04870).
    Licence: none stated for annotations, which are for research; images under the Flickr terms of each, for research.
    Tree: `ROOT/{train,val,test}.txt` (an id a line), `ROOT/Sentences/1.txt`, `ROOT/Annotations/1.xml`,
    `ROOT/flickr30k-images/1.jpg`; `--split all` reads every file of `Sentences`.
    Convert: `mglmm data convert flickr30k-entities --root flickr30k_entities --split val --out entities-val.jsonl`
    """
    folder = first_folder([root / "Sentences"])
    if split == "all":
        names = sorted(path.stem for path in folder.glob("*.txt"))
    else:
        names = read_lines(existing(root / f"{split}.txt", "the ids of the images of the split"))
    pictures = Pictures(root, root / images, check_images)

    def _build(name: str) -> Sample:
        path = existing(inside(folder, f"{name}.txt"), "the captions of an image of the split")
        image, size = pictures.measure(f"{name}.jpg")
        lines = [_sentence(line, f"{path}, line {n}") for n, line in enumerate(read_lines(path), start=1)]
        marked = _boxes(inside(root / "Annotations", f"{name}.xml"), size) if boxes else []
        labels = {chain: text[a:b] for text, phrases in reversed(lines) for a, b, chain in reversed(phrases)}
        sample_id = f"flickr30k-entities/{name}"
        return Sample(
            id=sample_id,
            image=image,
            size=size,
            segments=tuple(
                Segment(
                    id=n, rle=rectangle(box, size), label=next((labels[c] for c in chains if c in labels), "object")
                )
                for n, (box, chains) in enumerate(marked, start=1)
            ),
            turns=tuple(_turns(lines, [chains for _, chains in marked], sample_id, boxes)),
            source="flickr30k-entities",
            split=split,
            meta={BOX_IDS: list(range(1, len(marked) + 1)), "chains": [c for _, c in marked]} if marked else {},
        )

    return Reading(names, _build, lambda name: str(folder / name), on_bad)


_Sentence = tuple[str, list[tuple[int, int, str]]]
"""A caption without its marks, and its phrases: first character, one past the last, chain."""


def _sentence(line: str, place: str) -> _Sentence:
    """A line of a file, as in "[/EN#1/people A man] sits ."."""
    text, phrases, end = "", [], 0
    for mark in _PHRASE.finditer(line):
        text += line[end : mark.start()]
        phrases.append((len(text), len(text) + len(mark["words"]), mark["chain"]))
        text += mark["words"]
        end = mark.end()
    text += line[end:]
    if "[/EN#" in text:
        raise UserError(f"{place}: a mark [/EN#...] is damaged")
    return text, phrases


def _boxes(path: Path, size: tuple[int, int]) -> list[tuple[tuple[float, float, float, float], list[str]]]:
    """Each box of a file (x0, y0, x1, y1, right and bottom exclusive) with the chains that it stands for."""
    content = read_bytes(path)
    # an XML file may name entities that fill the memory; these have none
    if len(content) > _MAX_XML_BYTES or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UserError(f"{path}: is no annotation of Flickr30k Entities; larger than 1 MiB, or declares entities")
    try:
        tree = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise UserError(f"{path}: not valid XML, or cut short ({error})") from None
    stated = (tree.findtext("size/height"), tree.findtext("size/width"))
    if all(stated) and stated != (str(size[0]), str(size[1])):
        raise UserError(f"{path}: states {stated[0]} x {stated[1]}, the picture is {size[0]} x {size[1]}")
    found = []
    for thing in tree.iter("object"):
        chains = [(name.text or "").strip() for name in thing.iter("name")]
        for box in thing.iter("bndbox"):
            numbers = [_number(box.findtext(key), path) for key in ("xmin", "ymin", "xmax", "ymax")]
            # as in Pascal VOC pixels count from 1 and the last one belongs to the box
            found.append(((numbers[0] - 1, numbers[1] - 1, numbers[2], numbers[3]), chains))
    return found


def _number(text: str | None, path: Path) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise UserError(f"{path}, a bndbox: {text!r} is no number") from None


def _turns(lines: Sequence[_Sentence], chains: Sequence[list[str]], name: str, boxes: bool) -> Iterator[Turn]:
    rng = wording(name)
    asked = instruction("gcg" if boxes else "caption_short", rng)
    for text, phrases in lines:
        ranges: list[Any] = [
            Range(a, b, tuple(n for n, means in enumerate(chains, start=1) if chain in means))
            for a, b, chain in phrases
            if chain != NOT_VISUAL
        ]
        yield Turn(task="gcg" if boxes else "caption", instruction=asked, answer=ground(text, ranges))
