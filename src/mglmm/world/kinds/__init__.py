"""The catalogue of things: every kind of thing by name."""

from mglmm.world.drawing import Kind
from mglmm.world.kinds import (
    animals,
    birds,
    buildings,
    craft,
    cycles,
    devices,
    fixtures,
    furniture,
    leisure,
    person,
    plants,
    street,
    tableware,
    vehicles,
)

_FILES = (
    person,
    animals,
    birds,
    vehicles,
    cycles,
    craft,
    buildings,
    plants,
    street,
    leisure,
    furniture,
    fixtures,
    devices,
    tableware,
)

KINDS: dict[str, Kind] = {kind.name: kind for file in _FILES for kind in file.KINDS}
"""Every kind of thing by its name."""
