"""Small sets of real photographs with masks: one reader for the format that they share.

A set is a folder: `images/NAME.jpg`, `masks/NAME.png` (8-bit class ids), `classes.json` (what the ids mean, and
which are parts of a whole), `train.txt` / `val.txt` (one NAME a line) and, where there are instances, `instances.json`
(polygons). What differs between the sets stands in `photo_labels`, not in the code.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mglmm import images, masks
from mglmm.colors import color_name
from mglmm.data import tasks
from mglmm.data.photo_labels import COMPLETE, FOREIGN, LABELS
from mglmm.data.readers.files import parse_json
from mglmm.data.view import Item, View, places
from mglmm.data.vocabulary import rivals
from mglmm.schema import Rle, Sample, Segment, Task, Turn, UserError

ROOT_VARIABLE = "MGLMM_PHOTOS"
"""Environment variable that names the folder of the sets where no root is given."""

MIN_AREA_PX = 40
"""Smaller segments are left out: at 192 px input they cover about ten pixels. Ours."""

MAX_INSTANCES = 4
"""More instances of a label also get a group segment, the union of all. Ours: the most that are told one by one."""

UNCOLORED = frozenset({"person", "skin", "window", "shop", "street", "plants", "glasses", "building facade"})
"""Labels of which no color is told: see-through, lit by lamps, or of no one color."""


@dataclass(frozen=True)
class PhotoClass:
    """One class id of a set. `label`: None if it gets no segment. `parts`: the ids that are parts of it."""

    id: int
    name: str
    label: str | None
    role: str
    whole: str | None
    parts: tuple[int, ...]


class PhotoFolder:
    """One split of one set on disk; each file is read when it is first needed.

    Raises:
        UserError: a file of the set is missing.
    """

    def __init__(self, root: str | Path, name: str, split: str) -> None:
        self.root = Path(root)
        self.name = name
        self.split = split

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The photos of the split, without those of which the set marks nothing."""
        listed = self._text(f"{self.split}.txt").split()
        return tuple(name for name in listed if self.instances is None or self.instances[name])

    @cached_property
    def classes(self) -> dict[int, PhotoClass]:
        """The classes by id, without the background."""
        listed = [c for c in self._json("classes.json")["classes"] if c["id"]]
        labels = LABELS.get(self.name, {c["name"]: c["name"] for c in listed})
        return {
            c["id"]: PhotoClass(
                id=c["id"],
                name=c["name"],
                label=None if c["role"] == "ignore" else labels.get(c["name"]),
                role=c["role"],
                whole=c.get("whole"),
                parts=tuple(part["id"] for part in listed if part.get("whole") == c["name"]),
            )
            for c in listed
        }

    @cached_property
    def instances(self) -> dict[str, list[dict[str, Any]]] | None:
        """Instances by photo, each with `class_id` and `polygons`; None if the set marks no instances."""
        if not (self.root / self.name / "instances.json").is_file():
            return None
        return {name: photo["instances"] for name, photo in self._json("instances.json").items()}

    def image(self, name: str) -> Image.Image:
        """The photo in mode RGB."""
        return images.load_image(self.root / self.image_path(name))

    def image_path(self, name: str) -> str:
        """Path of a photo, relative to the root of the sets."""
        return f"{self.name}/images/{name}.jpg"

    def ids(self, name: str) -> np.ndarray:
        """uint8[H, W]: the class id of every pixel."""
        path = self.root / self.name / "masks" / f"{name}.png"
        try:
            with Image.open(path) as file:
                return np.array(file)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or 'is no picture'}") from error

    def sample(self, name: str) -> Sample:
        """The record of one photo, without captions and turns.

        `meta["groups"]`: ids of the segments that are the union of all instances of their label.
        `meta["names"]`: by segment id (as text) a finer name than the label.
        """
        ids = self.ids(name)
        regions = (
            self._class_regions(ids) if self.instances is None else self._instance_regions(self.instances[name], ids)
        )
        segments, names = as_segments(regions)
        groups = group_segments(segments)
        return Sample(
            id=f"{self.name}/{name}",
            image=self.image_path(name),
            size=(ids.shape[0], ids.shape[1]),
            segments=(*segments, *groups),
            source=self.name,
            split=self.split,
            exhaustive=self._exhaustive({s.label for s in segments}, ids),
            meta={"groups": [s.id for s in groups], "names": names},
        )

    def _class_regions(self, ids: np.ndarray) -> list["Region"]:
        """One region per label, and the whole that all parts make up (which has no class of its own)."""
        counts = np.bincount(ids.ravel(), minlength=256)
        wholes = dict.fromkeys(c.whole for c in self.classes.values() if c.whole is not None)
        regions = [
            Region(whole, is_any(ids, self._ids_of("whole", whole)), "thing", has_parts=True) for whole in wholes
        ]
        for label in dict.fromkeys(c.label for c in self.classes.values() if c.label is not None):
            members = [self.classes[i] for i in self._ids_of("label", label)]
            present = [c.name for c in members if counts[c.id]]
            if not present:
                continue
            finer = present[0] if len(present) == 1 and present[0] != label else None
            mask = is_any(ids, [c.id for c in members])
            regions.append(Region(label, mask, members[0].role, finer))
        return regions

    def _instance_regions(self, instances: Sequence[dict[str, Any]], ids: np.ndarray) -> list["Region"]:
        """One region per instance of what can be counted, one per label of stuff; only what can be seen of each."""
        regions: list[Region] = []
        stuff: dict[str, np.ndarray] = {}
        kinds = {i["class_id"] for i in instances}
        visible = {k: is_any(ids, (k, *self.classes[k].parts)) for k in kinds}
        for instance in instances:
            kind = self.classes[instance["class_id"]]
            polygons = [p for p in instance["polygons"] if len(p) >= 6]
            if kind.label is None or not polygons:
                continue
            outline = masks.decode(masks.from_polygons(polygons, (ids.shape[0], ids.shape[1])))
            mask = outline & visible[kind.id]
            if kind.role == "stuff":
                stuff[kind.label] = stuff.get(kind.label, np.zeros_like(mask)) | mask
            else:
                regions.append(Region(kind.label, mask, kind.role, has_parts=bool(kind.parts)))
        return regions + [Region(label, mask, "stuff") for label, mask in stuff.items()]

    def _ids_of(self, field: str, value: str) -> list[int]:
        return [c.id for c in self.classes.values() if (c.whole if field == "whole" else c.label) == value]

    def _exhaustive(self, present: set[str], ids: np.ndarray) -> tuple[str, ...]:
        """The labels whose absence is certain: those the set marks, but none that a label here is easily taken for."""
        shown = [self.classes[int(i)] for i in np.unique(ids) if int(i) in self.classes]
        known = dict.fromkeys(c.label for c in self.classes.values() if c.label is not None)
        complete = COMPLETE.get(self.name, tuple(known))
        if any(c.role == "ignore" for c in shown):
            complete = ()  # an ignored region may hold any of them
        doubtful = set().union(*(rivals(label) for label in present)) - present
        too_small = {c.label for c in shown} - present
        listed = dict.fromkeys((*complete, *FOREIGN.get(self.name, ())))
        return tuple(label for label in listed if label not in doubtful | too_small)

    def _json(self, file: str) -> Any:
        return parse_json(self._text(file), str(self.root / self.name / file))

    def _text(self, file: str) -> str:
        path = self.root / self.name / file
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; the sets of photos are described in docs/data.md") from error


