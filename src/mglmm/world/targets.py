"""Turns that ask for masks by words: one target, several, none, some of them, all of a kind, the parts of a thing."""

from collections.abc import Sequence

import numpy as np

from mglmm.instructions import instruction, join_list, number_word
from mglmm.phrasing import Mention, Pieces, grounded, listing, pick, shuffled, write
from mglmm.schema import Granularity, GroundedText, Task, Turn
from mglmm.world.absent import absent, missing_kind, none_of
from mglmm.world.graph import Entity
from mglmm.world.lookup import Lookup
from mglmm.world.phrases import STUFF_ARTICLE, be, is_plural, numbered, this
from mglmm.world.referring import Description, describe, short_description

MAX_SEVERAL = 5
MAX_SEMANTIC = 8

ONE = ("{target}.", "{target}.", "Here {is} {target}.", "{this} {is} {target}.", "[You can see|We see] {target}.")
MANY = ("Here are {targets}.", "[These are|You can see|We see] {targets}.", "{targets}.")
NONE = (
    "There {none} [in the picture|in the image|here].",
    "[Sorry, there|There] {none} [to be seen|to segment|in it].",
    "[The picture|The image] does not show that: there {none}.",
)
MIXED = (
    "Here {is} {targets}, but there {none}.",
    "[You can see|We see] {targets}. There {none}[| here].",
    "There {none}, but here {is} {targets}.",
)


def turn(
    task: Task,
    granularity: Granularity,
    family: str,
    asked: str,
    answer: GroundedText,
    follows: bool = False,
) -> Turn:
    """One turn of the world."""
    return Turn(task=task, instruction=asked, answer=answer, granularity=granularity, family=family, follows=follows)


def level(entity: Entity) -> Granularity:
    """ "part" for a part, else "object"."""
    return "object" if entity.parent is None else "part"


def referring(lookup: Lookup, entity: Entity, rng: np.random.Generator, family: str | None = None) -> Turn | None:
    """One target by a unique description, which the answer repeats; None if no description is unique."""
    found = describe(lookup, entity, rng, family)
    if found is None:
        return None
    name, description = found
    phrase = description.words()
    answer = single([entity], Mention(phrase, (entity.id,)), rng)
    return turn("referring", level(entity), name, instruction("referring", rng, phrase=phrase), grounded(answer))


def single(entities: Sequence[Entity], target: Mention, rng: np.random.Generator) -> Pieces:
    """The answer that shows one phrase, which means all the entities."""
    return write(pick(rng, ONE), rng, target=target, this=this(entities), **{"is": be(entities)})


