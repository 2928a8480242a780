"""Descriptions that pick entities out of a picture, their words, and the function that says what they pick.

A `Description` is evaluated on the graph twice: strictly (what it surely means) and loosely (what it might be taken to
mean). It is unique for an entity only if both give exactly this entity, so nobody can take it for another one.
"""

from dataclasses import dataclass, replace

import numpy as np

from mglmm.instructions import ordinal_word
from mglmm.phrasing import pick, shuffled
from mglmm.world.graph import Entity
from mglmm.world.lookup import Lookup

PLACES = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "middle": "in the middle",
}
SUPERLATIVES = ("leftmost", "rightmost", "largest", "smallest")
SIDES = {"left of": "to the left of", "right of": "to the right of"}
STRICT_SIDE, LOOSE_SIDE = 0.40, 0.52
"""A centre before this share of the picture is surely / perhaps at that side."""
STRICT_MIDDLE, LOOSE_MIDDLE = 0.12, 0.22
"""Largest distance of the centre's x from the middle, share of the width."""
CLEAR_GAP = 0.06
"""Centres further apart than this share of the width are surely in this order."""
CLEAR_RATIO = 0.7
"""The second largest area is at most this share of the largest, or nothing is "the largest"."""


@dataclass(frozen=True, slots=True)
class Description:
    """ "the second large red striped car from the left", "the open door on the right", "the dog behind the red car".

    `ordinal`: (index from 0, "left" / "right"); `place`: a key of `PLACES`; `superlative`: one of `SUPERLATIVES`;
    `relation`: (predicate, anchor), where the predicate is one of the graph, "left of", "right of", "of" (a part of the
    anchor) or "with" (the anchor, with attributes only, is a part of it).
    """

    name: str
    color: str | None = None
    pattern: str | None = None
    size: str | None = None
    state: str | None = None
    ordinal: tuple[int, str] | None = None
    place: str | None = None
    superlative: str | None = None
    relation: "tuple[str, Description] | None" = None
    plural: str | None = None
    """The plural of the name; "trousers" is its own."""

    def words(self, article: str = "the ") -> str:
        """The description as a noun phrase."""
        front = [
            None if self.ordinal is None else ordinal_word(self.ordinal[0]),
            self.superlative,
            self.size,
            self.state,
            self.color,
            self.pattern,
        ]
        text = " ".join(word for word in (*front, self.name) if word)
        if self.ordinal is not None:
            text += f" from the {self.ordinal[1]}"
        if self.place is not None:
            text += f" {PLACES[self.place]}"
        if self.relation is not None:
            predicate, anchor = self.relation
            if predicate in ("with", "wearing"):
                text += f" {predicate} {anchor.words(article='' if anchor.plural_name else 'a ')}"
            else:
                text += f" {SIDES.get(predicate, predicate)} {anchor.words()}"
        text = article + text
        return f"an {text[2:]}" if article == "a " and text[2] in "aeiou" else text

    @property
    def plural_name(self) -> bool:
        """True if the name itself is a plural (trousers), which takes no "a"."""
        return self.plural == self.name


def matching(lookup: Lookup, description: Description, loose: bool = False) -> list[Entity]:
    """The entities that the description picks, strictly or loosely; none if its anchor is not unique."""
    found = [e for e in lookup.called(description.name, loose) if has_attributes(e, description)]
    if description.relation is not None:
        found = related(lookup, found, *description.relation, loose)
    if description.place is not None:
        found = [e for e in found if at_place(lookup, e, description.place, loose)]
    if description.superlative is not None:
        found = superlative(lookup, found, description.superlative)
    if description.ordinal is not None:
        found = at_ordinal(lookup, found, *description.ordinal)
    return found


def is_unique(lookup: Lookup, description: Description, entity: Entity) -> bool:
    """True if the description means this entity and can be taken for no other."""
    return matching(lookup, description, loose=True) == [entity] == matching(lookup, description)


def has_attributes(entity: Entity, description: Description) -> bool:
    """True if no attribute of the description disagrees with the entity."""
    return (
        description.color in (None, entity.color)
        and description.pattern in (None, entity.pattern)
        and description.size in (None, entity.size)
        and description.state in (None, entity.state)
    )


