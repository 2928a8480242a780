"""Hypothesis strategies for small masks."""

import numpy as np
from hypothesis import strategies as st

from mglmm import masks

SIZE = (6, 7)


@st.composite
def rles(draw):
    """A rectangle of at least one pixel on a mask of `SIZE`; rectangles overlap and coincide often."""
    top, left = draw(st.integers(0, SIZE[0] - 1)), draw(st.integers(0, SIZE[1] - 1))
    height, width = draw(st.integers(1, SIZE[0])), draw(st.integers(1, SIZE[1]))
    mask = np.zeros(SIZE, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return masks.encode(mask)


PHRASES = st.sampled_from(["the red car", "a red car", "the car", "a tree", "the sky"])


@st.composite
def answers(draw, min_size=0, max_size=5):
    """(masks, phrases, scores) of one answer."""
    count = draw(st.integers(min_size, max_size))
    return (
        [draw(rles()) for _ in range(count)],
        [draw(PHRASES) for _ in range(count)],
        [draw(st.sampled_from([0.25, 0.5, 1.0])) for _ in range(count)],
    )