def several(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """Two to four different targets, each with its own phrase."""
    chosen = describable(lookup, rng, 2 + int(rng.random() * 2.5))
    if len(chosen) < 2:
        return None
    phrases = [description.words() for _, description in chosen]
    mentions = [Mention(phrase, (e.id,)) for phrase, (e, _) in zip(phrases, chosen, strict=True)]
    answer = write(pick(rng, MANY), rng, targets=listing(mentions))
    asked = instruction("several", rng, phrases=join_list(phrases))
    return turn("generalized_referring", "object", "several", asked, grounded(answer))


def describable(lookup: Lookup, rng: np.random.Generator, count: int) -> list[tuple[Entity, Description]]:
    """Up to `count` things (sometimes stuff) in random order, with a short unique description each."""
    found: list[tuple[Entity, Description]] = []
    for entity in shuffled(rng, lookup.things + lookup.stuff[:2]):
        description = short_description(lookup, entity, rng)
        if description is not None:
            found.append((entity, description))
        if len(found) == count:
            break
    return found


def instances(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """All of one kind (perhaps one color of it), numbered from left to right, each with its own phrase."""
    group = part_group(lookup, rng) if rng.random() < 0.35 else thing_group(lookup, rng)
    if group is None:
        return None
    color, of, entities = group
    first = entities[0]
    answer = write(pick(rng, MANY), rng, targets=listing(numbered(entities, color + first.name)))
    if rng.random() < 0.5:
        asked = instruction("numbered", rng, label=color + first.name + of)
    else:
        asked = instruction("several", rng, phrases=f"the {number_word(len(entities))} {color}{first.plural}{of}")
    return turn("generalized_referring", level(first), "instances", asked, grounded(answer))


Group = tuple[str, str, list[Entity]]
"""Words before the name ("red "), words behind it (" of the car") and the entities in reading order."""


def thing_group(lookup: Lookup, rng: np.random.Generator) -> Group | None:
    """Two to `MAX_SEVERAL` things of one name, perhaps of one color."""
    for name in shuffled(rng, dict.fromkeys(e.name for e in lookup.things)):
        entities = lookup.clearly_called(name)
        if len(entities) < 2 or any(e.parent is not None or e.stuff for e in entities):
            continue
        color = pick(rng, entities).color if rng.random() < 0.4 else None
        chosen = [e for e in entities if color in (None, e.color)]
        if 2 <= len(chosen) <= MAX_SEVERAL:
            return (f"{color} " if color else ""), "", lookup.left_to_right(chosen)
    return None


def part_group(lookup: Lookup, rng: np.random.Generator) -> Group | None:
    """Two to `MAX_SEVERAL` parts of one name of one thing."""
    for whole in shuffled(rng, (e for e in lookup.things if e.id in lookup.parts))[:3]:
        parts = lookup.descendants(whole)
        name = pick(rng, parts).name
        chosen = [e for e in parts if e.name == name]
        description = short_description(lookup, whole, rng)
        if 2 <= len(chosen) <= MAX_SEVERAL and not is_plural(chosen[0]) and description is not None:
            return "", f" of {description.words()}", lookup.left_to_right(chosen)
    return None


def empty(lookup: Lookup, rng: np.random.Generator) -> Turn:
    """A target that is not there; the answer says so and holds no segment."""
    family, description = absent(lookup, rng)
    answer = write(pick(rng, NONE), rng, none=none_of(description))
    asked = instruction("referring", rng, phrase=description.words())
    return turn("generalized_referring", "object", family, asked, grounded(answer))


def mixed(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """One or two targets that are there and one that is not."""
    chosen = describable(lookup, rng, 1 + int(rng.random() * 2))
    if not chosen:
        return None
    _, missing = absent(lookup, rng)
    phrases = [description.words() for _, description in chosen]
    mentions = [Mention(phrase, (e.id,)) for phrase, (e, _) in zip(phrases, chosen, strict=True)]
    words = {"is": be([e for e, _ in chosen]), "none": none_of(missing)}
    answer = write(pick(rng, MIXED), rng, targets=listing(mentions), **words)
    asked = instruction("several", rng, phrases=join_list(shuffled(rng, [*phrases, missing.words()])))
    return turn("generalized_referring", "object", "mixed", asked, grounded(answer))


def all_of_kind(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """All things of one name behind one phrase, one segment each, in reading order."""
    clear = [lookup.clearly_called(name) for name in dict.fromkeys(e.name for e in lookup.things)]
    groups = [g for g in clear if 0 < len(g) <= MAX_SEMANTIC and all(e.parent is None and not e.stuff for e in g)]
    if not groups:
        return None
    group = pick(rng, groups)
    return semantic(lookup, group, group[0].name, group[0].plural, "kind", rng)


def all_of_category(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """All things of one category ("animals")."""
    groups: dict[str, list[Entity]] = {}
    for thing in lookup.things:
        groups.setdefault(thing.category, []).append(thing)
    chosen = [c for c, group in groups.items() if c in CATEGORY_PLURALS and len(group) <= MAX_SEMANTIC]
    if not chosen:
        return None
    category = pick(rng, chosen)
    return semantic(lookup, groups[category], category, CATEGORY_PLURALS[category], "category", rng)


def all_stuff(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """One stuff of the picture."""
    if not lookup.stuff:
        return None
    entity = pick(rng, lookup.stuff)
    group = lookup.clearly_called(entity.name)
    return semantic(lookup, group, entity.name, entity.name, "stuff", rng) if len(group) == 1 else None


def parts_of_one(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """All parts of one name of one thing: "the wheels of the red car"."""
    for whole in shuffled(rng, (e for e in lookup.things if e.id in lookup.parts))[:2]:
        description = short_description(lookup, whole, rng)
        if description is None:
            continue
        part = pick(rng, lookup.descendants(whole))
        group = [e for e in lookup.descendants(whole) if e.name == part.name]
        if len(group) <= MAX_SEMANTIC:
            of = f" of {description.words()}"
            return semantic(lookup, group, part.name + of, part.plural + of, "parts", rng)
    return None


def semantic(
    lookup: Lookup, group: Sequence[Entity], one: str, many: str, family: str, rng: np.random.Generator
) -> Turn:
    """All entities of a group behind one phrase; `one` and `many` are its words without article."""
    ordered = lookup.left_to_right(group)
    phrase = f"the {one if len(ordered) == 1 else many}"
    target = Mention(phrase, tuple(e.id for e in ordered))
    answer = single(ordered, target, rng)
    if ordered[0].stuff and ordered[0].name not in STUFF_ARTICLE:
        asked = instruction("referring", rng, phrase=phrase)  # "all road" is no English
    else:
        asked = instruction("semantic", rng, label=many)
    return turn("semantic", level(ordered[0]), family, asked, grounded(answer))


def none_of_kind(lookup: Lookup, rng: np.random.Generator) -> Turn:
    """All of a kind that is not there."""
    kind = missing_kind(lookup, rng)
    answer = write(pick(rng, NONE), rng, none=f"are no {kind.plural}")
    asked = instruction("semantic", rng, label=kind.plural)
    return turn("semantic", "object", "absent", asked, grounded(answer))


CATEGORY_PLURALS = {
    "vehicle": "vehicles",
    "animal": "animals",
    "person": "people",
    "plant": "plants",
    "fruit": "fruits",
}
