"""The twelve color names of the project, and which of them a region of a picture has, if it clearly has one."""

import numpy as np

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (205, 38, 38),
    "orange": (238, 128, 28),
    "yellow": (240, 208, 40),
    "green": (46, 139, 60),
    "teal": (24, 148, 148),
    "blue": (40, 84, 200),
    "purple": (122, 52, 162),
    "pink": (238, 130, 168),
    "brown": (124, 78, 42),
    "black": (34, 34, 38),
    "gray": (134, 136, 140),
    "white": (240, 240, 236),
}
"""The color names with their typical RGB (0..255)."""

UNLIKE: dict[str, tuple[str, ...]] = {
    "red": ("blue", "green", "teal", "white", "yellow"),
    "orange": ("blue", "green", "teal", "purple", "white"),
    "yellow": ("blue", "red", "purple", "black", "teal"),
    "green": ("red", "orange", "pink", "purple", "white"),
    "teal": ("red", "orange", "pink", "yellow"),
    "blue": ("red", "orange", "yellow", "pink", "green"),
    "purple": ("green", "yellow", "orange", "white"),
    "pink": ("green", "blue", "black", "teal"),
    "brown": ("blue", "green", "purple", "pink", "teal"),
    "black": ("white", "red", "yellow", "orange", "pink"),
    "gray": ("red", "yellow", "orange", "green", "pink"),
    "white": ("black", "red", "blue", "green", "purple"),
}
"""For each color those that nobody would call it by in any light: of these a near miss may be made."""

MIN_SHARE = 0.55
"""A color is named if at least this share of the pixels has it. Ours, by looking at clothes, cats and cars."""
MIN_LEAD = 2.0
"""... and if it has at least this many times the pixels of the next color."""
MIN_PIXELS = 60
MAX_PIXELS = 4000
"""Of larger regions every n-th pixel is looked at."""

_BLACK_VALUE, _WHITE_VALUE, _WHITE_SATURATION, _GRAY_SATURATION = 58, 200, 0.11, 0.13
_HUE_ENDS = (12, 38, 66, 160, 200, 258, 295, 345, 360)
_HUE_NAMES = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "red")
_NAMES = (*COLORS, "")
_UNNAMED = len(COLORS)


def color_name(pixels: np.ndarray) -> str | None:
    """The name of the color that clearly dominates `pixels` (uint8[N, 3] RGB); None if no color does.

    >>> color_name(np.full((100, 3), (200, 30, 30), dtype=np.uint8))
    'red'
    >>> color_name(np.array([[0, 0, 0], [255, 255, 255]] * 50, dtype=np.uint8)) is None
    True
    """
    if len(pixels) < MIN_PIXELS:
        return None
    named = _names(pixels[:: max(1, len(pixels) // MAX_PIXELS)])
    counts = np.bincount(named, minlength=len(_NAMES))
    first, second = np.argsort(-counts[:_UNNAMED], kind="stable")[:2]
    clear = counts[first] >= MIN_SHARE * len(named) and counts[first] >= MIN_LEAD * counts[second]
    return _NAMES[first] if clear else None


def _names(pixels: np.ndarray) -> np.ndarray:
    """int[N]: index into `_NAMES` of each pixel; the last for colors between two names."""
    rgb = pixels.astype(np.float32)
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    spread = high - low
    saturation = spread / np.maximum(high, 1)
    hue = _hue(rgb, high, spread)
    named = np.array([_NAMES.index(name) for name in _HUE_NAMES])[np.searchsorted(_HUE_ENDS, hue, side="left")]
    rules = (
        # dark and washed-out reds, oranges and yellows are other colors than the bright ones
        ((hue >= 10) & (hue < 48) & (high < 165) & (saturation > 0.3), "brown"),
        ((hue < 18) & (high < 130) & (saturation < 0.5), "brown"),
        (((hue < 12) | (hue > 325)) & (high > 190) & (saturation < 0.55), "pink"),
        ((hue >= 12) & (hue < 66) & (high >= 165) & (saturation < 0.38), ""),
        ((hue >= 48) & (hue < 66) & (high < 150), ""),
        ((hue > 200) & (hue < 258) & (saturation < 0.2), "gray"),
        (saturation < _GRAY_SATURATION, "gray"),
        ((saturation < _WHITE_SATURATION) & (high > _WHITE_VALUE), "white"),
        ((saturation < 0.3) & (high < 75), "black"),
        (high < _BLACK_VALUE, "black"),
    )
    for where, name in rules:
        named = np.where(where, _NAMES.index(name), named)
    return named


def _hue(rgb: np.ndarray, high: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """float[N]: the angle 0..360 of hue-saturation-value; 0 where there is none."""
    red, green, blue = rgb.T
    span = np.maximum(spread, 1e-6)
    sector = np.where(high == red, (green - blue) / span, np.where(high == green, 2 + (blue - red) / span, 0))
    sector = np.where((high != red) & (high != green), 4 + (red - green) / span, sector)
    return np.where(spread > 0, sector * 60 % 360, 0)
