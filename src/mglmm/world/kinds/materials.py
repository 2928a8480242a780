"""Paints of the outdoor kinds: materials that text names no color of, and colors that differ from a thing's own."""

import numpy as np

from mglmm.world.drawing import Paint
from mglmm.world.kinds.sketch import color_besides


def material(red: int, green: int, blue: int) -> Paint:
    """A paint for a surface whose color text never names, 0..255 a channel."""
    return Paint(None, rgb=(red, green, blue))


def tone(rng: np.random.Generator, *colors: str, besides: Paint | None = None) -> Paint:
    """A plain paint of one of `colors` (names of `COLORS`), each equally likely, other than the color of `besides`."""
    return Paint(color_besides(rng, besides.color if besides else None, among=colors))


GLASS = material(158, 196, 214)
RUBBER = material(42, 42, 44)
LAMP = material(252, 238, 178)
PALE = material(236, 232, 222)
IRON = material(72, 74, 80)
TIMBER = material(140, 98, 60)
