"""Captions of a picture and of one thing: what is told, and in which order, is a fixed rule; only words vary.

Panoptic: the stuff from top to bottom, then the things from left to right (a thing is told right after the one that it
stands on, is held by or is ridden by). Fine-grained: the whole, then its parts in the order of the graph, parts of
parts right after their parent.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from mglmm.instructions import with_article
from mglmm.phrasing import Mention, Pieces, capitalized, grounded, listing, pick, write
from mglmm.schema import GroundedText
from mglmm.world.graph import Entity
from mglmm.world.lookup import Lookup
from mglmm.world.phrases import Introduction, be, definite, is_plural, pronoun

MAX_MENTIONS = 12
"""A caption tells at most so many segments (the largest); a longer one is more than a small model writes well."""
MIN_STUFF_SHARE = 0.01
MAIN_THINGS = 4
MAIN_SHARE = 0.004
GUEST_OF_OBJECT = ("on", "inside", "under")
GUEST_OF_SUBJECT = ("riding", "holding", "wearing")


def panoptic(lookup: Lookup, rng: np.random.Generator) -> GroundedText:
    """The caption of the whole picture: its setting, then every told stuff and thing with its segment."""
    told = told_in_panoptic(lookup)
    introduction = Introduction()
    stuff = [introduction.of(e) for e in lookup.top_to_bottom(e for e in told if e.stuff)]
    pieces: Pieces = [scene_sentence(lookup, rng)]
    if stuff:
        pieces += write(pick(rng, STUFF_SENTENCES), rng, stuff=listing(stuff))
    groups = grouped(lookup, [e for e in told if not e.stuff], introduction, rng)
    if groups:
        cut = (len(groups) + 1) // 2 if len(groups) > 4 else len(groups)
        pieces += write(pick(rng, THING_SENTENCES if len(groups) > 1 else ONE_THING), rng, things=listing(groups[:cut]))
        if cut < len(groups):
            pieces += write(pick(rng, MORE_THINGS), rng, things=listing(groups[cut:]))
    return grounded(spaced(pieces))


def told_in_panoptic(lookup: Lookup) -> list[Entity]:
    """The things, and the stuff above `MIN_STUFF_SHARE`, at most `MAX_MENTIONS`, the largest."""
    told = lookup.things + [e for e in lookup.stuff if lookup.share(e) >= MIN_STUFF_SHARE]
    return sorted(told, key=lambda e: -e.area)[:MAX_MENTIONS]


def part(lookup: Lookup, whole: Entity, rng: np.random.Generator) -> GroundedText:
    """The caption of one thing (or part) with parts: first the whole, then its parts, each with its segment."""
    told = {e.id for e in lookup.told_parts(whole, MAX_MENTIONS - 1)}
    introduction = Introduction()
    items = [part_with_parts(lookup, e, told, introduction) for e in ordered_parts(lookup, whole, told)]
    first = write(pick(rng, WHOLE_SENTENCES), rng, whole=Mention(definite(whole), (whole.id,)))
    has = "have" if is_plural(whole) else "has"
    described = write(pick(rng, PART_SENTENCES), rng, it=capitalized(pronoun([whole])), has=has, parts=listing(items))
    return grounded(spaced([*first, *described]))


def ordered_parts(lookup: Lookup, whole: Entity, told: set[int]) -> list[Entity]:
    """The direct parts among `told`, in the order in which they are told."""
    return [e for group in lookup.part_groups(whole).values() for e in group if e.id in told]


def part_with_parts(lookup: Lookup, entity: Entity, told: set[int], introduction: Introduction) -> Pieces:
    """ "a head with brown hair and a red hat": the part, then its own parts."""
    pieces: Pieces = [introduction.of(entity)]
    inner = [part_with_parts(lookup, e, told, introduction) for e in ordered_parts(lookup, entity, told)]
    return [*pieces, " with ", *listing(inner)] if inner else pieces


def gcg(lookup: Lookup, rng: np.random.Generator) -> GroundedText:
    """The caption of the main things (left to right) and the two largest stuffs (top to bottom), with segments."""
    introduction = Introduction()
    things = grouped(lookup, main_things(lookup), introduction, rng)
    largest = sorted((e for e in lookup.stuff if lookup.share(e) >= MIN_STUFF_SHARE), key=lambda e: -e.area)[:2]
    stuff = listing([introduction.of(e) for e in lookup.top_to_bottom(largest)])
    if things and stuff:
        return grounded(write(pick(rng, GCG_BOTH), rng, things=listing(things), stuff=stuff))
    return grounded(write(pick(rng, GCG_ONE), rng, things=listing(things) or stuff))


def main_things(lookup: Lookup) -> list[Entity]:
    """The `MAIN_THINGS` largest things; tiny ones only if there is nothing else."""
    ranked = sorted(lookup.things, key=lambda e: -e.area)[:MAIN_THINGS]
    return [e for e in ranked if lookup.share(e) >= MAIN_SHARE] or ranked[:1]


def short(lookup: Lookup, rng: np.random.Generator) -> str:
    """One sentence without segments: the two largest things and the setting."""
    ranked = sorted(lookup.things, key=lambda e: -e.area)[:2]
    introduction = Introduction()
    things = "".join(words(listing([introduction.of(e) for e in lookup.left_to_right(ranked)])))
    template = pick(rng, SHORT if things else SHORT_EMPTY)
    return "".join(words(write(template, rng, things=things, place=place_phrase(lookup))))


def long(lookup: Lookup, rng: np.random.Generator) -> str:
    """The panoptic caption without segments, and one more sentence: what is largest, or how many things there are."""
    text = panoptic(lookup, rng).text
    if not lookup.things:
        return text
    largest = max(lookup.things, key=lambda e: e.area)
    sentence = write(pick(rng, LARGEST_SENTENCES), rng, thing=definite(largest), **{"is": be([largest])})
    return f"{text} {''.join(words(sentence))}"


def grouped(
    lookup: Lookup, things: Sequence[Entity], introduction: Introduction, rng: np.random.Generator
) -> list[Pieces]:
    """The things as list items from left to right, each with its guests; neighbours may be joined by a relation."""
    guests = guests_of(lookup, things)
    guest_ids = {g.id for by_predicate in guests.values() for group in by_predicate.values() for g in group}
    heads = lookup.left_to_right(e for e in things if e.id not in guest_ids)
    items: list[Pieces] = []
    before: Entity | None = None
    for head in heads:
        link = joined(lookup, before, head) if before is not None and rng.random() < 0.7 else None
        item = with_guests(lookup, head, guests, introduction)
        if link is not None:
            items[-1] = [*items[-1], f" {link} ", *item]
            before = None
        else:
            items.append(item)
            before = None if head.id in guests else head
    return items


def joined(lookup: Lookup, first: Entity, second: Entity) -> str | None:
    """The predicate that joins two neighbours in this order ("a car in front of a house"), if there is one."""
    return next((p for p in ("in front of", "behind") if lookup.related(first, p, second)), None)


def guests_of(lookup: Lookup, things: Sequence[Entity]) -> dict[int, dict[str, list[Entity]]]:
    """By the id of a host and by predicate: the things that are told right after it. No thing has two hosts."""
    told = {e.id for e in things}
    host: dict[int, int] = {}
    guests: dict[int, dict[str, list[Entity]]] = {}
    for predicates in (GUEST_OF_SUBJECT, GUEST_OF_OBJECT):
        for relation in lookup.graph.relations:
            if relation.predicate not in predicates or not {relation.subject, relation.object} <= told:
                continue
            owner, guest = relation.subject, relation.object
            if predicates is GUEST_OF_OBJECT:
                owner, guest = guest, owner
            if guest not in host and not leads_to(host, owner, guest):
                host[guest] = owner
                guests.setdefault(owner, {}).setdefault(relation.predicate, []).append(lookup.by_id[guest])
    return guests


def leads_to(host: dict[int, int], start: int, end: int) -> bool:
    """True if going from host to host from `start` one comes to `end`."""
    node: int | None = start
    while node is not None:
        if node == end:
            return True
        node = host.get(node)
    return False


def with_guests(
    lookup: Lookup, head: Entity, guests: dict[int, dict[str, list[Entity]]], introduction: Introduction
) -> Pieces:
    """ "a woman riding a blue bicycle", "a brown table with a cup and a book on it"."""
    pieces: Pieces = [introduction.of(head)]
    join = " "
    for predicate in (*GUEST_OF_SUBJECT, *GUEST_OF_OBJECT):
        group = guests.get(head.id, {}).get(predicate)
        if not group:
            continue
        items = listing([with_guests(lookup, e, guests, introduction) for e in lookup.left_to_right(group)])
        if predicate in GUEST_OF_SUBJECT:
            pieces += [f"{join}{predicate} ", *items]
        else:
            pieces += [f"{join}with ", *items, f" {predicate} {'them' if be([head]) == 'are' else 'it'}"]
        join = " and "
    return pieces


def scene_sentence(lookup: Lookup, rng: np.random.Generator) -> str:
    """ "This is a street on a sunny day."."""
    return "".join(words(write(pick(rng, SCENE_SENTENCES), rng, place=place_phrase(lookup))))


def place_phrase(lookup: Lookup) -> str:
    """ "a street on a sunny day": the setting with its weather and light, which text always tells."""
    graph = lookup.graph
    place = PLACE_WORDS.get(graph.setting) or with_article(graph.setting)
    time = TIMES[graph.light]
    if graph.weather is None:
        return place if graph.light == "day" else f"{place} at {time}"
    return f"{place} on {with_article(graph.weather)} {time}"


PLACE_WORDS = {"snow": "a snowy place"}
TIMES = {"day": "day", "dusk": "evening", "night": "night"}


def words(pieces: Iterable[str | Mention]) -> list[str]:
    """The plain text of each piece."""
    return [piece if isinstance(piece, str) else piece.phrase for piece in pieces]


def spaced(pieces: Pieces) -> Pieces:
    """The pieces with one space between a sentence and the next."""
    spread: Pieces = []
    for piece in pieces:
        if spread and isinstance(piece, str) and isinstance(spread[-1], str) and spread[-1].endswith("."):
            spread.append(" ")
        spread.append(piece)
    return spread


SCENE_SENTENCES = ("This is {place}.", "[The picture|The image] shows {place}.", "[Here is|We see] {place}.")
STUFF_SENTENCES = (
    "[The background|The scene] shows {stuff}.",
    "In the background [there is|you can see|we see] {stuff}.",
    "[Behind everything|All around] [there is|we see] {stuff}.",
)
THING_SENTENCES = (
    "From left to right [there are|there are|you can see|we see] {things}.",
    "Going from left to right, [there are|we see] {things}.",
    "The things in it are, from left to right, {things}.",
)
MORE_THINGS = ("Then [come|follow|there are] {things}.", "Further to the right [are|we see] {things}.")
ONE_THING = ("In it [there is|you can see|we see] {things}.", "The scene [has|holds] {things}.")
WHOLE_SENTENCES = ("This is {whole}.", "[Here is|Here we see] {whole}.", "The picture shows {whole}.")
PART_SENTENCES = (
    "{it} {has} {parts}.",
    "{it} {has} the following parts: {parts}.",
    "[Its parts are|The parts are] {parts}.",
    "[We see|You can see] {parts}.",
)
GCG_BOTH = (
    "[The picture|The image|The scene] shows {things}. The background is {stuff}.",
    "[There is|We see|You can see] {things}, with {stuff} around.",
    "[In the picture|In the image] [there is|we see] {things}, with {stuff} in the background.",
)
GCG_ONE = ("[The picture|The image] shows {things}.", "[There is|We see] {things}.")
SHORT = (
    "[The picture shows|We see|This is] {place} with {things}.",
    "[The picture shows|This is] {place} where [we see|there is] {things}.",
)
SHORT_EMPTY = ("[The picture shows {place}|This is {place}|We see {place}].",)
LARGEST_SENTENCES = ("The largest thing [of all|here|in it] {is} {thing}.", "The largest of all {is} {thing}.")
