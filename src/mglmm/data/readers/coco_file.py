"""Files in the layout of COCO: `images`, `annotations`, `categories`; read image by image, however large they are."""

import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from mglmm import masks
from mglmm.data.readers.files import first_folder
from mglmm.data.readers.json_stream import Element, Groups, Places, elements
from mglmm.data.readers.policy import OnBad, SourceRecord
from mglmm.data.readers.shapes import Segmentation, to_rle
from mglmm.schema import Segment, UserError


class CocoImage(SourceRecord):
    """An image. LVIS v1 has no `file_name`; the two lists of category ids are LVIS's alone."""

    id: int
    height: int
    width: int
    file_name: str | None = None
    coco_url: str | None = None
    not_exhaustive_category_ids: list[int] = []
    neg_category_ids: list[int] = []

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


class CocoAnnotation(SourceRecord):
    """An instance, or all stuff of a class. `bbox`: x, y, width, height; some tools write [[]] for no polygon."""

    id: int
    image_id: int
    category_id: int
    segmentation: Segmentation = []
    bbox: list[float] = []
    iscrowd: bool = False


class CocoCategory(SourceRecord):
    """A class. `isthing` only in panoptic files."""

    id: int
    name: str
    isthing: bool = True


class Entry(NamedTuple):
    """An image of a file: its id, and the place of its record."""

    id: int
    offset: int
    length: int


class CocoFile:
    """What a file in COCO's layout holds, without holding it: places of records, and the categories.

    Broken entries go to `on_bad` while the file is indexed: images whose id another has, annotations of no image.

    Raises:
        UserError: the file cannot be read, is no JSON, or has no `images` or `annotations`.
    """

    def __init__(self, path: Path, on_bad: OnBad, keys: Sequence[str] = ("images", "annotations")) -> None:
        self.path = path
        self.categories: dict[int, CocoCategory] = {}
        self.entries: list[Entry] = []
        self.spoiled: dict[int, str] = {}
        """Images by id whose annotations cannot be told apart, and why."""
        self._annotations, self._ids, self._on_bad = Groups(), array("q"), on_bad
        self._owners = array("q")
        found: set[str] = set()
        known: set[int] = set()
        for element in elements(path, found):
            if element.key == "categories":
                self._add_category(element)
            elif element.key == "images":
                self._add_image(element, known)
            elif element.key == "annotations":
                self._add_annotation(element)
        missing = [key for key in keys if key not in found]
        if missing:
            raise UserError(f"{path}: has no {' and no '.join(missing)}; a file of COCO's layout has {', '.join(keys)}")
        self._check_annotations(known)

    def samples(self) -> "Iterator[tuple[Entry, Places]]":
        """Every image with the open file that its records are read from."""
        with Places(self.path) as places:
            for entry in self.entries:
                yield entry, places

    def first_name(self) -> str:
        """The file name of the first image, by which its folder is found; "" if it has none."""
        with Places(self.path) as places:
            for entry in self.entries[:1]:
                try:
                    return CocoImage.parse(places.read(entry.offset, entry.length), "").file_name or ""
                except UserError:  # told of when the image is read
                    break
        return ""

    def image(self, entry: Entry, places: Places) -> CocoImage:
        """The record of an image; UserError if it is broken."""
        self.check(entry)
        return CocoImage.parse(places.read(entry.offset, entry.length), self.place(entry))

    def check(self, entry: Entry) -> None:
        """Nothing, if the annotations of an image can be told apart; UserError if not."""
        if entry.id in self.spoiled:
            raise UserError(f"{self.place(entry)}: {self.spoiled[entry.id]}")

    def annotations(self, image_id: int, places: Places) -> list[bytes]:
        """The JSON text of every annotation of an image, in the file's order."""
        return [places.read(*place) for place in self._annotations.places(image_id)]

    def place(self, entry: Entry) -> str:
        """What errors call an image."""
        return f"{self.path}, image {entry.id}"

    def category(self, category_id: int, place: str) -> CocoCategory:
        """The category of this id; UserError if there is none."""
        if category_id not in self.categories:
            raise UserError(f"{place}: category {category_id} is not among the file's categories")
        return self.categories[category_id]

    def _add_category(self, element: Element) -> None:
        category = CocoCategory.parse(element.raw, f"{self.path}, category {len(self.categories) + 1}")
        if category.id in self.categories:
            raise UserError(f"{self.path}: two categories have the id {category.id}")
        self.categories[category.id] = category

    def _add_image(self, element: Element, known: set[int]) -> None:
        try:
            image_id = _id(element.value, "id", f"{self.path}, image number {len(self.entries) + 1}")
            if image_id in known:
                raise UserError(f"{self.path}: two images have the id {image_id}")
        except UserError as error:
            return self._on_bad(error)
        known.add(image_id)
        self.entries.append(Entry(image_id, element.offset, element.length))

    def _add_annotation(self, element: Element) -> None:
        place = f"{self.path}, annotation number {len(self._annotations) + 1}"
        try:
            owner = _id(element.value, "image_id", place)
        except UserError as error:
            return self._on_bad(error)
        self._annotations.add(owner, element)
        self._owners.append(owner)
        # what is no id is refused when the annotation is read
        self._ids.append(element.value["id"] if _is_id(element.value.get("id")) else -1)

    def _check_annotations(self, known: set[int]) -> None:
        owners, ids = np.array(self._owners, dtype=np.int64), np.array(self._ids, dtype=np.int64)
        for owner in np.setdiff1d(owners, np.fromiter(known, np.int64, len(known))).tolist():
            self._on_bad(UserError(f"{self.path}: annotations of image {owner}, which is not among the images"))
        order = np.argsort(ids, kind="stable")
        repeated = order[1:][(ids[order][1:] == ids[order][:-1]) & (ids[order][1:] >= 0)]
        for index in repeated.tolist():
            self.spoiled[int(owners[index])] = f"annotation id {int(ids[index])} stands for another annotation already"


