"""From a label map to the measured regions of the entities, without ever making one dense mask an entity."""

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from mglmm.masks import CocoRle


@dataclass(frozen=True, slots=True)
class Region:
    """One measured region: `area` in pixels, `box` xyxy (exclusive), `center` (x, y) centroid of pixel centres."""

    area: int
    box: tuple[float, float, float, float]
    center: tuple[float, float]
    rle: CocoRle


class LabelRuns:
    """The vertical runs of equal label of a label map, from which any union of labels is measured quickly."""

    def __init__(self, labels: np.ndarray, num_labels: int) -> None:
        """`labels` int[H, W], values 0 .. num_labels - 1."""
        self.size = height, width = labels.shape
        flat = labels.T.ravel()
        starts = np.empty(flat.size, bool)
        np.not_equal(flat[1:], flat[:-1], out=starts[1:])
        # A run also ends with its column, so that the rows of a run follow from its start and length.
        starts[::height] = True
        self.start = np.flatnonzero(starts)
        self.length = np.diff(self.start, append=height * width)
        self.label = flat[self.start]
        self.num_labels = num_labels
        self.column, self.row = np.divmod(self.start, height)

    def areas(self) -> np.ndarray:
        """Pixels of each label: int64[num_labels]."""
        return np.bincount(self.label, weights=self.length, minlength=self.num_labels).astype(np.int64)

    def of(self, first: int, count: int) -> "LabelRuns":
        """The runs of the labels first .. first + count - 1 alone, renumbered from 0."""
        part = object.__new__(LabelRuns)
        pick = np.flatnonzero((self.label >= first) & (self.label < first + count))
        part.size, part.num_labels, part.label = self.size, count, self.label[pick] - first
        part.start, part.length, part.column, part.row = (
            runs[pick] for runs in (self.start, self.length, self.column, self.row)
        )
        return part

    def region(self, members: np.ndarray) -> Region:
        """The union of the labels that are true in `members` (bool[num_labels]); it must hold a pixel."""
        pick = np.flatnonzero(members[self.label])
        start, length = self.start[pick], self.length[pick]
        column, row = self.column[pick], self.row[pick]
        area = int(length.sum())
        center = (
            float((column * length).sum() / area) + 0.5,
            float((row * length + length * (length - 1) / 2).sum() / area) + 0.5,
        )
        box = (float(column[0]), float(row.min()), float(column[-1] + 1), float((row + length).max()))
        return Region(area, box, center, self._rle(start, start + length))

    def _rle(self, start: np.ndarray, end: np.ndarray) -> CocoRle:
        """The RLE of the runs [start, end) of the column-major picture, in order."""
        joins = np.flatnonzero(start[1:] != end[:-1])
        edges = np.empty(2 * len(joins) + 4, np.int64)
        edges[0], edges[1], edges[-2], edges[-1] = 0, start[0], end[-1], self.size[0] * self.size[1]
        edges[2:-2:2], edges[3:-2:2] = end[joins], start[joins + 1]
        counts = edges[1:] - edges[:-1]
        if counts[-1] == 0:
            counts = counts[:-1]
        rle = coco.frPyObjects({"size": list(self.size), "counts": counts.tolist()}, *self.size)
        return {"size": list(self.size), "counts": rle["counts"].decode("ascii")}
