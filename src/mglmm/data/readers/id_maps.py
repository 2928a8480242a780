"""Data sets that mark every pixel with a class: SceneParse150, COCO-Stuff, Mapillary Vistas, Pascal VOC."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mglmm.data.readers.files import Pictures, existing, first_folder, inside, read_ids, read_json, read_lines
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import from_ids
from mglmm.schema import Sample, Segment, UserError

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""Classes 1..20. Source: the VOC 2012 development kit."""

VOC_BORDER = 255
"""The outlines of objects, which belong to nothing. Source: the VOC 2012 development kit."""

STUFF_LABELS = 182
"""Classes of things and stuff of COCO-Stuff, from 1; 183 stands for all things together. Source: its labels.txt."""

PER_LABEL = 256
"""A pixel of Mapillary's instance maps is label * 256 + number of the instance. Source: its README."""


@dataclass(frozen=True)
class Names:
    """What values of a map mean: `labels` by value; pixels of `ignored` values do not count, of `empty` are nothing."""

    labels: Mapping[int, str]
    ignored: Collection[int] = ()
    empty: Collection[int] = ()


def map_segments(ids: np.ndarray, names: Names, place: str) -> tuple[list[Segment], dict[str, Any]]:
    """A segment for every value in `ids` (int[H, W]), whose id is the value; and the meta with the pixels to ignore.

    Raises:
        UserError: a value that has no name and is not to be ignored.
    """
    ignored = np.isin(ids, list(names.ignored))
    found = []
    for value, rle in from_ids(ids).items():
        if value in names.ignored or value in names.empty:
            continue
        if value not in names.labels:
            raise UserError(f"{place}: the class {value} has no name")
        found.append(Segment(id=value, rle=rle, label=names.labels[value]))
    return found, {"ignore": from_ids(ignored.astype(np.int32))[1].to_coco()} if ignored.any() else {}


def _semantic(
    source: str,
    split: str,
    maps: Path,
    pictures: Pictures,
    names: Names,
    on_bad: OnBad,
    ids: Callable[[Path], np.ndarray] = read_ids,
) -> Reading:
    """One sample for each PNG in a folder, with a picture of the same name that ends in ".jpg"."""
    if not maps.is_dir():
        raise UserError(f"{maps}: no such folder; it should hold the maps of classes (PNG)")
    listed = tuple(dict.fromkeys(names.labels.values()))

    def _build(path: Path) -> Sample:
        values = ids(path)
        size = (values.shape[0], values.shape[1])
        segments, meta = map_segments(values, names, str(path))
        return Sample(
            id=f"{source}/{path.stem}",
            image=pictures.place(f"{path.stem}.jpg", size),
            size=size,
            segments=tuple(segments),
            source=source,
            split=split,
            exhaustive=listed,
            meta=meta,
        )

    return Reading(sorted(maps.glob("*.png")), _build, str, on_bad)


def ade20k_150(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
    classes: str = "objectInfo150.txt",
    names: str = "all",
) -> Reading:
    """SceneParse150, the 150 classes of ADE20K on which models are scored: one segment a class, its id the class's.

    Pixels of other classes (0) are `meta["ignore"]`. Labels are the file's, with all synonyms ("building, edifice");
    `names=first` keeps the first ("building"). Splits: training, validation.

    Source: http://sceneparsing.csail.mit.edu (ADEChallengeData2016.zip; arXiv 1608.05442).
    Licence: annotations BSD-3-Clause; images for non-commercial research and education only.
    Tree: `ROOT/annotations/SPLIT/*.png`, `ROOT/images/SPLIT/*.jpg`, `ROOT/objectInfo150.txt`.
    Convert: `mglmm data convert ade20k-150 --root ADEChallengeData2016 --split validation --out ade-val.jsonl`
    """
    if names not in ("all", "first"):
        raise UserError(f"option names={names!r}: give names=all or names=first")
    path = existing(root / classes, "the names of the classes")
    labels = {}
    for line in read_lines(path)[1:]:
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) < 2 or not columns[0].isdigit():
            raise UserError(f"{path}: the line {line!r} has no number and name, a tab between them")
        labels[int(columns[0])] = columns[-1] if names == "all" else columns[-1].split(",")[0].strip()
    pictures = Pictures(root, root / (images or f"images/{split}"), check_images)
    maps = root / (annotations or f"annotations/{split}")
    return _semantic("ade20k-150", split, maps, pictures, Names(labels, (0,)), on_bad)


def coco_stuff_maps(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
    classes: str = "labels.txt",
    values: str = "stuffthingmaps",
) -> Reading:
    """COCO-Stuff as PNG: every pixel a thing (1..91) or stuff (92..182), one segment a class, its id the class's.

    `values=stuffthingmaps`: the download of that name, where a pixel is the class less one and 255 is unlabelled.
    `values=ids`: the challenge's maps and results, where a pixel is the class, 183 ("other") all things together and 0
    unlabelled. Unlabelled pixels are `meta["ignore"]`.

    Source: https://github.com/nightrome/cocostuff (stuffthingmaps_trainval2017.zip; arXiv 1612.03716).
    Licence: annotations CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/{train2017,val2017}/*.png`, `ROOT/labels.txt`; images in `ROOT/images/SPLIT` (or the option `images`).
    Convert: `mglmm data convert coco-stuff-maps --root stuffthingmaps --split val2017 --option images=../coco/val2017
    --out stuff-maps-val2017.jsonl`
    """
    if values not in ("stuffthingmaps", "ids"):
        raise UserError(f"option values={values!r}: give values=stuffthingmaps or values=ids")
    path = existing(root / classes, "the names of the classes")
    labels: dict[int, str] = {}
    for line in read_lines(path):
        number, colon, label = line.partition(":")
        if not colon or not number.isdigit():
            raise UserError(f"{path}: the line {line!r} is not NUMBER: NAME")
        labels[int(number)] = label.strip()
    names = Names({**{n: label for n, label in labels.items() if n}, STUFF_LABELS + 1: "other"}, (0,))

    def _ids(png: Path) -> np.ndarray:
        found = read_ids(png)
        return found if values == "ids" else np.where(found == 255, 0, found + 1)

    pictures = Pictures(root, root / (images or f"images/{split}"), check_images)
    return _semantic("coco-stuff-maps", split, root / (annotations or split), pictures, names, on_bad, _ids)


