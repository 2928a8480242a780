"""Visual Genome: regions with a phrase each, and objects with names, marked with boxes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field

from mglmm.data.readers.boxes import BOX_IDS, rectangle
from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import Pictures, existing, first_folder
from mglmm.data.readers.json_stream import Element, elements
from mglmm.data.readers.policy import OnBad, Reader, Reading, SourceRecord, refuse
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Sample, Segment, Turn, UserError

FOLDERS = ("VG_100K", "VG_100K_2")
"""Where the two archives of images are unpacked to. Source: the data set's own addresses."""


class Picture(SourceRecord):
    """An entry of `image_data.json`; in version 1.0 ids are called `id` alone, of regions and objects too."""

    image_id: int = Field(validation_alias=AliasChoices("image_id", "id"))
    width: int
    height: int


class Region(SourceRecord):
    """A region of an image."""

    region_id: int = Field(validation_alias=AliasChoices("region_id", "id"))
    phrase: str
    x: float
    y: float
    width: float
    height: float


class Regions(SourceRecord):
    """The regions of an image; `id` in region_descriptions.json, `image_id` in region_graphs.json."""

    id: int | None = None
    image_id: int | None = None
    regions: list[Region]


class Thing(SourceRecord):
    """An object; releases before 1.2 have `name` where later ones have `names`."""

    object_id: int = Field(validation_alias=AliasChoices("object_id", "id"))
    names: list[str] = []
    name: str = ""
    x: float
    y: float
    w: float
    h: float


class Things(SourceRecord):
    """The objects of an image."""

    image_id: int = Field(validation_alias=AliasChoices("image_id", "id"))
    objects: list[Thing]


def _reader(source: str, file: str, doc: str) -> Reader:
    """The reader of one of the files, which lists what an image holds, one image an element."""

    def _read(
        root: Path,
        split: str,
        *,
        on_bad: OnBad = refuse,
        check_images: bool = True,
        annotations: str = "",
        images: str = "",
    ) -> Reading:
        if split != "all":
            raise UserError(f"{source} has no split {split!r}; it is one whole: --split all")
        path = existing(root / (annotations or file), "the annotations")
        sizes = _sizes(root / "image_data.json", on_bad)
        folders = [root / images] if images else [root / folder for folder in FOLDERS]

        def _build(item: tuple[int, Element]) -> Sample:
            number, element = item
            place = f"{path}, entry {number}"
            is_regions = source == "visual-genome"
            image_id, marks = (_regions if is_regions else _things)(element, place)
            name = f"{image_id}.jpg"
            folder = next((f for f in folders if (f / name).is_file()), first_folder(folders))
            pictures = Pictures(root, folder, check_images)
            size = sizes[image_id] if image_id in sizes else pictures.measure(name)[1]
            found = [
                Segment(id=number, rle=rectangle((x, y, x + w, y + h), size), label=label)
                for number, label, (x, y, w, h) in marks
            ]
            return Sample(
                id=f"{source}/{image_id}",
                image=pictures.place(name, size),
                size=size,
                segments=tuple(found),
                turns=tuple(_turns(found, f"{source}/{image_id}")) if is_regions else (),
                source=source,
                split=split,
                meta={BOX_IDS: [segment.id for segment in found]} if found else {},
            )

        return Reading(enumerate(elements(path), start=1), _build, lambda item: f"{path}, entry {item[0]}", on_bad)

    _read.__doc__ = doc
    return _read


_Marks = list[tuple[int, str, tuple[float, float, float, float]]]
"""Id, text and box (x, y, width, height) of each region or object."""


def _regions(element: Element, place: str) -> tuple[int, _Marks]:
    entry = Regions.parse(element.raw, place)
    image_id = entry.id if entry.id is not None else entry.image_id
    if image_id is None:
        raise UserError(f"{place}, field id: is missing")
    return image_id, [(r.region_id, r.phrase.strip(), (r.x, r.y, r.width, r.height)) for r in entry.regions]


def _things(element: Element, place: str) -> tuple[int, _Marks]:
    entry = Things.parse(element.raw, place)
    unnamed = [t.object_id for t in entry.objects if not (t.names or t.name)]
    if unnamed:
        raise UserError(f"{place}: object {unnamed[0]} has no name")
    marks = [(t.object_id, (t.names[0] if t.names else t.name).strip(), (t.x, t.y, t.w, t.h)) for t in entry.objects]
    return entry.image_id, marks


def _sizes(path: Path, on_bad: OnBad) -> dict[int, tuple[int, int]]:
    """The sizes of the images by id (108,000 of them); {} if there is no such file."""
    found: dict[int, tuple[int, int]] = {}
    for element in elements(path) if path.is_file() else ():
        try:
            picture = Picture.parse(element.raw, f"{path}, entry at byte {element.offset}")
        except UserError as error:
            on_bad(error)
        else:
            found[picture.image_id] = picture.height, picture.width
    return found


def _turns(found: list[Segment], name: str) -> Iterator[Turn]:
    rng = wording(name)
    for segment in found:
        answer: dict[str, Any] = {"answer": GroundedText(text=segment.label), "region_ids": (segment.id,)}
        yield Turn(task="caption", instruction=instruction("region_short", rng), granularity="object", **answer)


visual_genome = _reader(
    "visual-genome",
    "region_descriptions.json",
    """Visual Genome, regions: some 50 an image, each a box with a phrase.

    Each region is a segment whose mask is the whole box (`meta["box_ids"]`: no mask was ever drawn), cut at the edges
    of the image, its label the phrase; a turn points at it and asks for the phrase. `annotations=region_graphs.json`
    reads the regions of that file. Sizes are those of `image_data.json` or, without it, of the pictures.

    Source: https://homes.cs.washington.edu/~ranjay/visualgenome (arXiv 1602.07332).
    Licence: CC BY 4.0; images of YFCC100M and COCO under the Flickr terms of each.
    Tree: `ROOT/region_descriptions.json`, `ROOT/image_data.json`, `ROOT/{VG_100K,VG_100K_2}/*.jpg`; one split, "all".
    Convert: `mglmm data convert visual-genome --root visual_genome --split all --out visual-genome.jsonl`
    """,
)

visual_genome_objects = _reader(
    "visual-genome-objects",
    "objects.json",
    """Visual Genome, objects: boxes with the first of their names, masks as of the regions (`visual-genome`).

    Source: https://homes.cs.washington.edu/~ranjay/visualgenome (arXiv 1602.07332).
    Licence: CC BY 4.0; images of YFCC100M and COCO under the Flickr terms of each.
    Tree: `ROOT/objects.json`, else as `visual-genome`.
    Convert: `mglmm data convert visual-genome-objects --root visual_genome --split all --out vg-objects.jsonl`
    """,
)
