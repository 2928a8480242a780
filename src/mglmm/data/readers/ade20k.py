"""ADE20K as it was annotated: every object and, up to three levels deep, its parts."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from mglmm.data.readers.files import Pictures, existing, first_folder, inside, parse_json, read_bytes, read_ids
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import from_ids
from mglmm.schema import Rle, Sample, Segment, UserError

OCCLUDED = 128
"""In the PNG of an instance: pixels that something else hides. Source: the README of CSAILVision/ADE20K."""


class Parts(SourceRecord):
    """What an object is a part of: the number of another one, or an empty list; its level, 0 for wholes."""

    ispartof: int | list[int]
    part_level: int


class Object(SourceRecord):
    """An object or a part of one. `instance_mask` is relative to the JSON file."""

    id: int
    name: str
    raw_name: str
    attributes: list[str] | str = []
    parts: Parts
    instance_mask: str


class Annotation(SourceRecord):
    """A file's annotation; `imsize`: height, width and, of colored pictures, channels. One of a kind is no list."""

    filename: str
    imsize: Annotated[list[int], Field(min_length=2)]
    scene: list[str] | str = []
    object: list[Object] | Object = []

    @property
    def objects(self) -> list[Object]:
        """The objects and their parts."""
        return [self.object] if isinstance(self.object, Object) else self.object


class File(SourceRecord):
    """A JSON file."""

    annotation: Annotation


class Line(SourceRecord):
    """A line of the text file of the releases before 2020; `number` counts from 1 in each level."""

    number: int
    level: int
    occluded: int
    name: str
    raw_name: str
    attributes: str


def ade20k(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    occluded: bool = False,
    names: str = "all",
) -> Reading:
    """ADE20K, the full set: each object a segment, parts (and parts of parts) with their `parent`.

    A mask is what can be seen of an object; `occluded=true` adds what is hidden. Labels are the file's, with all
    synonyms ("person, individual, someone"); `names=first` keeps the first, `names=raw` is what the annotator wrote.
    Objects of which nothing can be seen are `meta["hidden"]`; `meta["scene"]` and `meta["attributes"]` as in the files.
    Reads the release of 2021 (a JSON file and a PNG for each instance) and those before (`_atr.txt`, where ids are
    1000 * level + number, and a part belongs to the object of the level above that most of it lies on).

    Source: https://ade20k.csail.mit.edu (arXiv 1608.05442); layout as github.com/CSAILVision/ADE20K describes it.
    Licence: annotations BSD-3-Clause; images for non-commercial research and education only.
    Tree: `ROOT/images/ADE/{training,validation}/` (2021), `ROOT/images/{training,validation}/` or
    `ROOT/{training,validation}/`, with folders of any depth below: `X.jpg`, `X_seg.png`, `X_parts_1.png` and either
    `X.json` with `X/instance_000_X.png` or `X_atr.txt`.
    Convert: `mglmm data convert ade20k --root ADE20K_2021_17_01 --split validation --out ade20k-val.jsonl`
    """
    if names not in ("all", "first", "raw"):
        raise UserError(f"option names={names!r}: give names=all, names=first or names=raw")
    folder = first_folder([root / "images" / "ADE" / split, root / "images" / split, root / split])
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; the splits of ADE20K are training and validation")

    def _build(path: Path) -> Sample:
        pictures = Pictures(root, path.parent, check_images)
        if path.suffix == ".json":
            name, size, segments, meta = _of_2021(path, occluded, names)
        else:
            name, size, segments, meta = _of_2017(path, names)
        return Sample(
            id=f"ade20k/{Path(name).stem}",
            image=pictures.place(name, size),
            size=size,
            segments=tuple(segments),
            source="ade20k",
            split=split,
            meta={key: value for key, value in meta.items() if value},
        )

    return Reading(sorted([*folder.rglob("*.json"), *folder.rglob("*_atr.txt")]), _build, str, on_bad)


_Read = tuple[str, tuple[int, int], list[Segment], dict[str, Any]]
"""The picture's name and size, the segments, the meta."""


