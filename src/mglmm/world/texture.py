"""Procedural texture: fields float32[h, w] that the renderer multiplies or blends into flat colour. Pure numpy and cv2.

All noise comes from a few large tiles that are made once from a fixed seed; a picture takes random windows of them.
"""

from functools import lru_cache

import cv2
import numpy as np

TILE = 640
"""Side of a noise tile in pixels."""

_SPECTRUM = {
    # name: (octaves as (cells across the tile, weight), (blur across, blur down) in pixels)
    "smooth": (((4, 1.0), (9, 0.6)), (0.0, 0.0)),
    "cloudy": (((6, 1.0), (14, 0.6), (30, 0.4), (70, 0.25)), (0.0, 0.0)),
    "blotch": (((40, 1.0), (90, 0.7), (200, 0.5)), (0.0, 0.0)),
    "fine": (((TILE, 1.0),), (0.6, 0.6)),
    "grain": (((TILE, 1.0), (120, 0.4)), (7.0, 0.5)),
    "blades": (((TILE, 1.0), (160, 0.6)), (0.5, 2.2)),
    "ripple": (((TILE, 1.0), (90, 0.5)), (9.0, 1.3)),
}


@lru_cache(maxsize=len(_SPECTRUM))
def tile(name: str) -> np.ndarray:
    """The noise tile of this name: float32[TILE, TILE], mean 0, standard deviation 0.5, cut to -1..1."""
    octaves, (across, down) = _SPECTRUM[name]
    rng = np.random.Generator(np.random.PCG64([7, *name.encode()]))
    total = np.zeros((TILE, TILE), np.float32)
    for cells, weight in octaves:
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        total += weight * cv2.resize(coarse, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    if across or down:
        total = np.asarray(cv2.GaussianBlur(total, (0, 0), sigmaX=across, sigmaY=down), np.float32)
    total -= total.mean()
    total *= 0.5 / total.std()
    return np.clip(total, -1.0, 1.0)


def noise(name: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random window of a noise tile: float32[shape], values -1..1. A window larger than the tile is stretched."""
    height, width = shape
    if height > TILE or width > TILE:
        shrink = TILE / max(height, width)
        small = noise(name, (max(1, int(height * shrink)), max(1, int(width * shrink))), rng)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    y, x, flip = rng.integers((TILE - height + 1, TILE - width + 1, 2))
    window = tile(name)[y : y + height, x : x + width]
    return window[:, ::-1] if flip else window


@lru_cache(maxsize=2048)
def ramp(length: int) -> np.ndarray:
    """Evenly from -1 to 1: float32[length], not to be changed."""
    return np.linspace(-1, 1, length, dtype=np.float32)


@lru_cache(maxsize=1)
def blob() -> np.ndarray:
    """A soft round spot: float32[32, 32], 1 in the middle, 0 at the rim; stretched to the ellipse of a shadow."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    return np.clip(1.25 * (1.0 - np.hypot(x, y)), 0.0, 1.0).astype(np.float32)


def pattern(name: str, u: np.ndarray, v: np.ndarray, period: float) -> np.ndarray:
    """The share 0..1 of the second colour: float32[h, w] for a surface with coordinates `u`, `v` (pixels, float32).

    `name` is "striped" (bands across u), "dotted" or "checked"; edges are one pixel soft.
    """
    if name == "striped":
        return np.clip((_ridge(u, period) - 0.55) * (period / 2) + 0.5, 0.0, 1.0)
    if name == "checked":
        a = np.clip((_ridge(u, period) - 0.5) * (period / 2), -0.5, 0.5)
        b = np.clip((_ridge(v, period) - 0.5) * (period / 2), -0.5, 0.5)
        return a * b * 2.0 + 0.5
    row = np.floor(v / period)
    across = (u / period + 0.5 * (row % 2)) % 1.0 - 0.5
    down = (v / period) % 1.0 - 0.5
    return np.clip((0.3 - np.sqrt(across * across + down * down)) * period + 0.5, 0.0, 1.0)


def _ridge(u: np.ndarray, period: float) -> np.ndarray:
    """A triangle wave 0..1 of `u`."""
    return np.abs((u / period) % 1.0 - 0.5) * 2.0


def relief(heights: np.ndarray, light: tuple[float, float], width: float) -> np.ndarray:
    """Brightness of an embossed surface: float32[h, w] around 0, bright on the edges that face the light.

    `heights` float32[h, w]; `light` (x, y) points towards the light; `width` is how far edges are rounded, in pixels.
    """
    round_off = cv2.GaussianBlur(heights, (0, 0), sigmaX=width)
    dx = cv2.Sobel(round_off, cv2.CV_32F, 1, 0, ksize=3)
    dy = cv2.Sobel(round_off, cv2.CV_32F, 0, 1, ksize=3)
    return (dx * -light[0] + dy * -light[1]) * (width / 8.0)
