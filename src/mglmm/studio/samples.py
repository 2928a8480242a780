"""The pictures that one can begin with: held-out pictures of the procedural world, drawn when first asked for."""

import io
from functools import cache
from typing import NamedTuple

from mglmm.world.samples import world_sample

WIDTH_PX = 640


class SamplePicture(NamedTuple):
    """A picture of the world; `about` says in a few words what it shows."""

    seed: int
    about: str


SAMPLES = (
    SamplePicture(1073900026, "A rider and a lighthouse at the beach"),
    SamplePicture(1073900009, "A woman and a cat in a kitchen"),
    SamplePicture(1073900027, "A house with a swing"),
    SamplePicture(1073900018, "A rider and a bench in the snow"),
    SamplePicture(1073900029, "A tractor, a tree and a cat"),
    SamplePicture(1073900035, "A kitchen with a cat on a table"),
)
"""Chosen by eye among held-out seeds, for their variety."""


@cache
def sample_png(number: int) -> bytes:
    """The file of a sample picture.

    Raises:
        IndexError: there is no such picture.
    """
    image, _ = world_sample(SAMPLES[number].seed, WIDTH_PX)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
