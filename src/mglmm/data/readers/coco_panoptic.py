"""COCO panoptic: a PNG of segment ids an image, and a JSON that says what they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mglmm.data.readers.coco_file import CocoCategory, CocoImage, Entry, image_folder
from mglmm.data.readers.files import Pictures, existing, first_folder, inside, read_ids
from mglmm.data.readers.json_stream import Element, Places, elements
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import from_ids
from mglmm.schema import Sample, Segment, UserError

VOID = 0
"""The id of pixels that nobody labelled. Source: the panoptic API."""


class PanopticSegment(SourceRecord):
    """A segment of a PNG."""

    id: int
    category_id: int
    iscrowd: bool = False


class Owned(SourceRecord):
    """What belongs to an image."""

    image_id: int


class PanopticAnnotation(Owned):
    """The segments of an image."""

    file_name: str
    segments_info: list[PanopticSegment]


def coco_panoptic(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
    maps: str = "",
) -> Reading:
    """COCO panoptic and whatever has its layout (Mapillary and Cityscapes have exports of it).

    Every pixel has at most one segment; pixels of id 0 are void (`meta["ignore"]`). `meta["stuff_ids"]`: segments of
    stuff; `meta["crowd_ids"]`: groups of uncounted things. The ids of the PNG and of the JSON must be the same.

    Source: https://cocodataset.org/#download (arXiv 1801.00868).
    Licence: annotations CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/annotations/panoptic_SPLIT.json`, `ROOT/annotations/panoptic_SPLIT/*.png`, `ROOT/SPLIT/*.jpg`.
    Convert: `mglmm data convert coco-panoptic --root coco --split val2017 --out panoptic-val2017.jsonl`
    """
    path = existing(root / (annotations or f"annotations/panoptic_{split}.json"), "the annotations")
    file = _PanopticFile(path, on_bad)
    pngs = root / maps if maps else first_folder([path.with_suffix(""), root / f"panoptic_{split}"])
    pictures = Pictures(root, image_folder(root, split, images), check_images)

    def _build(item: tuple[int, Places]) -> Sample:
        image, found = file.read(*item)
        segments, meta = _segments(file, found, inside(pngs, found.file_name), image.size)
        return Sample(
            id=f"coco-panoptic/{image.id}",
            image=pictures.place(image.file_name or "", image.size),
            size=image.size,
            segments=tuple(segments),
            source="coco-panoptic",
            split=split,
            exhaustive=tuple(category.name for category in file.categories.values()),
            meta=meta,
        )

    return Reading(file.records(), _build, lambda item: f"{path}, annotation number {item[0] + 1}", on_bad)


class _PanopticFile:
    """Where the records of a panoptic file lie: images by id, annotations in order."""

    def __init__(self, path: Path, on_bad: OnBad) -> None:
        self.path = path
        self.images: dict[int, Entry] = {}
        self.annotations: list[tuple[int, int]] = []
        self.categories: dict[int, CocoCategory] = {}
        self.repeated: set[int] = set()
        """Numbers of the annotations of images that have one already."""
        owners: set[int] = set()
        keys: set[str] = set()
        for element in elements(path, keys):
            place = f"{path}, {element.key} entry at byte {element.offset}"
            if element.key == "categories":
                category = CocoCategory.parse(element.raw, place)
                self.categories[category.id] = category
            elif element.key == "annotations":
                self._add_annotation(element, owners)
            elif element.key == "images":
                try:
                    image = CocoImage.parse(element.raw, place)
                    if image.id in self.images:
                        raise UserError(f"{path}: two images have the id {image.id}")
                except UserError as error:
                    on_bad(error)
                else:
                    self.images[image.id] = Entry(image.id, element.offset, element.length)
        missing = {"images", "annotations", "categories"} - keys
        if missing:
            raise UserError(f"{path}: has no {' and no '.join(sorted(missing))}; a file of COCO panoptic has them all")

    def records(self) -> Iterator[tuple[int, Places]]:
        """The number of every annotation, with the open file that records are read from."""
        with Places(self.path) as places:
            for number in range(len(self.annotations)):
                yield number, places

    def read(self, number: int, places: Places) -> tuple[CocoImage, PanopticAnnotation]:
        """Annotation `number` and its image."""
        place = f"{self.path}, annotation number {number + 1}"
        annotation = PanopticAnnotation.parse(places.read(*self.annotations[number]), place)
        entry = self.images.get(annotation.image_id)
        if entry is None:
            raise UserError(f"{place}: image {annotation.image_id} is not among the images")
        if number in self.repeated:
            raise UserError(f"{place}: image {annotation.image_id} has an annotation already")
        return CocoImage.parse(places.read(entry.offset, entry.length), f"{self.path}, image {entry.id}"), annotation

    def _add_annotation(self, element: Element, owners: set[int]) -> None:
        try:
            owner = Owned.of(element.value, "").image_id
        except UserError:  # told of when the annotation is read
            pass
        else:
            if owner in owners:
                self.repeated.add(len(self.annotations))
            owners.add(owner)
        self.annotations.append((element.offset, element.length))


def _segments(
    file: _PanopticFile, annotation: PanopticAnnotation, path: Path, size: tuple[int, int]
) -> tuple[list[Segment], dict[str, Any]]:
    """The segments of a PNG, and the meta that says which are stuff, which crowds, and what is void."""
    ids = read_ids(path, colors=True)
    if ids.shape != size:
        raise UserError(f"{path}: the PNG is {ids.shape[0]} x {ids.shape[1]}, its image {size[0]} x {size[1]}")
    rles = from_ids(ids)
    void = rles.pop(VOID, None)
    infos = {info.id: info for info in annotation.segments_info}
    if len(infos) != len(annotation.segments_info):
        raise UserError(f"{file.path}, image {annotation.image_id}: two segments have the same id")
    if infos.keys() != rles.keys():
        only_json, only_png = sorted(infos.keys() - rles.keys()), sorted(rles.keys() - infos.keys())
        raise UserError(f"{path}: segment ids {only_json} are in the JSON alone, {only_png} in the PNG alone")
    unknown = [info.category_id for info in infos.values() if info.category_id not in file.categories]
    if unknown:
        raise UserError(f"{file.path}, image {annotation.image_id}: category {unknown[0]} is not among the categories")
    category = {info.id: file.categories[info.category_id] for info in infos.values()}
    segments = [Segment(id=i, rle=rles[i], label=category[i].name) for i in infos]
    meta = {
        "stuff_ids": [i for i in infos if not category[i].isthing],
        "crowd_ids": [i for i in infos if infos[i].iscrowd],
        "ignore": void.to_coco() if void else None,
    }
    return segments, {key: value for key, value in meta.items() if value}
