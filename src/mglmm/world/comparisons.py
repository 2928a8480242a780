"""The families of reasoning questions that compare things, count them, or follow a relation of the graph."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from mglmm.instructions import number_word
from mglmm.phrasing import pick, shuffled
from mglmm.world.graph import Entity
from mglmm.world.lookup import Lookup
from mglmm.world.phrases import be
from mglmm.world.reasoning import Family, Finder, Found
from mglmm.world.referring import CLEAR_GAP, CLEAR_RATIO, by_attribute, short_description

Measure = Callable[[Entity], float]


def extreme(measure: Measure, margin: Callable[[Lookup, float, float], bool], category: str | None = None) -> Finder:
    """The one thing (of a category) with the largest measure, if `margin(lookup, first, second)` says it is clear."""

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        group = [e for e in lookup.things if category in (None, e.category)]
        if len(group) < 2:
            return None
        first, second = sorted(group, key=measure, reverse=True)[:2]
        return Found([first]) if margin(lookup, measure(first), measure(second)) else None

    return _find


def much_larger(lookup: Lookup, first: float, second: float) -> bool:
    """True if the second area is clearly below the first."""
    return second <= CLEAR_RATIO * first


def much_smaller(lookup: Lookup, first: float, second: float) -> bool:
    """The same for negated areas: the first is the smallest."""
    return first >= CLEAR_RATIO * second


def further(lookup: Lookup, first: float, second: float) -> bool:
    """True if two coordinates differ clearly."""
    return first - second > CLEAR_GAP * lookup.width


def area(entity: Entity) -> float:
    """Visible pixels."""
    return entity.area


def related_things(predicate: str, inverse: bool) -> Finder:
    """The things that stand in the relation to another one, which fills {other}; `inverse`: those that it stands to."""

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        pairs = [r for r in lookup.graph.relations if r.predicate == predicate]
        for relation in shuffled(rng, pairs)[:3]:
            told = lookup.by_id[relation.object if not inverse else relation.subject]
            description = by_attribute(lookup, told, rng)
            if description is None:
                continue
            ids = [
                (r.subject if not inverse else r.object)
                for r in pairs
                if (r.object if not inverse else r.subject) == told.id
            ]
            slots = {"other": description.words(), "verb": be([told])}
            return Found([lookup.by_id[i] for i in dict.fromkeys(ids)], slots)
        return None

    return _find


def beside(side: int) -> Finder:
    """The nearest thing at one side (-1 left, 1 right) of another one, which fills {other}."""

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        for told in shuffled(rng, lookup.things)[:3]:
            description = by_attribute(lookup, told, rng)
            ranked = sorted(
                (e for e in lookup.things if side * (e.center[0] - told.center[0]) > 0),
                key=lambda e: abs(e.center[0] - told.center[0]),
            )
            if description is None or not ranked:
                continue
            xs = [told.center[0], *(e.center[0] for e in ranked[:2])]
            if all(abs(b - a) > CLEAR_GAP * lookup.width for a, b in zip(xs, xs[1:], strict=False)):
                return Found(ranked[:1], {"other": description.words()})
        return None

    return _find


def most_common(lookup: Lookup, rng: np.random.Generator) -> Found | None:
    """All things of the name that occurs most often, at least twice and more often than any other."""
    ranked = Counter(e.name for e in lookup.things).most_common(2)
    if len(ranked) < 2 or ranked[0][1] <= ranked[1][1]:
        return None
    return Found(lookup.clearly_called(ranked[0][0]), {"count": number_word(ranked[0][1])})


def only_one(lookup: Lookup, rng: np.random.Generator) -> Found | None:
    """The one thing whose name occurs once while every other name occurs more often."""
    counts = Counter(e.name for e in lookup.things)
    single = [name for name, count in counts.items() if count == 1]
    return Found(lookup.clearly_called(single[0])) if len(single) == 1 and len(counts) > 1 else None


def of_color(lookup: Lookup, rng: np.random.Generator) -> Found | None:
    """All things of one color, which fills {color}."""
    colors = [e.color for e in lookup.things if e.color is not None]
    if not colors:
        return None
    color = pick(rng, colors)
    return Found([e for e in lookup.things if e.color == color], {"color": color})


def of_pattern(lookup: Lookup, rng: np.random.Generator) -> Found | None:
    """All things with one pattern, which fills {pattern}."""
    patterns = [e.pattern for e in lookup.things if e.pattern != "plain"]
    if not patterns:
        return None
    pattern = pick(rng, patterns)
    return Found([e for e in lookup.things if e.pattern == pattern], {"pattern": pattern})


def odd_color(lookup: Lookup, rng: np.random.Generator) -> Found | None:
    """The one of at least three of a kind whose color differs from all others, which share theirs."""
    for name in shuffled(rng, lookup.by_name):
        group = [e for e in lookup.clearly_called(name) if e.parent is None and e.color is not None]
        counts = Counter(e.color for e in group)
        if len(group) >= 3 and len(counts) == 2 and min(counts.values()) == 1:
            return Found([e for e in group if counts[e.color] == 1], {"names": group[0].plural})
    return None


def same_color(lookup: Lookup, rng: np.random.Generator) -> Found | None:
    """All other things that have the color of one thing, which fills {other}."""
    for told in shuffled(rng, (e for e in lookup.things if e.color is not None))[:4]:
        same = [e for e in lookup.things if e.color == told.color and e is not told]
        description = short_description(lookup, told, rng)
        if same and description is not None and description.color is None:
            return Found(same, {"other": description.words()})
    return None


def wearers(lookup: Lookup, rng: np.random.Generator) -> Found | None:
    """All people who wear a garment of one name and color, which fills {garment}."""
    worn = [e for e in lookup.graph.entities if e.category == "clothing" and lookup.whole(e).category == "person"]
    if not worn:
        return None
    chosen = pick(rng, worn)
    same = {lookup.whole(e).id for e in worn if e.name == chosen.name and e.color == chosen.color}
    people = [e for e in lookup.things if e.id in same]
    garment = f"{chosen.color} {chosen.name}" if chosen.color else chosen.name
    article = "" if chosen.name == chosen.plural else "an " if garment[0] in "aeiou" else "a "
    return Found(people, {"garment": article + garment}) if len(people) < len(lookup.things) else None


def in_state(*states: str) -> Finder:
    """All things in one of the states, which fills {state}."""

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        found = [e.state for e in lookup.things if e.state in states]
        state = pick(rng, found) if found else None
        return Found([e for e in lookup.things if e.state == state], {"state": str(state)}) if state else None

    return _find


COMPARISONS = (
    Family("largest", extreme(area, much_larger),
           ("[which|what] thing takes up the most [space|room] in the picture?",
            "what is the [largest|biggest] thing [here|]?")),
    Family("smallest", extreme(lambda e: -e.area, much_smaller),
           ("what is the smallest thing [here|]?",
            "[which|what] thing takes up the least [space|room] in the picture?")),
    Family("largest_animal", extreme(area, much_larger, "animal"),
           ("which animal [looks|is] the [largest|biggest]?",
            "which animal takes up the most space?")),
    Family("largest_vehicle", extreme(area, much_larger, "vehicle"),
           ("which vehicle [looks|is] the [largest|biggest]?",
            "which vehicle takes up the most space?")),
    Family("largest_person", extreme(area, much_larger, "person"),
           ("which person [looks|is] the [largest|biggest]?",
            "which person takes up the most space?")),
    Family("far_left", extreme(lambda e: -e.center[0], further),
           ("which thing is the furthest to the left?",
            "what [do you see|comes] first from the left?")),
    Family("far_right", extreme(lambda e: e.center[0], further),
           ("which thing is the furthest to the right?",
            "what [do you see|comes] first from the right?")),
    Family("highest", extreme(lambda e: -e.center[1], further),
           ("which thing is the highest in the picture?",
            "what is [higher up|further up] than all other things?")),
    Family("lowest", extreme(lambda e: e.center[1], further),
           ("which thing is the lowest in the picture?",
            "what is [lower|further down] than all other things?")),
    Family("nearest", extreme(lambda e: e.box[3], further),
           ("which thing [stands|is] nearest to [us|the viewer]?",
            "what would you reach first if you walked into the picture?")),
    Family("most_common", most_common,
           ("which kind of thing [is there|occurs] most often?",
            "of what is there more than of anything else?"),
           answers=("There are {count} of them: {targets}.", "[That would be|We see] {targets}.")),
    Family("only_one", only_one,
           ("which thing is the only one of its kind?",
            "of which thing is there just one?")),
    Family("of_color", of_color,
           ("what is {color} [here|in the picture]?",
            "which things have the color {color}?")),
    Family("of_pattern", of_pattern,
           ("what is {pattern} [here|in the picture]?",
            "which things have a {pattern} pattern?")),
    Family("odd_color", odd_color,
           ("which of the {names} has another color than the others?",
            "one of the {names} does not match the others. which one?")),
    Family("same_color", same_color,
           ("what has the same color as {other}?",
            "what else has the color of {other}?")),
    Family("next_left", beside(-1),
           ("what [is|stands] next on the left of {other}?",
            "what do you see first when you go to the left from {other}?")),
    Family("next_right", beside(1),
           ("what [is|stands] next on the right of {other}?",
            "what do you see first when you go to the right from {other}?")),
)  # fmt: skip

RELATIONS = (
    Family("rider", related_things("riding", False),
           ("who [is riding|rides] {other}?",
            "who could fall off {other}?")),
    Family("ridden", related_things("riding", True),
           ("what [is {other} riding|does {other} ride]?",
            "what does {other} sit on and move with?")),
    Family("holder", related_things("holding", False),
           ("who [is holding|holds] {other}?",
            "in whose hand {verb} {other}?")),
    Family("held", related_things("holding", True),
           ("what [is {other} holding|does {other} hold]?",
            "what {verb} in the hand of {other}?")),
    Family("on_top", related_things("on", False),
           ("what is on {other}?",
            "what would fall down if {other} broke?")),
    Family("carrier", related_things("on", True),
           ("what is {other} on?",
            "what is right below {other} and carries it?")),
    Family("below", related_things("under", False),
           ("what is under {other}?",
            "what can be found below {other}?")),
    Family("above", related_things("under", True),
           ("what is {other} under?",
            "what is right above {other}?")),
    Family("inside", related_things("inside", False),
           ("what is inside {other}?",
            "what would fall out of {other} if it was turned over?")),
    Family("container", related_things("inside", True),
           ("what is {other} in?",
            "what holds {other} inside?")),
    Family("hiding", related_things("in front of", False),
           ("what hides a part of {other}?",
            "what [is|stands] in front of {other}?")),
    Family("hidden", related_things("in front of", True),
           ("what is partly hidden by {other}?",
            "what [is|stands] behind {other}?")),
    Family("wearer", wearers,
           ("who [is wearing|wears] {garment}?",
            "whose clothes include {garment}?")),
    Family("sitting", in_state("sitting", "lying"),
           ("who [or what |]is {state}?",
            "who is [at rest|having a rest] and {state}?")),
    Family("walking", in_state("walking", "running", "waving", "standing"),
           ("who is {state} [here|]?",
            "who [or what |]is {state}?")),
)  # fmt: skip
