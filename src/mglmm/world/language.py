"""All that is said about one picture: the turns of every task, made from its scene graph by grammar."""

import numpy as np

from mglmm.instructions import instruction
from mglmm.phrasing import shuffled
from mglmm.schema import GroundedText, Turn
from mglmm.world import captions, comparisons, families, families_inside, families_parts, questions, targets
from mglmm.world.graph import Entity, SceneGraph
from mglmm.world.lookup import Lookup
from mglmm.world.reasoning import Family, reasoning
from mglmm.world.referring import by_part, short_description

FAMILIES: tuple[Family, ...] = (
    *families.TRAVEL,
    *families.ANIMALS,
    *families.PEOPLE,
    *families.BUILDINGS,
    *families.PLANTS,
    *families.GROUND,
    *families.OUTSIDE,
    *families_inside.FURNITURE,
    *families_inside.KITCHEN,
    *families_inside.USES,
    *families_parts.MACHINES,
    *families_parts.BODIES,
    *families_parts.CLOTHES,
    *families_parts.HOMES,
    *comparisons.COMPARISONS,
    *comparisons.RELATIONS,
)
"""All families of reasoning questions."""


def turns(graph: SceneGraph, rng: np.random.Generator) -> list[Turn]:
    """All the conversations of one picture as a flat list; a turn with `follows` goes on with the one before it.

    What is impossible in this picture (parts where nothing has parts, ...) is left out; the same graph and generator
    state give the same turns.
    """
    lookup = Lookup(graph)
    found = [*caption_turns(lookup, rng), *part_caption_turns(lookup, rng)]
    found += referring_turns(lookup, rng)
    found += generalized_turns(lookup, rng)
    found += semantic_turns(lookup, rng)
    found += reasoning_turns(lookup, rng)
    found += conversation_turns(lookup, rng)
    return found


def caption_turns(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """Captions of the whole picture: panoptic and GCG with segments, short and sometimes long without."""
    made = targets.turn
    found = [
        made("mgsc", "panoptic", "panoptic", instruction("panoptic_segcap", rng), captions.panoptic(lookup, rng)),
        made("gcg", "panoptic", "gcg", instruction("gcg", rng), captions.gcg(lookup, rng)),
        made("caption", "panoptic", "short", instruction("caption_short", rng), plain(captions.short(lookup, rng))),
    ]
    if rng.random() < 0.3:
        text = plain(captions.long(lookup, rng))
        found.append(made("caption", "panoptic", "long", instruction("caption_long", rng), text))
    return found


def plain(text: str) -> GroundedText:
    """The text without spans."""
    return GroundedText(text=text)


def part_caption_turns(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """Fine-grained captions of up to two things with at least two parts, and sometimes of a part with parts."""
    wholes = [e for e in lookup.things if len(lookup.descendants(e)) >= 2]
    found: list[Turn] = []
    for whole in shuffled(rng, sorted(wholes, key=lambda e: -e.area)[:6]):
        found += part_caption(lookup, whole, rng)
        if len(found) == 2:
            break
    if rng.random() < 0.35:
        parts = [e for e in lookup.graph.entities if e.parent is not None and len(lookup.parts.get(e.id, ())) >= 2]
        for whole in shuffled(rng, parts)[:1]:
            found += part_caption(lookup, whole, rng)
    return found


def part_caption(lookup: Lookup, whole: Entity, rng: np.random.Generator) -> list[Turn]:
    """The fine-grained caption of `whole`, asked for by a unique description; empty if there is none."""
    found = (short_description if whole.parent is None else by_part)(lookup, whole, rng)
    if found is None:
        return []
    asked = instruction("fine_grained_segcap", rng, object=found.words())
    return [targets.turn("mgsc", "part", "part", asked, captions.part(lookup, whole, rng))]


def referring_turns(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """Three things by different families of descriptions, and one or two parts."""
    found: list[Turn] = []
    families = shuffled(rng, ("attribute", "place", "ordinal", "relation"))
    for entity in shuffled(rng, lookup.things):
        made = targets.referring(lookup, entity, rng, families[len(found)])
        found += [made] if made else []
        if len(found) == 3:
            break
    parts = [e for e in lookup.graph.entities if e.parent is not None]
    for entity in shuffled(rng, parts)[:2]:
        made = targets.referring(lookup, entity, rng, "part")
        found += [made] if made else []
    return found


def generalized_turns(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """Several targets, numbered instances, none, and some of them absent."""
    made = [
        targets.several(lookup, rng),
        targets.instances(lookup, rng),
        targets.empty(lookup, rng),
        targets.empty(lookup, rng),
        targets.mixed(lookup, rng),
    ]
    return [turn for turn in made if turn is not None]


def semantic_turns(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """Two of: all of a kind, of a category, a stuff, the parts of one thing, all of an absent kind."""
    makers = (targets.all_of_kind, targets.all_of_category, targets.all_stuff, targets.parts_of_one)
    found = [turn for maker in shuffled(rng, makers) if (turn := maker(lookup, rng)) is not None][:2]
    if rng.random() < 0.3:
        found.append(targets.none_of_kind(lookup, rng))
    return found


def conversation_turns(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """Yes or no, a number, a color, a side or the scene; and a dialogue from the whole to a part."""
    made = [
        questions.yes_no(lookup, rng),
        questions.counting(lookup, rng),
        questions.color(lookup, rng),
        questions.side(lookup, rng) if rng.random() < 0.5 else questions.scene(lookup, rng),
    ]
    return [turn for turn in made if turn is not None] + questions.dialogue(lookup, rng)


def reasoning_turns(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """Two questions of different families."""
    return reasoning(lookup, FAMILIES, rng, 2)
