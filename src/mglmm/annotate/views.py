"""What a vision-language model is shown of a node: the whole picture with the mask highlighted, and a crop."""

import base64
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from mglmm.annotate.records import View
from mglmm.config import Recipe

OUTLINE = (255, 0, 0)
"""RGB of the line around the mask. A caption that speaks of it is rejected (`check`)."""


class ViewOptions(Recipe):
    """How nodes are shown; the values are ours."""

    side_px: Annotated[int, Field(ge=64)] = 768
    """Longest side of the picture; smaller pictures stay as they are."""
    crop_px: Annotated[int, Field(ge=32)] = 384
    """Longest side of the crop; small ones are enlarged to half of it."""
    margin: Annotated[float, Field(ge=0)] = 0.15
    """Around the mask's box in the crop, as a share of the box."""
    dimming: Annotated[float, Field(ge=0, le=1)] = 0.45
    """How much darker the picture is outside of the mask."""
    quality: Annotated[int, Field(ge=30, le=100)] = 85
    """Of the JPEG files."""


class Viewer:
    """A picture (uint8[H, W, 3], RGB) from which views of its nodes are made."""

    def __init__(self, pixels: np.ndarray, options: ViewOptions) -> None:
        self.options, self.pixels = options, pixels
        scale = min(1.0, options.side_px / max(pixels.shape[:2]))
        self.small = _resized(pixels, scale)
        self.dim = (self.small * (1 - options.dimming)).astype(np.uint8)

    def view(self, mask: np.ndarray) -> View:
        """The view of `mask` (bool[H, W] of the picture's own size, not empty)."""
        return View(highlighted=self._highlighted(mask), crop=self._crop(mask))

    def _highlighted(self, mask: np.ndarray) -> str:
        height, width = self.small.shape[:2]
        inside = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
        shown = np.where(inside[..., None] > 0, self.small, self.dim)
        contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, contours, -1, OUTLINE, max(1, max(height, width) // 320), cv2.LINE_AA)
        return jpeg(shown, self.options.quality)

    def _crop(self, mask: np.ndarray) -> str:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        pad_y, pad_x = (round(self.options.margin * (np.ptp(side) + 1)) + 1 for side in (rows, columns))
        y0, x0 = max(0, rows[0] - pad_y), max(0, columns[0] - pad_x)
        crop = self.pixels[y0 : rows[-1] + 1 + pad_y, x0 : columns[-1] + 1 + pad_x]
        side = max(crop.shape[:2])
        target = min(max(side, self.options.crop_px // 2), self.options.crop_px)
        return jpeg(_resized(crop, target / side), self.options.quality)


def jpeg(pixels: np.ndarray, quality: int) -> str:
    """Base64 of the JPEG file of `pixels` (uint8[H, W, 3], RGB)."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return base64.b64encode(data.tobytes()).decode()


def _resized(pixels: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1.0:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
