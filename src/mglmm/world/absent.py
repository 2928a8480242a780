"""Descriptions of what is NOT in a picture: other kinds, and near misses that share the kind but not the looks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mglmm.phrasing import pick, shuffled
from mglmm.world.drawing import Kind
from mglmm.world.graph import Entity
from mglmm.world.kinds import KINDS
from mglmm.world.lookup import Lookup
from mglmm.world.phrases import is_plural_name
from mglmm.world.referring import PLACES, Description, matching
from mglmm.world.scene import NOVEL_PAIRS

NEAR_MISS_SHARE = 0.45
"""Share of near misses among the absent things."""
SAME_SETTING_SHARE = 0.6
"""Share of absent kinds that could well be in such a place."""
ABSENT_STUFF = ("grass", "sand", "snow", "water", "hills", "road", "path", "fence", "hedge", "curtain", "rug")
STUFF_SHARE = 0.12


def absent(lookup: Lookup, rng: np.random.Generator) -> tuple[str, Description]:
    """A description that nothing in the picture answers to, and its family.

    Families: "absent_kind", "near_miss_color", "near_miss_pattern".
    """
    if lookup.things and rng.random() < NEAR_MISS_SHARE:
        for entity in shuffled(rng, lookup.things)[:3]:
            found = near_miss(lookup, entity, rng)
            if found is not None:
                return found
    return "absent_kind", absent_kind(lookup, rng)


def near_miss(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> tuple[str, Description] | None:
    """The entity's kind in a color or pattern that the kind can have, but nothing of it in the picture has."""
    kind = KINDS.get(entity.name)
    if entity.color is None or kind is None:
        return None
    plain = Description(entity.name, plural=entity.plural)
    patterns = [p for p in kind.patterns if p not in ("plain", entity.pattern)]
    if patterns and rng.random() < 0.25:
        description = replace(plain, pattern=pick(rng, patterns))
        return None if matching(lookup, description, loose=True) else ("near_miss_pattern", description)
    colors = tellable_colors(kind, but=entity.color)
    if not colors:
        return None
    description = replace(plain, color=pick(rng, colors))
    return None if matching(lookup, description, loose=True) else ("near_miss_color", description)


def tellable_colors(kind: Kind, but: str | None = None) -> list[str]:
    """The colors of a kind, except `but` and the withheld ones: of these text must not say that they never occur."""
    return [color for color in kind.colors if color != but and (kind.name, color) not in NOVEL_PAIRS]


def absent_kind(lookup: Lookup, rng: np.random.Generator) -> Description:
    """A kind (sometimes a stuff) of which the picture shows nothing, often with a color, sometimes with a place."""
    missing_stuff = [name for name in ABSENT_STUFF if not lookup.called(name, loose=True)]
    if missing_stuff and rng.random() < STUFF_SHARE:
        name = pick(rng, missing_stuff)
        return Description(name, plural=name)
    kind = missing_kind(lookup, rng)
    description = Description(kind.name, plural=kind.plural)
    colors = tellable_colors(kind)
    draw = rng.random()
    if draw < 0.45 and colors and kind.category != "person":
        return replace(description, color=pick(rng, colors))
    if draw > 0.85:
        return replace(description, place=pick(rng, tuple(PLACES)))
    return description


def missing_kind(lookup: Lookup, rng: np.random.Generator) -> Kind:
    """A kind of which nothing is in the picture, not even under another name; mostly one of such a setting."""
    setting = lookup.graph.setting
    missing = [kind for name, kind in KINDS.items() if not lookup.called(name, loose=True)]
    fitting = [kind for kind in missing if setting in kind.settings]
    choices: Sequence[Kind] = fitting if fitting and rng.random() < SAME_SETTING_SHARE else missing
    return pick(rng, choices)


def none_of(description: Description) -> str:
    """ "is no red car" / "are no trousers": for behind "there"."""
    verb = "are" if is_plural_name(description.name, description.plural) else "is"
    return f"{verb} no {description.words(article='')}"