def related(lookup: Lookup, entities: list[Entity], predicate: str, anchor: Description, loose: bool) -> list[Entity]:
    """Those of the entities that stand in this relation to the anchor."""
    if predicate == "with":
        return [e for e in entities if any(has_it(part, anchor) for part in lookup.descendants(e))]
    if predicate == "wearing":
        worn = [e for e in lookup.graph.entities if has_it(e, anchor)]
        return [e for e in entities if any(wears(lookup, e, other) for other in worn)]
    found = matching(lookup, anchor)
    if len(found) != 1 or matching(lookup, anchor, loose=True) != found:
        return []
    other = found[0]
    if predicate == "of":
        inside = {part.id for part in lookup.descendants(other)}
        return [e for e in entities if e.id in inside]
    if predicate in SIDES:
        gap = (0.0 if loose else CLEAR_GAP) * lookup.width
        sign = 1 if predicate == "left of" else -1
        return [e for e in entities if e is not other and sign * (other.center[0] - e.center[0]) > gap]
    return [e for e in entities if lookup.related(e, predicate, other)]


def has_it(entity: Entity, description: Description) -> bool:
    """True if name and attributes agree."""
    return entity.name == description.name and has_attributes(entity, description)


def wears(lookup: Lookup, entity: Entity, worn: Entity) -> bool:
    """True if the graph says so, or the worn thing is one of the entity's parts."""
    return lookup.related(entity, "wearing", worn) or (worn.parent is not None and lookup.whole(worn) is entity)


def at_place(lookup: Lookup, entity: Entity, place: str, loose: bool) -> bool:
    """True if the entity's centre is surely (or perhaps) at this place of the picture."""
    x, y = entity.center[0] / lookup.width, entity.center[1] / lookup.height
    if place == "middle":
        return abs(x - 0.5) < (LOOSE_MIDDLE if loose else STRICT_MIDDLE)
    distance = {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y}[place]
    return distance < (LOOSE_SIDE if loose else STRICT_SIDE)


def superlative(lookup: Lookup, entities: list[Entity], word: str) -> list[Entity]:
    """The one entity that is first in this order by a clear margin; none if it is alone or no margin is clear."""
    if len(entities) < 2:
        return []
    if word in ("leftmost", "rightmost"):
        return at_ordinal(lookup, entities, 0, word.removesuffix("most"))
    ranked = sorted(entities, key=lambda e: e.area, reverse=word == "largest")
    low, high = sorted((ranked[0].area, ranked[1].area))
    return ranked[:1] if low <= CLEAR_RATIO * high else []


def at_ordinal(lookup: Lookup, entities: list[Entity], index: int, side: str) -> list[Entity]:
    """The entity at this position (from 0) from the left or right; none if the order is not clear up to there."""
    if len(entities) < 2 or index >= len(entities):
        return []
    ranked = sorted(entities, key=lambda e: e.center[0], reverse=side == "right")
    gaps = [abs(b.center[0] - a.center[0]) for a, b in zip(ranked[: index + 1], ranked[1 : index + 2], strict=False)]
    return [ranked[index]] if min(gaps) > CLEAR_GAP * lookup.width else []


def describe(
    lookup: Lookup, entity: Entity, rng: np.random.Generator, family: str | None = None
) -> tuple[str, Description] | None:
    """A unique description of the entity and its family, or None if none was found.

    `family` ("attribute", "place", "ordinal", "relation", "part") is tried first; the others follow in random order.
    A part is always described by its whole: a like part of another thing may be too small to be in the graph.
    """
    if entity.parent is not None:
        described = by_part(lookup, entity, rng)
        return None if described is None else ("part", described)
    rest = shuffled(rng, (name for name in FAMILIES if name != family))
    for name in ([family] if family else []) + rest:
        found = FAMILIES[name](lookup, entity, rng)
        if found is not None:
            return name, found
    return None


