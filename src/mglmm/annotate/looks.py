"""What can be measured of a mask on its picture: color, place, size, texture, shape; and how that is put in words."""

from typing import Literal

import cv2
import numpy as np
from PIL import Image

from mglmm.annotate.records import Looks
from mglmm.colors import color_name

SIDE_PX = 512
"""Longer side at which is measured. Ours."""
FINE, COARSE = 4.0, 12.0
"""Mean absolute Laplacian (grey levels) from which a surface is finely, coarsely textured. Ours, by eye."""
ROUND = 0.82
"""Share of the smallest circle around it that a round mask fills. Ours."""
LONG = 3.0
"""How many times as long as wide a long mask is. Ours."""
LARGE, SMALL = 0.15, 0.02
"""Shares of the picture from (below) which a mask is large (small). Ours."""


class Measured:
    """A picture (RGB) made ready to measure masks on it."""

    def __init__(self, image: Image.Image) -> None:
        scale = min(1.0, SIDE_PX / max(image.size))
        self.size_wh = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        self.pixels = np.asarray(image.resize(self.size_wh, Image.Resampling.BOX))
        grey = cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY)
        self.roughness = np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (3, 3), 0), cv2.CV_32F))

    def looks(self, mask: np.ndarray) -> Looks:
        """The looks of `mask` (bool[H, W] of the picture's own size, not empty)."""
        height, width = mask.shape
        small = cv2.resize(mask.astype(np.uint8), self.size_wh, interpolation=cv2.INTER_AREA).astype(bool)
        if not small.any():
            small = cv2.resize(mask.astype(np.float32), self.size_wh, interpolation=cv2.INTER_AREA) > 0
        inner = cv2.erode(small.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        roughness = float(self.roughness[inner if inner.any() else small].mean())
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = (columns[0] / width, rows[0] / height, np.ptp(columns) + 1, np.ptp(rows) + 1)
        edges = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        return Looks(
            box_xywh=(round(box[0], 4), round(box[1], 4), round(box[2] / width, 4), round(box[3] / height, 4)),
            share=round(float(mask.mean()), 9),
            color=color_name(self.pixels[small]),
            texture="smooth" if roughness < FINE else "fine" if roughness < COARSE else "coarse",
            shape=_shape(small),
            border=round(float(edges.mean()), 4),
        )


def _shape(mask: np.ndarray) -> Literal["round", "long", "plain"]:
    """ "round", "long" or "plain", of the largest piece."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    area = cv2.contourArea(outline)
    _, (a, b), _ = cv2.minAreaRect(outline)
    if max(a, b) >= LONG * max(min(a, b), 1.0):
        return "long"
    _, radius = cv2.minEnclosingCircle(outline)
    return "round" if area >= ROUND * np.pi * max(radius, 1.0) ** 2 else "plain"


def place(looks: Looks) -> str:
    """Where it is, in words: "at the top left", "in the middle".

    >>> place(Looks(box_xywh=(0.0, 0.0, 0.2, 0.2), share=0.04, color=None, texture="fine", shape="plain", border=0.1))
    'at the top left'
    """
    x, y, width, height = looks.box_xywh
    column = _third(x + width / 2, ("left", "", "right"))
    row = _third(y + height / 2, ("top", "", "bottom"))
    if not row and not column:
        return "in the middle"
    return f"at the {row} {column}".strip().replace("  ", " ") if row else f"on the {column}"


def size_word(looks: Looks) -> str:
    """ "large", "small" or "" for what is neither."""
    return "large" if looks.share >= LARGE else "small" if looks.share < SMALL else ""


def _third(value: float, names: tuple[str, str, str]) -> str:
    return names[0] if value < 1 / 3 else names[1] if value <= 2 / 3 else names[2]
