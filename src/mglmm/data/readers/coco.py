"""COCO instances, COCO-Stuff, LVIS, your own data: every file in the layout of COCO's instances."""

from collections.abc import Callable
from pathlib import Path

from mglmm.data.readers.coco_file import CocoAnnotation, CocoFile, CocoImage, Entry, image_folder, segments
from mglmm.data.readers.files import Pictures, existing
from mglmm.data.readers.json_stream import Places
from mglmm.data.readers.policy import OnBad, Reader, Reading, refuse
from mglmm.schema import Sample

Exhaustive = Callable[[CocoFile, CocoImage, list[CocoAnnotation]], tuple[str, ...]]
"""The labels of which every instance in an image is marked."""


def image_name(image: CocoImage, by_url: bool = False) -> str:
    """The file name of an image; `by_url`: the last two parts of its address, as "val2017/000000000139.jpg"."""
    if image.coco_url and (by_url or image.file_name is None):
        return "/".join(image.coco_url.split("/")[-2:])
    return image.file_name or ""


def _reader(source: str, exhaustive: Exhaustive, *names: str, by_url: bool = False, doc: str) -> Reader:
    """The reader of a data set in this layout.

    `names`: where the annotations may lie, "{}" standing for the split; `by_url`: images lie where their address says.
    """

    def _read(
        root: Path,
        split: str,
        *,
        on_bad: OnBad = refuse,
        check_images: bool = True,
        annotations: str = "",
        images: str = "",
    ) -> Reading:
        candidates = [name.format(split) for name in names]
        found = next((name for name in candidates if (root / name).is_file()), candidates[0])
        file = CocoFile(existing(root / (annotations or found), "the annotations"), on_bad)
        folder = image_folder(root, split, images or ("." if by_url else ""), file.first_name())
        pictures = Pictures(root, folder, check_images)

        def _build(item: tuple[Entry, Places]) -> Sample:
            entry, places = item
            image = file.image(entry, places)
            place = file.place(entry)
            marks = [CocoAnnotation.parse(raw, f"{place}, an annotation") for raw in file.annotations(entry.id, places)]
            picture = pictures.place(image_name(image, by_url), image.size)
            found, meta = segments(file, marks, image.size, place)
            return Sample(
                id=f"{source}/{image.id}",
                image=picture,
                size=image.size,
                segments=tuple(found),
                source=source,
                split=split,
                exhaustive=exhaustive(file, image, marks),
                meta=meta,
            )

        return Reading(file.samples(), _build, lambda item: file.place(item[0]), on_bad)

    _read.__doc__ = doc
    return _read


def _unknown(file: CocoFile, image: CocoImage, marks: list[CocoAnnotation]) -> tuple[str, ...]:
    return ()


def _all(file: CocoFile, image: CocoImage, marks: list[CocoAnnotation]) -> tuple[str, ...]:
    return tuple(category.name for category in file.categories.values())


def federated(file: CocoFile, image: CocoImage, marks: list[CocoAnnotation]) -> tuple[str, ...]:
    """The labels searched for in an image of LVIS: those it lacks, and those present that are not left incomplete."""
    sure = {*image.neg_category_ids, *(m.category_id for m in marks)} - set(image.not_exhaustive_category_ids)
    place = f"{file.path}, image {image.id}"
    return tuple(file.category(category_id, place).name for category_id in sorted(sure))


coco = _reader(
    "coco",
    _unknown,
    "annotations/{}.json",
    "annotations/instances_{}.json",
    "{}/_annotations.coco.json",
    doc="""Your own data in COCO's layout.

    Source: any tool that exports "COCO instances" (CVAT, Label Studio, Roboflow, labelme2coco).
    Licence: yours.
    Tree: `ROOT/annotations/SPLIT.json` (or `instances_SPLIT.json` there, or `ROOT/SPLIT/_annotations.coco.json`); the
    images below `ROOT/SPLIT`, `ROOT/images/SPLIT`, `ROOT/images` or `ROOT`. Nothing is taken to be exhaustive.
    Convert: `mglmm data convert coco --root ROOT --split train --out train.jsonl`
    """,
)


coco_instances = _reader(
    "coco-instances",
    _all,
    "annotations/instances_{}.json",
    doc="""COCO instances, 2014 and 2017: 80 classes of things, polygons, and RLE where a crowd is not told apart.

    Source: https://cocodataset.org/#download (arXiv 1405.0312).
    Licence: annotations CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/annotations/instances_SPLIT.json`, `ROOT/SPLIT/*.jpg`.
    Convert: `mglmm data convert coco-instances --root coco --split val2017 --out coco-val2017.jsonl`
    """,
)


coco_stuff = _reader(
    "coco-stuff",
    _all,
    "annotations/stuff_{}.json",
    doc="""COCO-Stuff as JSON: 91 classes of stuff (ids 92..182) and "other" (183, all things merged), compressed RLE.

    Source: https://github.com/nightrome/cocostuff (arXiv 1612.03716).
    Licence: annotations CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/annotations/stuff_SPLIT.json`, `ROOT/SPLIT/*.jpg`.
    Convert: `mglmm data convert coco-stuff --root coco --split val2017 --out stuff-val2017.jsonl`
    """,
)


lvis = _reader(
    "lvis",
    federated,
    "annotations/lvis_v1_{}.json",
    by_url=True,
    doc="""LVIS v1 and v0.5: 1,203 (1,230) classes of things on the images of COCO 2017, polygons.

    Only some classes are searched for in an image. Exhaustive are the classes that the file says are absent, and those
    present that it does not call incomplete. Names are the file's own, as in "baby_buggy". In v0.5 the file's boxes
    (not its polygons) of some images are those of the image turned by 90 degrees; boxes here are those of the masks.

    Source: https://www.lvisdataset.org (arXiv 1908.03195).
    Licence: annotations CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/annotations/lvis_v1_SPLIT.json` (v0.5: `annotations=annotations/lvis_v0.5_SPLIT.json`),
    `ROOT/{train,val,test}2017/*.jpg`; an image lies where its `coco_url` ends ("val2017/000000000139.jpg").
    Convert: `mglmm data convert lvis --root coco --split val --out lvis-val.jsonl`
    """,
)
