"""Regions that a data set marks with boxes alone."""

import numpy as np

from mglmm.data.readers.shapes import from_runs
from mglmm.schema import Rle

BOX_IDS = "box_ids"
"""Key of `Sample.meta`: ids of segments whose mask is nothing but the rectangle of their box."""


def rectangle(box: tuple[float, float, float, float], size: tuple[int, int]) -> Rle:
    """The mask of a box (x0, y0, x1, y1 in pixels, right and bottom exclusive), cut at the edges of the image.

    Raises:
        ValueError: no pixel of the box lies in the image of `size` (height, width), or a number is not finite.
    """
    if not np.isfinite(box).all():
        raise ValueError(f"the box {box} holds what is no number")
    x0, y0, x1, y1 = (round(value) for value in box)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size[1]), min(y1, size[0])
    if x0 >= x1 or y0 >= y1:
        shown = ", ".join(f"{value:g}" for value in box)
        raise ValueError(f"no pixel of the box ({shown}) lies in the image of {size[1]} x {size[0]} pixels")
    height = y1 - y0
    columns = [height, size[0] - height] * (x1 - x0)
    return from_runs([x0 * size[0] + y0, *columns[:-1], size[0] * (size[1] - x1 + 1) - y1], size)
