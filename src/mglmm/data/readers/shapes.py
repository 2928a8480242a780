"""Masks as data sets write them (polygons, three flavors of RLE, maps of ids) -> `Rle`."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pycocotools import mask as coco
from pydantic import Field, Tag

from mglmm import masks
from mglmm.data.readers.policy import SourceRecord
from mglmm.schema import Rle

OUTSIDE_PX = 1.0
"""How far a polygon may leave the image. Source: RefCOCO's polygons touch x = width; more than a pixel is a mistake."""

Polygon = Sequence[float]


class FileRle(SourceRecord):
    """RLE as files hold it: `size` [height, width]; `counts` compressed text, or the runs as numbers (COCO crowds)."""

    size: tuple[int, int]
    counts: str | list[int]


FoundRle = Annotated[
    Annotated[Rle, Tag("[Rle]")] | Annotated[FileRle, Tag("[FileRle]")], Field(union_mode="left_to_right")
]
"""The same where a file holds many: what is an `Rle` as it stands need not be made one later. Errors leave the tags out
of the name of the field (`policy.first_mistake`)."""

Segmentation = FileRle | list[list[float]]
"""The field `segmentation` of a COCO annotation."""


def to_rle(segmentation: Segmentation, size: tuple[int, int]) -> Rle:
    """The mask of a COCO `segmentation` for an image of `size` (height, width).

    Raises:
        ValueError: an RLE of another size or whose runs do not fill it, no polygon, one with fewer than three points,
            or one that leaves the image.
    """
    return from_polygons(segmentation, size) if isinstance(segmentation, list) else from_rle(segmentation, size)


def from_rle(rle: FileRle, size: tuple[int, int]) -> Rle:
    """The mask of an RLE, compressed or not. Raises ValueError as `to_rle`."""
    if isinstance(rle.counts, str):
        compressed = masks.CocoRle(size=list(rle.size), counts=rle.counts)
        masks.validate(compressed, size)
        return Rle(size=size, counts=rle.counts)
    if rle.size != size:
        raise ValueError(f"RLE size {rle.size} is not the image's {size}")
    return from_runs(rle.counts, size)


def from_rles(rles: Sequence[Rle | FileRle], size: tuple[int, int]) -> list[Rle]:
    """The masks of RLEs, compressed or not, as `from_rle`; all that are `Rle`s are checked at once, which is faster."""
    whole = [rle for rle in rles if isinstance(rle, Rle)]
    masks.validate_many([rle.counts for rle in whole], [rle.size for rle in whole], size)
    return [rle if isinstance(rle, Rle) else from_rle(rle, size) for rle in rles]


def from_runs(runs: Sequence[int], size: tuple[int, int]) -> Rle:
    """The mask of the lengths of its column-major runs, the first of background.

    Raises:
        ValueError: a negative run, or runs that do not fill the mask.
    """
    pixels = size[0] * size[1]
    if min(runs, default=0) < 0 or sum(runs) != pixels:
        raise ValueError(f"RLE counts fill {sum(runs)} pixels of {pixels}, or hold a negative run")
    encoded = coco.frPyObjects({"size": list(size), "counts": list(runs)}, *size)
    return Rle(size=size, counts=encoded["counts"].decode("ascii"))


def from_polygons(polygons: Sequence[Polygon], size: tuple[int, int]) -> Rle:
    """The mask of the union of polygons, each flat [x0, y0, x1, y1, ...] in pixels. Raises ValueError as `to_rle`."""
    height, width = size
    for polygon in polygons:
        x, y = polygon[0::2], polygon[1::2]
        low, right, bottom = min((*x, *y), default=0), max(x, default=0), max(y, default=0)
        if not (low >= -OUTSIDE_PX and right <= width + OUTSIDE_PX and bottom <= height + OUTSIDE_PX):
            far = f"{low:g}" if low < 0 else f"{right:g}, {bottom:g}"
            raise ValueError(f"a polygon reaches {far} outside of the image of {width} x {height} pixels")
    return Rle.model_validate(masks.from_polygons(polygons, size))


def from_ids(ids: np.ndarray) -> dict[int, Rle]:
    """The mask of every value in `ids` (int[H, W]), by value, zero included; in one pass over the pixels.

    Raises:
        ValueError: not two-dimensional, or without pixels.
    """
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"a map of ids is int[H, W] with at least one pixel, not of shape {ids.shape}")
    size = (ids.shape[0], ids.shape[1])
    flat = ids.ravel(order="F")
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    ends = np.append(starts[1:], flat.size)
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    rles = {}
    for runs in np.split(order, cuts):
        # background up to the run, the run, background up to the next, ..., background up to the end
        edges = np.stack((starts[runs], ends[runs]), axis=1).ravel()
        lengths = np.diff(edges, prepend=0, append=flat.size).tolist()
        counts = lengths if lengths[-1] else lengths[:-1]
        encoded = coco.frPyObjects({"size": list(size), "counts": counts}, *size)
        rles[int(values[runs[0]])] = Rle(size=size, counts=encoded["counts"].decode("ascii"))
    return rles