class VistasLabel(SourceRecord):
    """A class of Mapillary Vistas; `instances`: whether its instances are told apart."""

    name: str
    readable: str
    instances: bool


class VistasConfig(SourceRecord):
    """A config file of Mapillary Vistas: the class of a pixel is the place in this list."""

    labels: list[VistasLabel]


def mapillary(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    version: str = "v2.0",
    config: str = "",
    annotations: str = "",
    images: str = "",
    instances: bool = True,
    names: str = "readable",
) -> Reading:
    """Mapillary Vistas v2.0 (124 classes) and v1.2 (66 classes): streets, every pixel labelled.

    Each instance of a class whose instances are told apart is a segment, any other class is one; ids are those of the
    instance map (class * 256 + instance). `instances=false`: the maps of classes instead, one segment a class, its id
    the class. Labels are the config's `readable` names ("Ground Animal") or, by `names=name`, the others
    ("animal--ground-animal"). Unlabelled pixels ("void--unlabeled") are `meta["ignore"]`. Splits: training, validation.

    Source: https://www.mapillary.com/dataset/vistas (ICCV 2017).
    Licence: CC BY-NC-SA 4.0 for research; images and annotations alike.
    Tree: `ROOT/config_v2.0.json`, `ROOT/SPLIT/images/*.jpg`, `ROOT/SPLIT/v2.0/{instances,labels}/*.png`; of the older
    v1.1 `ROOT/config.json`, `ROOT/SPLIT/{instances,labels}/*.png` (`version=v1.1`).
    Convert: `mglmm data convert mapillary --root vistas --split validation --out vistas-val.jsonl`
    """
    if version not in ("v1.1", "v1.2", "v2.0") or names not in ("readable", "name"):
        raise UserError(f"options version={version!r}, names={names!r}: give v1.1, v1.2 or v2.0; readable or name")
    old = version == "v1.1"
    path = existing(root / (config or ("config.json" if old else f"config_{version}.json")), "the names of the classes")
    labels = VistasConfig.of(read_json(path), str(path)).labels
    kind = "instances" if instances else "labels"
    maps = root / (annotations or (f"{split}/{kind}" if old else f"{split}/{version}/{kind}"))
    pictures = Pictures(root, root / (images or f"{split}/images"), check_images)
    texts = [label.readable if names == "readable" else label.name for label in labels]
    step = PER_LABEL if instances else 1
    known = {
        number * step + instance: text
        for number, text in enumerate(texts)
        for instance in range(step if labels[number].instances else 1)
    }
    ignored = [value for value in known if labels[value // step].name == "void--unlabeled"]
    told = {value: text for value, text in known.items() if value not in ignored}
    return _semantic("mapillary", split, maps, pictures, Names(told, ignored), on_bad)


def pascal_voc(
    root: Path, split: str, *, on_bad: OnBad = refuse, check_images: bool = True, year: str = "VOC2012"
) -> Reading:
    """Pascal VOC, segmentation: 20 classes of things, each object a segment with its number as id.

    The outlines of objects, which nobody decided about, are `meta["ignore"]`. Splits: train, val, trainval.

    Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012 (IJCV 2010).
    Licence: none stated for annotations; images under the Flickr terms of each.
    Tree: `ROOT/VOC2012/` (or `ROOT/VOCdevkit/VOC2012/`) with `ImageSets/Segmentation/SPLIT.txt`, `JPEGImages/*.jpg`,
    `SegmentationClass/*.png`, `SegmentationObject/*.png`.
    Convert: `mglmm data convert pascal-voc --root VOCdevkit --split val --out voc-val.jsonl`
    """
    folder = first_folder([root / year, root / "VOCdevkit" / year])
    listed = read_lines(existing(folder / "ImageSets" / "Segmentation" / f"{split}.txt", "the names of the split"))
    pictures = Pictures(root, folder / "JPEGImages", check_images)

    def _build(name: str) -> Sample:
        path = inside(folder / "SegmentationObject", f"{name}.png")
        objects, classes = read_ids(path), read_ids(inside(folder / "SegmentationClass", f"{name}.png"))
        if objects.shape != classes.shape:
            raise UserError(f"{path}: is not of the size of the map of classes")
        labels = {}
        for number in sorted(set(np.unique(objects).tolist()) - {0, VOC_BORDER}):
            found = np.unique(classes[objects == number]).tolist()
            if len(found) != 1 or not 1 <= found[0] <= len(VOC_CLASSES):
                raise UserError(f"{path}: object {number} has the classes {found} instead of one of 1..20")
            labels[number] = VOC_CLASSES[found[0] - 1]
        size = (objects.shape[0], objects.shape[1])
        segments, meta = map_segments(objects, Names(labels, (VOC_BORDER,), (0,)), str(path))
        return Sample(
            id=f"pascal-voc/{name}",
            image=pictures.place(f"{name}.jpg", size),
            size=size,
            segments=tuple(segments),
            source="pascal-voc",
            split=split,
            exhaustive=VOC_CLASSES,
            meta=meta,
        )

    return Reading(listed, _build, lambda name: str(folder / name), on_bad)
