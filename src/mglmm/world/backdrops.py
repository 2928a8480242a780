"""The settings of the world and the backdrop of each."""

import numpy as np

from mglmm.world.outdoors import OUTDOOR
from mglmm.world.rooms import INDOOR, room
from mglmm.world.stuff import Backdrop, Canvas

SETTINGS = (*OUTDOOR, *INDOOR)
"""Where scenes are set."""


def backdrop(
    setting: str, weather: str | None, light: str, rng: np.random.Generator, width: float, height: float
) -> Backdrop:
    """The stuff and the zones of a setting (a key of `OUTDOOR` or `INDOOR`) for a frame of this size."""
    canvas = Canvas(rng, width, height, weather, light)
    if setting in OUTDOOR:
        return OUTDOOR[setting](canvas)
    return room(canvas, *INDOOR[setting])