def _id(value: Any, key: str, place: str) -> int:
    """The whole number under `key` of a record that has been decoded."""
    found = value.get(key) if isinstance(value, dict) else None
    if not _is_id(found):
        raise UserError(f"{place}, field {key}: a whole number is missing")
    return found


def _is_id(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def segments(
    file: CocoFile, annotations: Sequence[CocoAnnotation], size: tuple[int, int], place: str
) -> tuple[list[Segment], dict[str, Any]]:
    """The segments of an image, named by the annotations' ids, and the `meta` that tells what else is known of them.

    `crowd_ids`: segments that are a group of uncounted instances. `boxes`: what has a box but no mask, or one that is
    too thin to hold the center of a pixel: `id`, `label`, `box_xywh`.
    """
    found: list[Segment] = []
    boxes: list[dict[str, Any]] = []
    for annotation in annotations:
        where = f"{place}, annotation {annotation.id}"
        label = file.category(annotation.category_id, where).name
        try:
            rle = to_rle(annotation.segmentation, size) if annotation.segmentation not in ([], [[]]) else None
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None
        if rle is not None and masks.area(rle.to_coco()):
            found.append(Segment(id=annotation.id, rle=rle, label=label))
        elif len(annotation.bbox) == 4:
            boxes.append({"id": annotation.id, "label": label, "box_xywh": annotation.bbox})
        else:
            raise UserError(f"{where}: has neither a mask with pixels nor a box of four numbers")
    marked = {segment.id for segment in found}
    crowds = [a.id for a in annotations if a.iscrowd and a.id in marked]
    return found, {**({"crowd_ids": crowds} if crowds else {}), **({"boxes": boxes} if boxes else {})}


def image_folder(root: Path, split: str, images: str, name: str = "") -> Path:
    """The folder of the images: `root / images` if that is given, else one of those that are in use.

    That is the first in which there is a picture called `name`, or else the first there is.
    """
    if images:
        return root / images
    candidates = [root / split, root / "images" / split, root / "images", root]
    return next((folder for folder in candidates if name and os.path.isfile(folder / name)), first_folder(candidates))
