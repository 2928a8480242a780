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
    SamplePicture(1073900018, "A rider, a walker and a bench in the snow"),
    SamplePicture(1073900009, "A woman and a cat in a kitchen"),
    SamplePicture(1073900025, "A palm tree and a basket at the beach"),
    SamplePicture(1073900004, "A child and two baskets in a yard"),
    SamplePicture(1073900029, "A tractor, a tree and a cat on a farm"),
    SamplePicture(1073900028, "A bicycle in the rain"),
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