def short_description(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """A unique description by attributes, else by place; None if there is none. For use inside other phrases."""
    return by_attribute(lookup, entity, rng) or by_place(lookup, entity, rng) or by_superlative(lookup, entity, rng)


def some_attributes(entity: Entity, rng: np.random.Generator, chance: float = 0.5) -> Description:
    """A description with a random choice of the attributes that the entity has; its color is told most often."""
    draws = rng.random(4)
    return Description(
        entity.name,
        color=entity.color if draws[0] < 1.4 * chance else None,
        pattern=entity.pattern if entity.pattern != "plain" and draws[1] < chance else None,
        size=entity.size if draws[2] < 0.6 * chance else None,
        state=entity.state if draws[3] < 0.6 * chance else None,
        plural=entity.plural,
    )


def by_attribute(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """Attributes only; more of them are added until the description is unique."""
    description = some_attributes(entity, rng)
    if is_unique(lookup, description, entity):
        return description
    for field in shuffled(rng, ("color", "size", "state", "pattern")):
        if field == "color":
            description = replace(description, color=entity.color)
        elif field == "size":
            description = replace(description, size=entity.size)
        elif field == "state":
            description = replace(description, state=entity.state)
        elif entity.pattern != "plain":
            description = replace(description, pattern=entity.pattern)
        if is_unique(lookup, description, entity):
            return description
    return None


def by_place(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """A place in the picture with few attributes, or with the color if that is needed."""
    places = [place for place in PLACES if at_place(lookup, entity, place, loose=False)]
    if not places:
        return None
    some = replace(some_attributes(entity, rng, 0.3), place=pick(rng, places))
    for description in (some, replace(some, color=entity.color)):
        if is_unique(lookup, description, entity):
            return description
    return None


def by_superlative(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """The leftmost, rightmost, largest or smallest of its name."""
    for word in shuffled(rng, SUPERLATIVES):
        description = Description(entity.name, superlative=word, plural=entity.plural)
        if is_unique(lookup, description, entity):
            return description
    return None


def by_ordinal(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """Its position among those of its name (and perhaps color), or a superlative."""
    if rng.random() < 0.4:
        return by_superlative(lookup, entity, rng)
    some = Description(entity.name, color=entity.color if rng.random() < 0.3 else None, plural=entity.plural)
    count = len(matching(lookup, some))
    for index, side in shuffled(rng, [(i, side) for i in range(min(count, 4)) for side in ("left", "right")]):
        description = replace(some, ordinal=(index, side))
        if is_unique(lookup, description, entity):
            return description
    return None


def by_relation(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """A relation of the graph, a part that it has, or the side on which it stands of another thing."""
    some = some_attributes(entity, rng, 0.35)
    for predicate, other in candidate_relations(lookup, entity, rng):
        if predicate in ("with", "wearing"):
            anchor: Description | None = some_attributes(other, rng, 0.9)
        else:
            anchor = by_attribute(lookup, other, rng)
        if anchor is None:
            continue
        description = replace(some, relation=(predicate, anchor))
        if is_unique(lookup, description, entity):
            return description
    return None


def candidate_relations(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> list[tuple[str, Entity]]:
    """Up to six (predicate, other entity) to try, those of the graph first."""
    found = [(r.predicate, lookup.by_id[r.object]) for r in lookup.relations_of.get(entity.id, ())]
    parts = [p for p in lookup.parts.get(entity.id, ()) if p.color is not None]
    found += [("with", part) for part in shuffled(rng, parts)[:1]]
    sides: list[tuple[str, Entity]] = []
    if entity.parent is None and not entity.stuff:
        for other in shuffled(rng, lookup.things)[:3]:
            if other.name != entity.name:
                sides.append(("left of" if entity.center[0] < other.center[0] else "right of", other))
    return (shuffled(rng, found)[:4] + sides)[:6]


def by_part(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """A part of a uniquely described whole: "the leftmost wheel of the red car"."""
    if entity.parent is None:
        return None
    whole = lookup.whole(entity) if rng.random() < 0.8 else lookup.by_id[entity.parent]
    anchor = short_description(lookup, whole, rng)
    if anchor is None:
        return None
    some = some_attributes(entity, rng, 0.35)
    tries = [some, replace(some, color=entity.color)]
    tries += [replace(some, superlative=word) for word in shuffled(rng, ("leftmost", "rightmost"))]
    plain = Description(entity.name, plural=entity.plural)
    tries += [replace(plain, ordinal=(index, side)) for index in (1, 2) for side in ("left", "right")]
    for description in tries:
        description = replace(description, relation=("of", anchor))
        if is_unique(lookup, description, entity):
            return description
    return None


FAMILIES = {
    "attribute": by_attribute,
    "place": by_place,
    "ordinal": by_ordinal,
    "relation": by_relation,
    "part": by_part,
}
