"""PACO-LVIS: objects with their parts and attributes."""

from pathlib import Path
from typing import Any

from mglmm import masks
from mglmm.data.readers.coco import federated, image_name
from mglmm.data.readers.coco_file import CocoAnnotation, CocoFile, Entry
from mglmm.data.readers.files import Pictures, existing
from mglmm.data.readers.json_stream import Places, elements
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import to_rle
from mglmm.schema import Sample, Segment, UserError

PART = ":"
"""Between whole and part in the name of a class of parts, as in "handbag:zip". Source: the released files."""


class PacoAnnotation(CocoAnnotation):
    """An object or a part; `obj_ann_id` of a part is its object, of an object itself."""

    obj_ann_id: int | None = None
    attribute_ids: list[int] = []


class Attribute(SourceRecord):
    """The name of an attribute ("light_blue", "wood")."""

    id: int
    name: str


def paco_lvis(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Reading:
    """PACO-LVIS: 75 classes of things, 456 classes of their parts, 55 attributes, on the images of COCO 2017.

    A part's `parent` is its object and its label the part's name alone: "zip" where the file has "handbag:zip".
    `meta["attributes"]`: names by segment id. `exhaustive` as in LVIS, of whole objects only. What has a box
    but no mask is `meta["boxes"]`.

    Source: https://github.com/facebookresearch/paco (arXiv 2301.01795).
    Licence: MIT (repository; no other is stated for annotations); images under the Flickr terms of each.
    Tree: `ROOT/annotations/paco_lvis_v1_SPLIT.json`, `ROOT/{train,val}2017/*.jpg`.
    Convert: `mglmm data convert paco-lvis --root coco --split val --out paco-val.jsonl`
    """
    path = existing(root / (annotations or f"annotations/paco_lvis_v1_{split}.json"), "the annotations")
    file = CocoFile(path, on_bad)
    attributes = _attributes(path)
    pictures = Pictures(root, root / (images or "."), check_images)

    def _build(item: tuple[Entry, Places]) -> Sample:
        entry, places = item
        image, place = file.image(entry, places), file.place(entry)
        marks = [PacoAnnotation.parse(raw, f"{place}, an annotation") for raw in file.annotations(entry.id, places)]
        rles = {m.id: to_rle(m.segmentation, image.size) for m in marks if m.segmentation}
        shown = {number for number, rle in rles.items() if masks.area(rle.to_coco())}
        found, boxes = [], []
        for mark in marks:
            label = file.category(mark.category_id, f"{place}, annotation {mark.id}").name.rpartition(PART)[2]
            if mark.id in shown:
                # the parts of an object without a mask stand for themselves
                unmarked = any(m.id == mark.obj_ann_id and m.id not in shown for m in marks)
                parent = None if mark.obj_ann_id == mark.id or unmarked else mark.obj_ann_id
                found.append(Segment(id=mark.id, rle=rles[mark.id], label=label, parent=parent))
            else:
                boxes.append({"id": mark.id, "label": label, "box_xywh": mark.bbox})
        wholes = [m for m in marks if PART not in file.category(m.category_id, place).name]
        return Sample(
            id=f"paco-lvis/{image.id}",
            image=pictures.place(image_name(image, by_url=image.file_name is None), image.size),
            size=image.size,
            segments=tuple(found),
            source="paco-lvis",
            split=split,
            exhaustive=tuple(n for n in federated(file, image, list(wholes)) if PART not in n),
            meta=_meta(marks, attributes, boxes, place),
        )

    return Reading(file.samples(), _build, lambda item: file.place(item[0]), on_bad)


def _attributes(path: Path) -> dict[int, str]:
    """The names of the attributes by id."""
    found = (Attribute.parse(e.raw, f"{path}, an attribute") for e in elements(path) if e.key == "attributes")
    return {attribute.id: attribute.name for attribute in found}


def _meta(
    marks: list[PacoAnnotation], names: dict[int, str], boxes: list[dict[str, Any]], place: str
) -> dict[str, Any]:
    unknown = sorted({i for mark in marks for i in mark.attribute_ids} - names.keys())
    if unknown:
        raise UserError(f"{place}: attribute {unknown[0]} is not among the file's attributes")
    attributes = {str(mark.id): [names[i] for i in mark.attribute_ids] for mark in marks if mark.attribute_ids}
    return {**({"attributes": attributes} if attributes else {}), **({"boxes": boxes} if boxes else {})}
