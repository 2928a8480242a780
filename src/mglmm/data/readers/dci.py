"""DCI, Densely Captioned Images: a long description of an image and of each part of its tree of masks."""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import Pictures, existing, inside, read_ids, read_json
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Rle, Sample, Segment, Turn, UserError

IMAGE = -1
"""The parent of masks that are part of nothing but the image. Source: the README of facebookresearch/DCI."""

UNUSABLE = 2
"""The quality of masks that say nothing: they have no label. Source: as above."""


class Mask(SourceRecord):
    """A mask. `outer_mask`: a PNG in base64; `mask_quality`: 0 good, 1 with a label alone, 2 unusable."""

    idx: int
    outer_mask: str
    mask_quality: int
    parent: int
    label: str = ""
    caption: str = ""


class File(SourceRecord):
    """A JSON file. `image`: where the photo lies below `photos/`."""

    image: str
    short_caption: str
    extra_caption: str = ""
    mask_data: dict[str, Mask]


def dci(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "annotations",
    images: str = "photos",
) -> Reading:
    """DCI: 7,805 images of SA-1B, described at length: the image, and every mask of its tree.

    Unusable masks (quality 2) are left out, their parts become parts of what those are a part of; `caption` is what is
    said of a mask (quality 0). Turns: the short caption, the whole description of the image, and for each mask with a
    caption one that points at it. Splits: train, valid, test.

    Source: https://github.com/facebookresearch/DCI (arXiv 2312.08578), fields as its README states them.
    Licence: CC BY-NC 4.0; images of SA-1B under its research licence.
    Tree: `ROOT/splits.json` (names of files by split), `ROOT/annotations/*.json`, `ROOT/photos/*.jpg`; where there is
    no `splits.json`, `--split all` reads every file.
    Convert: `mglmm data convert dci --root densely_captioned_images --split valid --out dci-valid.jsonl`
    """
    folder = root / annotations
    pictures = Pictures(root, root / images, check_images)

    def _build(name: str) -> Sample:
        path = existing(inside(folder, name), "the annotation of an image of the split")
        file = File.of(read_json(path), str(path))
        picture, size = pictures.measure(file.image)
        sample_id = f"dci/{path.stem}"
        found = _segments(file, size, str(path))
        return Sample(
            id=sample_id,
            image=picture,
            size=size,
            segments=tuple(found),
            turns=tuple(_turns(file, found, sample_id)),
            source="dci",
            split=split,
        )

    return Reading(_names(root, folder, split), _build, lambda name: str(folder / name), on_bad)


def _names(root: Path, folder: Path, split: str) -> list[str]:
    """The names of the files of a split."""
    path = root / "splits.json"
    if not path.is_file():
        if split != "all":
            raise UserError(f"{path}: no such file; it should name the files of {split!r}; --split all reads every one")
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; it should hold the annotations")
        return sorted(file.name for file in folder.glob("*.json"))
    listed = read_json(path)
    if not isinstance(listed, dict) or not isinstance(listed.get(split), list):
        raise UserError(f"{path}: has no list of files for the split {split!r}")
    return [str(name) for name in listed[split]]


def _segments(file: File, size: tuple[int, int], place: str) -> list[Segment]:
    """The masks that can be used, with the next such mask above them as parent."""
    by_id = {mask.idx: mask for mask in file.mask_data.values()}
    if len(by_id) != len(file.mask_data):
        raise UserError(f"{place}: two masks have the same idx")
    found = []
    for mask in by_id.values():
        where = f"{place}, mask {mask.idx}"
        if mask.mask_quality == UNUSABLE:
            continue
        parent, seen = mask.parent, {mask.idx}
        while parent != IMAGE:
            if parent not in by_id or parent in seen:
                raise UserError(f"{where}: parent {parent} {'does not exist' if parent not in by_id else 'is a cycle'}")
            if by_id[parent].mask_quality != UNUSABLE:
                break
            seen.add(parent)
            parent = by_id[parent].parent
        pixels = _decode(mask.outer_mask, where)
        if pixels.shape != size or not pixels.any():
            shape = f"{pixels.shape[0]} x {pixels.shape[1]}, its image {size[0]} x {size[1]}"
            raise UserError(f"{where}: {'is empty' if pixels.shape == size else 'is ' + shape}")
        found.append(
            Segment(
                id=mask.idx,
                rle=Rle.from_mask(pixels),
                label=mask.label.strip() or "region",
                caption=mask.caption.strip() or None,
                parent=None if parent == IMAGE else parent,
            )
        )
    return found


def _decode(text: str, place: str) -> np.ndarray:
    """bool[H, W] of a PNG in base64."""
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UserError(f"{place}, field outer_mask: not base64 ({error})") from None
    return np.asarray(read_ids(Path(f"{place}, field outer_mask"), content) != 0)


def _turns(file: File, found: list[Segment], name: str) -> Iterator[Turn]:
    rng = wording(name)
    short, more = file.short_caption.strip(), file.extra_caption.strip()
    if short:
        yield Turn(task="caption", instruction=instruction("caption_short", rng), answer=GroundedText(text=short))
        whole = f"{short} {more}".strip()
        yield Turn(task="caption", instruction=instruction("caption_long", rng), answer=GroundedText(text=whole))
    for segment in (s for s in found if s.caption):
        yield Turn(
            task="caption",
            instruction=instruction("region_long", rng),
            answer=GroundedText(text=segment.caption or ""),
            granularity="object" if segment.parent is None else "part",
            region_ids=(segment.id,),
        )