def is_any(ids: np.ndarray, wanted: Sequence[int]) -> np.ndarray:
    """bool[H, W]: where `ids` (uint8[H, W]) is one of `wanted`."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(wanted)] = True
    return table[ids]


@dataclass(frozen=True)
class Region:
    """A mask (bool[H, W]) with its label, its role ("thing", "part", "stuff") and perhaps a finer name."""

    label: str
    mask: np.ndarray
    role: str
    finer: str | None = None
    has_parts: bool = False


def as_segments(regions: Sequence[Region]) -> tuple[list[Segment], dict[str, str]]:
    """Segments of the regions that are large enough, and the finer names by segment id (as text).

    Things come first. A part belongs to the thing that holds the largest share of it or else is nearest to it, if that
    thing can have parts, and becomes a piece of that thing's mask.
    """
    order = {"thing": 0, "part": 1, "stuff": 2}
    kept = sorted((r for r in regions if r.mask.sum() >= MIN_AREA_PX), key=lambda r: order[r.role])
    wholes = [i for i, r in enumerate(kept) if r.has_parts]
    parents = {i: _owner(r.mask, kept, wholes) for i, r in enumerate(kept) if r.role == "part" and wholes}
    full = [region.mask.copy() for region in kept]
    for part, whole in parents.items():
        full[whole] |= kept[part].mask
    segments = [
        Segment(id=i, rle=Rle.from_mask(mask), label=region.label, parent=parents.get(i))
        for i, (region, mask) in enumerate(zip(kept, full, strict=True))
    ]
    return segments, {str(i): r.finer for i, r in enumerate(kept) if r.finer is not None}


def _owner(mask: np.ndarray, regions: Sequence[Region], wholes: Sequence[int]) -> int:
    """Which of the regions numbered `wholes` a part of this mask (bool[H, W]) belongs to."""
    inside = [int((mask & regions[i].mask).sum()) for i in wholes]
    if len(wholes) == 1 or max(inside) > 0:
        return wholes[int(np.argmax(inside))]
    y, x = np.argwhere(mask).mean(axis=0)
    distances = [np.hypot(*(np.argwhere(regions[i].mask)[::16] - (y, x)).T).min() for i in wholes]
    return wholes[int(np.argmin(distances))]


def group_segments(segments: Sequence[Segment]) -> list[Segment]:
    """The union of all segments of a label: of one parent, and of all parents; each where it has more than
    `MAX_INSTANCES` members."""
    members: dict[tuple[str, int | None], list[Segment]] = {}
    for segment in segments:
        members.setdefault((segment.label, segment.parent), []).append(segment)
    for label in dict.fromkeys(s.label for s in segments):
        together = [s for s in segments if s.label == label]
        if len({s.parent for s in together}) > 1:
            members[label, None] = together
    return [
        Segment(
            id=len(segments) + number,
            rle=Rle.model_validate(masks.union([s.rle.to_coco() for s in group])),
            label=label,
            parent=parent,
        )
        for number, ((label, parent), group) in enumerate((k, g) for k, g in members.items() if len(g) > MAX_INSTANCES)
    ]


def measured_colors(image: Image.Image, sample: Sample) -> dict[int, str]:
    """By segment id the color name of each segment that clearly has one."""
    pixels = np.asarray(image)
    found = {}
    for segment in sample.segments:
        if segment.label in UNCOLORED:
            continue
        left, top, right, bottom = (int(v) for v in segment.box)
        name = color_name(pixels[top:bottom, left:right][segment.mask[top:bottom, left:right]])
        if name is not None:
            found[segment.id] = name
    return found


def turns(
    image: Image.Image, sample: Sample, rng: np.random.Generator, names: Collection[Task] | None = None
) -> tuple[Turn, ...]:
    """Turns about a photo as it is now (after cropping and mirroring), with colors measured in it; `names`: of which
    tasks, as in `tasks.turns`."""
    return tuple(tasks.turns(sample, rng, names, colors=measured_colors(image, sample)))


def with_captions(image: Image.Image, sample: Sample) -> Sample:
    """The sample with a measured phrase as the caption of each segment: "black cat on the left"."""
    view = View(sample, measured_colors(image, sample))
    captions = {item.id: measured_phrase(view, item) for item in view.items.values()}
    segments = tuple(s.model_copy(update={"caption": captions.get(s.id)}) for s in sample.segments)
    return sample.model_copy(update={"segments": segments})


def measured_phrase(view: View, item: Item) -> str:
    """[size] [color] noun [place]: size and place only where they tell the item from others of its label."""
    families = view.descriptions(item)
    others = [i for i in view.by_label[item.label] if i is not item]
    size = families.get("size", [""])[0].split(" ")[0]
    size = {"largest": "large ", "smallest": "small "}.get(size, "")
    place = next((f" {p}" for p in places(item, others)), "") if others else ""
    return f"{size}{item.words}{place}"


def photos_root(root: str | Path | None = None) -> Path:
    """The folder of the sets: `root`, or else the environment variable `MGLMM_PHOTOS`.

    Raises:
        UserError: neither is given, or it is no folder.
    """
    chosen = root or os.environ.get(ROOT_VARIABLE)
    if not chosen:
        raise UserError(f"no folder of photos: give its root or set {ROOT_VARIABLE}")
    if not Path(chosen).is_dir():
        raise UserError(f"{chosen}: no such folder of photos")
    return Path(chosen)


def read(root: str | Path | None, name: str, split: str) -> Iterator[Sample]:
    """The records of one set ("ccp", "facade", "cats", "coco_mini") with captions, without turns.

    `Sample.image` is relative to the root.

    Raises:
        UserError: a file of the set is missing or broken.
    """
    folder = PhotoFolder(photos_root(root), name, split)
    for photo in folder.names:
        yield with_captions(folder.image(photo), folder.sample(photo))


class PhotoSet:
    """The photos of several sets with their records, one after the other, read when asked for.

    Records are kept once made (about 10 kB each), pictures are not.

    Raises:
        UserError: a set is missing.
    """

    def __init__(self, root: str | Path | None, sets: Sequence[str], split: str) -> None:
        folder = photos_root(root)
        self._places = [(f, name) for f in (PhotoFolder(folder, s, split) for s in sets) for name in f.names]
        self._samples: dict[int, Sample] = {}

    def __len__(self) -> int:
        """The number of photos."""
        return len(self._places)

    def __getitem__(self, index: int) -> tuple[Image.Image, Sample]:
        """Photo `index` in mode RGB and its record, without captions and turns."""
        folder, name = self._places[index]
        if index not in self._samples:
            self._samples[index] = folder.sample(name)
        return folder.image(name), self._samples[index]