def _of_2021(path: Path, occluded: bool, names: str) -> _Read:
    """What a JSON file and its PNGs hold."""
    annotation = File.of(parse_json(_text(path), str(path)), str(path)).annotation
    size = annotation.imsize[0], annotation.imsize[1]
    found: list[Segment] = []
    hidden: list[dict[str, Any]] = []
    for thing in annotation.objects:
        png = existing(inside(path.parent, thing.instance_mask), f"the mask of object {thing.id}")
        ids = read_ids(png)
        if ids.shape != size:
            raise UserError(f"{png}: the mask is {ids.shape[0]} x {ids.shape[1]}, its image {size[0]} x {size[1]}")
        mask = ids != 0 if occluded else (ids != 0) & (ids != OCCLUDED)
        above = thing.parts.ispartof
        parent = above if isinstance(above, int) else (above[0] if above else None)
        label = {"all": thing.name, "first": thing.name.split(",")[0], "raw": thing.raw_name}[names].strip()
        if mask.any():
            found.append(Segment(id=thing.id, rle=Rle.from_mask(np.asarray(mask)), label=label, parent=parent))
        else:
            hidden.append({"id": thing.id, "label": label, "parent": parent})
    attributes = {
        str(t.id): [t.attributes] if isinstance(t.attributes, str) else t.attributes
        for t in annotation.objects
        if t.attributes
    }
    found = _adopted(found, {h["id"]: h["parent"] for h in hidden})
    scene = [annotation.scene] if isinstance(annotation.scene, str) else annotation.scene
    return annotation.filename, size, found, {"scene": scene, "attributes": attributes, "hidden": hidden}


def _adopted(found: list[Segment], hidden: dict[int, int | None]) -> list[Segment]:
    """The segments, parts of what cannot be seen being made parts of what that is a part of."""
    adopted = []
    for segment in found:
        parent, seen = segment.parent, set()
        while parent in hidden and parent not in seen:
            seen.add(parent)
            parent = hidden[parent]
        adopted.append(segment.model_copy(update={"parent": None if parent in seen else parent}))
    return adopted


def _of_2017(path: Path, names: str) -> _Read:
    """What a text file and its PNGs hold."""
    stem = path.name.removesuffix("_atr.txt")
    lines = [_line(text, f"{path}, line {n}") for n, text in enumerate(_text(path).splitlines(), 1) if text.strip()]
    levels: dict[int, np.ndarray] = {}
    for level in sorted({0, *(line.level for line in lines)}):
        png = path.with_name(f"{stem}_seg.png" if level == 0 else f"{stem}_parts_{level}.png")
        # the third channel numbers the instances of a level, with gaps: the k-th value is instance k
        instances = read_ids(png) >> 16
        numbers, places = np.unique(instances, return_inverse=True)
        levels[level] = places.reshape(instances.shape) + (numbers[0] != 0)
    size = (levels[0].shape[0], levels[0].shape[1])
    rles = {level: from_ids(ids) for level, ids in levels.items()}
    found, hidden, attributes = [], [], {}
    for line in lines:
        segment_id = 1000 * line.level + line.number
        label = {"all": line.name, "first": line.name.split(",")[0], "raw": line.raw_name}[names].strip()
        if line.attributes:
            attributes[str(segment_id)] = [text.strip() for text in line.attributes.split(",")]
        rle = rles[line.level].get(line.number)
        if rle is None:
            hidden.append({"id": segment_id, "label": label})
            continue
        parent = None
        if line.level:
            below = levels[line.level - 1][levels[line.level] == line.number]
            numbers_below, counts = np.unique(below[below > 0], return_counts=True)
            if len(counts):
                parent = 1000 * (line.level - 1) + int(numbers_below[counts.argmax()])
        found.append(Segment(id=segment_id, rle=rle, label=label, parent=parent))
    return f"{stem}.jpg", size, found, {"attributes": attributes, "hidden": hidden}


def _line(text: str, place: str) -> Line:
    columns = [column.strip() for column in text.split("#")]
    if len(columns) != 6:
        raise UserError(f"{place}: has {len(columns)} columns between the # instead of six")
    return Line.of(dict(zip(Line.model_fields, [*columns[:5], columns[5].strip('"')], strict=True)), place)


def _text(path: Path) -> str:
    """The text of a file; some of the published JSON files are in Latin-1."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
