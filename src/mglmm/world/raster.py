"""Fixed-point rasterisation: from placed drawings to a label map that says which shape owns every pixel."""

from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np

from mglmm.world.drawing import Drawing
from mglmm.world.stage import Placed

SHIFT = 4
"""Polygon corners are rounded to 1 / 2**SHIFT pixel, so that every machine paints the same pixels."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Maps scene to picture: p -> matrix @ p + shift, in pixels; `size` is (height, width)."""

    matrix: np.ndarray
    shift: np.ndarray
    size: tuple[int, int]

    def fixed(self, points: np.ndarray) -> np.ndarray:
        """Scene points float[N, 2] as fixed-point pixels int32[N, 2] (`SHIFT` fraction bits)."""
        return np.rint((points @ self.matrix.T + self.shift) * (1 << SHIFT)).astype(np.int32)

    @property
    def zoom(self) -> float:
        """Pixels a scene unit."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))


@dataclass(slots=True)
class Patch:
    """One thing in pixels, alone and whole (it may reach out of the picture).

    `labels` int16[h, w] with its corner at (`x`, `y`) of the picture: 0 nothing, k + 1 the k-th shape of the drawing;
    `outlines` are the shapes' fixed-point polygons in the picture.
    """

    x: int
    y: int
    labels: np.ndarray
    outlines: list[np.ndarray]

    def window(self, size: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """The slices (of the picture, of the patch) where they overlap, None if they do not."""
        height, width = self.labels.shape
        x0, y0 = max(self.x, 0), max(self.y, 0)
        x1, y1 = min(self.x + width, size[1]), min(self.y + height, size[0])
        if x1 <= x0 or y1 <= y0:
            return None
        return (slice(y0, y1), slice(x0, x1)), (slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x))


def in_scene(placed: Placed, points: np.ndarray) -> np.ndarray:
    """Points float[N, 2] of the thing's frame as scene points."""
    c, s = np.cos(placed.angle), np.sin(placed.angle)
    turn = placed.scale * np.array([[c, -s], [s, c]])
    if placed.flip:
        turn[:, 0] *= -1
    return points @ turn.T + placed.foot


def patch(placed: Placed, camera: Camera) -> Patch | None:
    """The thing in pixels; None if it is wholly outside the picture."""
    shapes = placed.drawing.shapes
    corners = camera.fixed(in_scene(placed, np.concatenate([shape.points for shape in shapes])))
    ends = list(accumulate(len(shape.points) for shape in shapes))
    outlines = [corners[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    height, width = camera.size
    low, high = (corners.min(axis=0) >> SHIFT) - 1, (corners.max(axis=0) >> SHIFT) + 3
    # What lies more than one picture outside is left out: it only matters for the share that is seen.
    x0, y0 = max(int(low[0]), -width), max(int(low[1]), -height)
    x1, y1 = min(int(high[0]), 2 * width), min(int(high[1]), 2 * height)
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        return None
    labels = np.zeros((y1 - y0, x1 - x0), np.int16)
    origin = np.array([x0, y0], np.int32) << SHIFT
    for k, outline in enumerate(outlines):
        cv2.fillPoly(labels, [outline - origin], k + 1, cv2.LINE_8, SHIFT)
    return Patch(x0, y0, labels, outlines)


def members(drawing: Drawing) -> dict[str, np.ndarray]:
    """For every node the shapes that make it up with all its parts: bool[shapes]."""
    found = {path: np.zeros(len(drawing.shapes), bool) for path in drawing.nodes}
    for k, shape in enumerate(drawing.shapes):
        path = shape.node
        found[""][k] = True
        while path:
            found[path][k] = True
            path = path.rpartition("/")[0]
    return found


def compose(patches: list[Patch], first_labels: list[int], background: np.ndarray) -> np.ndarray:
    """The label map int16[H, W] of all patches over `background`; shape k of patch i gets `first_labels[i] + k`."""
    labels = background.copy()
    for part, first in zip(patches, first_labels, strict=True):
        where = part.window(labels.shape)
        if where is not None:
            local = part.labels[where[1]]
            np.copyto(labels[where[0]], local + (first - 1), where=local > 0, casting="unsafe")
    return labels
