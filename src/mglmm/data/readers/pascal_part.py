"""Pascal-Part: the objects of VOC 2010 with their parts, as Matlab files."""

from pathlib import Path
from typing import Any

from mglmm.data.readers.files import Pictures, existing, first_folder, inside, read_lines
from mglmm.data.readers.matlab import read_matlab
from mglmm.data.readers.policy import OnBad, Reading, refuse
from mglmm.schema import Rle, Sample, Segment, UserError


def pascal_part(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Reading:
    """Pascal-Part: 20 classes of things and their parts, with `parent`; names and codes are the files'.

    Classes are those of VOC except "table"; parts are coded as in "lear" (left ear) or "rlarm" (right lower arm). Ids
    count the objects and, behind each, its parts from 1. Splits are those of VOC 2010 (train, val, trainval), or "all"
    for every file in the folder. Parts that no pixel shows are `meta["hidden"]`. The set as VLPart exports it to
    COCO's layout is read by `coco`.

    Source: http://www.stat.ucla.edu/~xianjie.chen/pascal_part_dataset/pascal_part.html (arXiv 1406.2031).
    Licence: none stated for annotations; images under the Flickr terms of each.
    Tree: `ROOT/Annotations_Part/2008_000003.mat`, `ROOT/VOC2010/` (or `ROOT/VOCdevkit/VOC2010/`) with
    `ImageSets/Main/SPLIT.txt` and `JPEGImages/*.jpg`.
    Convert: `mglmm data convert pascal-part --root pascal_part --split val --out pascal-part-val.jsonl`
    """
    voc = first_folder([root / "VOC2010", root / "VOCdevkit" / "VOC2010"])
    folder = root / (annotations or "Annotations_Part")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; it should hold the annotations (.mat)")
    pictures = Pictures(root, root / images if images else voc / "JPEGImages", check_images)
    if split == "all":
        names = sorted(path.stem for path in folder.glob("*.mat"))
    else:
        names = read_lines(existing(voc / "ImageSets" / "Main" / f"{split}.txt", "the names of the split"))

    def _build(name: str) -> Sample:
        path = existing(inside(folder, f"{name}.mat"), "the annotation of an image of the split")
        segments, hidden = _segments(path)
        size = segments[0].rle.size if segments else pictures.measure(f"{name}.jpg")[1]
        return Sample(
            id=f"pascal-part/{name}",
            image=pictures.place(f"{name}.jpg", size),
            size=size,
            segments=tuple(segments),
            source="pascal-part",
            split=split,
            meta={"hidden": hidden} if hidden else {},
        )

    return Reading(names, _build, lambda name: str(folder / name), on_bad)


def _segments(path: Path) -> tuple[list[Segment], list[dict[str, Any]]]:
    """Objects and parts of a file, and those without a pixel."""
    found: list[Segment] = []
    hidden: list[dict[str, Any]] = []
    number = 0
    try:
        for thing in read_matlab(path)["anno"][0]["objects"]:
            number += 1
            whole = number
            entries: list[tuple[Any, Any, int | None]] = [(thing["class"], thing["mask"], None)]
            # without parts it is an empty array of numbers
            parts = thing["parts"] if isinstance(thing["parts"], list) else ()
            entries += [(part["part_name"], part["mask"], whole) for part in parts]
            for number, (label, mask, parent) in enumerate(entries, start=whole):
                if mask.any():
                    rle = Rle.from_mask(mask != 0)
                    # the parts of a thing of which no pixel is marked stand for themselves
                    above = parent if thing["mask"].any() else None
                    found.append(Segment(id=number, rle=rle, label=label, parent=above))
                else:
                    hidden.append({"id": number, "label": label, "parent": parent})
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: is no annotation of Pascal-Part ({' '.join(str(error).split())})") from None
    return found, hidden
