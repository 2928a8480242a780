"""The catalogue of things: every kind of thing by name."""

from mglmm.world.drawing import Kind
from mglmm.world.kinds import (
    animals,
    birds,
    buildings,
    containers,
    craft,
    cycles,
    devices,
    farm_animals,
    fixtures,
    food,
    furniture,
    lamps,
    leisure,
    person,
    plants,
    small,
    street,
    tableware,
    tools,
    toys,
    vehicles,
)

_FILES = (
    person,
    animals,
    farm_animals,
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
    food,
    small,
    toys,
    lamps,
    containers,
    tools,
)

KINDS: dict[str, Kind] = {kind.name: kind for file in _FILES for kind in file.KINDS}
"""Every kind of thing by its name."""
