"""Conversation without segments: yes/no, counting, color, place and scene questions; and dialogues down to a part."""

from dataclasses import replace

import numpy as np

from mglmm.instructions import instruction, number_word, plural, sentence_case, with_article
from mglmm.phrasing import Mention, capitalized, grounded, listing, pick, shuffled, write
from mglmm.schema import GroundedText, Turn
from mglmm.world import captions
from mglmm.world.absent import absent, absent_kind, none_of
from mglmm.world.graph import Entity
from mglmm.world.lookup import Lookup
from mglmm.world.phrases import be, indefinite, is_plural, numbered, pronoun
from mglmm.world.referring import (
    PLACES,
    Description,
    at_place,
    by_attribute,
    is_unique,
    short_description,
)
from mglmm.world.targets import MAX_SEVERAL, turn

MAX_COUNT = 12


def said(template: str, rng: np.random.Generator, **slots: str) -> str:
    """The template as a sentence of plain text."""
    return sentence_case("".join(captions.words(write(template, rng, **slots))))


def chat(family: str, asked: str, answer: str, follows: bool = False) -> Turn:
    """A turn of conversation whose answer holds no segment."""
    return turn("conversation", "object", family, asked, GroundedText(text=answer), follows)


def yes_no(lookup: Lookup, rng: np.random.Generator) -> Turn:
    """Is there such a thing? Half of the time there is none (another kind, or the kind in another color)."""
    present = lookup.things + lookup.stuff
    if present and rng.random() < 0.5:
        entity = pick(rng, present)
        thing = indefinite(entity) if entity.stuff or rng.random() < 0.6 else indefinite(bare(entity))
        asked = instruction("yes_no", rng, object=thing)
        return chat("yes", asked, said(pick(rng, YES), rng, thing=thing, **{"is": be([entity])}))
    _, description = absent(lookup, rng)
    thing = description.words(article="" if description.plural_name else "a ")
    return chat("no", instruction("yes_no", rng, object=thing), said(pick(rng, NO), rng, none=none_of(description)))


def bare(entity: Entity) -> Entity:
    """The entity without attributes, to be told by its name alone."""
    return replace(entity, size=None, color=None, pattern="plain")


def counting(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """How many of a kind, how many of its color, how many parts of one thing, sometimes none."""
    draw = rng.random()
    if draw < 0.15 or not lookup.things:
        missing = absent_kind(lookup, rng)
        return count_turn(0, missing.name, missing.plural or missing.name, rng)
    if draw < 0.4:
        return count_parts(lookup, rng)
    first = pick(rng, lookup.things)
    group = lookup.clearly_called(first.name)
    if any(e.parent is not None for e in lookup.called(first.name, loose=True)) or not group:
        return None
    if draw < 0.6 and first.color is not None:
        group = [e for e in group if e.color == first.color]
        return count_turn(len(group), f"{first.color} {first.name}", f"{first.color} {first.plural}", rng)
    return count_turn(len(group), first.name, first.plural, rng)


def count_parts(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """How many parts of one name can be seen of one thing."""
    wholes = [e for e in lookup.things if e.id in lookup.parts]
    for whole in shuffled(rng, wholes)[:2]:
        description = short_description(lookup, whole, rng)
        if description is not None:
            part = pick(rng, lookup.parts[whole.id])
            if part.name in whole.unlisted:
                return None
            count = sum(e.name == part.name for e in lookup.descendants(whole))
            of = f" of {description.words()}"
            return count_turn(count, part.name + of, part.plural + of, rng)
    return None


def count_turn(count: int, one: str, many: str, rng: np.random.Generator) -> Turn | None:
    """The question for a number and its answer; None if there are too many to count."""
    if count > MAX_COUNT:
        return None
    number = plural(count, one, many)
    short = capitalized("none" if count == 0 else number_word(count))
    answer = said(pick(rng, COUNT), rng, number=number, short=short, **{"is": "is" if count == 1 else "are"})
    return chat("count", instruction("count", rng, label=many), answer)


def color(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """What color (and sometimes which pattern) a thing, a part or a stuff has."""
    colored = [e for e in lookup.graph.entities if e.color is not None]
    for entity in shuffled(rng, colored)[:3]:
        description = colorless_description(lookup, entity, rng)
        if description is not None:
            asked = instruction("color", rng, object=description.words())
            return chat("color", asked, color_answer(entity, description.words(), rng))
    return None


def colorless_description(lookup: Lookup, entity: Entity, rng: np.random.Generator) -> Description | None:
    """A unique description that does not tell the color of the entity; None if there is none."""
    plain = Description(entity.name, plural=entity.plural)
    tries = [plain, replace(plain, size=entity.size)]
    tries += [replace(plain, place=place) for place in PLACES if at_place(lookup, entity, place, loose=False)]
    if entity.parent is not None:
        whole = short_description(lookup, lookup.whole(entity), rng)
        tries = [replace(plain, relation=("of", whole))] if whole is not None else []
    return next((d for d in tries if is_unique(lookup, d, entity)), None)


def color_answer(entity: Entity, thing: str, rng: np.random.Generator) -> str:
    """ "It is red.", "The hat is red with a striped pattern."."""
    looks = entity.color or ""
    if entity.pattern != "plain":
        looks += f" and {entity.pattern}"
    words = {"is": be([entity]), "it": pronoun([entity])}
    return said(pick(rng, COLOR), rng, looks=looks, thing=thing, **words)


def side(lookup: Lookup, rng: np.random.Generator) -> Turn | None:
    """On which side of the picture a thing is."""
    for entity in shuffled(rng, lookup.things)[:3]:
        places = [place for place in ("left", "right") if at_place(lookup, entity, place, loose=False)]
        description = by_attribute(lookup, entity, rng)
        if places and description is not None:
            asked = said(pick(rng, SIDE_QUESTIONS), rng, thing=description.words(), **{"is": be([entity])})
            words = {"is": be([entity]), "it": pronoun([entity])}
            return chat("side", asked, said(pick(rng, SIDE), rng, place=PLACES[places[0]], **words))
    return None


def scene(lookup: Lookup, rng: np.random.Generator) -> Turn:
    """Where and when the picture is: the place, the light, the weather, inside or outside."""
    graph = lookup.graph
    facts = {
        "place": (PLACE_QUESTIONS, ("It is {a_setting}.", "The [picture|image] shows {a_setting}.")),
        "indoor": (INDOOR_QUESTIONS, ("It is [inside|indoors].",) if graph.indoor else ("It is [outside|outdoors].",)),
        "light": (LIGHT_QUESTIONS, LIGHT_ANSWERS.get(graph.light, (f"It is {graph.light}.",))),
    }
    if graph.weather is not None:
        facts["weather"] = (WEATHER_QUESTIONS, (f"It is {graph.weather}.", f"The weather is {graph.weather}."))
    name = pick(rng, tuple(facts))
    questions, answers = facts[name]
    answer = said(pick(rng, answers), rng, a_setting=with_article(graph.setting))
    return chat(name, said(pick(rng, questions), rng), answer)


def dialogue(lookup: Lookup, rng: np.random.Generator) -> list[Turn]:
    """A conversation in three or four turns that goes from the picture to a thing, its parts and one part."""
    wholes = [e for e in lookup.things if e.id in lookup.parts]
    for whole in shuffled(rng, wholes)[:3]:
        description = short_description(lookup, whole, rng)
        if description is not None:
            return [*opening(lookup, whole, description.words(), rng), *down_to_part(lookup, whole, rng)]
    return []


def opening(lookup: Lookup, whole: Entity, phrase: str, rng: np.random.Generator) -> list[Turn]:
    """The turns up to the segment of the whole."""
    asked = said(pick(rng, SEGMENT_IT), rng, thing=phrase)
    answer = grounded(write(pick(rng, HERE_IT_IS), rng, thing=Mention(phrase, (whole.id,)), **{"is": be([whole])}))
    if rng.random() < 0.5:
        first = turn("conversation", "panoptic", "dialogue", instruction("gcg", rng), captions.gcg(lookup, rng))
        return [first, turn("conversation", "object", "dialogue", asked, answer, follows=True)]
    return [turn("conversation", "object", "dialogue", asked, answer)]


def down_to_part(lookup: Lookup, whole: Entity, rng: np.random.Generator) -> list[Turn]:
    """The turns behind the segment of the whole: its parts, then one of them, then that one's color."""
    its, it = ITS.get(whole.name, ("their", "them") if is_plural(whole) else ("its", "it"))
    found: list[Turn] = []
    if len(lookup.descendants(whole)) >= 2 and rng.random() < 0.5:
        asked = said(pick(rng, NOW_DESCRIBE), rng, it=it, its=its)
        found.append(turn("conversation", "part", "dialogue", asked, captions.part(lookup, whole, rng), follows=True))
    part = pick(rng, lookup.parts[whole.id])
    group = lookup.left_to_right(e for e in lookup.parts[whole.id] if e.name == part.name)
    if len(group) > MAX_SEVERAL:
        return found
    name = part.name if len(group) == 1 else part.plural
    asked = said(pick(rng, NOW_PART), rng, parts=f"{its} {name}")
    mentions = listing(numbered(group, part.name))
    answer = grounded(write(pick(rng, HERE_IT_IS), rng, thing=mentions, **{"is": be(group)}))
    found.append(turn("conversation", "part", "dialogue", asked, answer, follows=True))
    if part.color is not None and len(group) == 1:
        verb = be([part])
        asked = said(pick(rng, WHAT_COLOR), rng, it=pronoun([part]), **{"is": verb})
        answer_text = color_answer(part, f"the {part.name}", rng)
        found.append(turn("conversation", "part", "dialogue", asked, GroundedText(text=answer_text), follows=True))
    return found


ITS = {"man": ("his", "him"), "boy": ("his", "him"), "woman": ("her", "her"), "girl": ("her", "her")}

YES = ("Yes[, there {is} {thing}|, it shows {thing}|].", "Yes, {thing} [can be seen|{is} there|{is} in the picture].")
NO = ("No[, there {none}|, there {none} here|].", "No, there {none} in the [picture|image].")
COUNT = ("{short}.", "There {is} {number}.", "[We see|You can see] {number}.", "{short}, there {is} {number}.")
COLOR = ("{it} {is} {looks}.", "{thing} {is} {looks}.", "{looks}.")
SIDE_QUESTIONS = (
    "on which side [of the picture |of the image |]{is} {thing}?",
    "{is} {thing} on the left or on the right?",
    "which side {is} {thing} on?",
)
SIDE = ("{it} {is} {place}.", "{place}.", "{it} {is} {place} [of the picture|of the image].")
PLACE_QUESTIONS = (
    "what place is this?",
    "where was [this|the] [picture|image] taken?",
    "what [kind of |]place do we see?",
)
INDOOR_QUESTIONS = ("is this inside or outside?", "is it indoors or outdoors?", "are we inside or outside [here|]?")
LIGHT_QUESTIONS = ("is it day or night?", "what time of day is it?", "what is the light like?")
WEATHER_QUESTIONS = ("what is the weather like?", "how is the weather?", "what weather do we see?")
LIGHT_ANSWERS = {
    "day": ("It is day.", "It is in the day."),
    "dusk": ("It is evening.", "It is getting dark, it is evening."),
    "night": ("It is night.", "It is dark, it is night."),
}
SEGMENT_IT = (
    "[please |]segment {thing}.",
    "where is {thing}? segment it.",
    "[find|show me|mark] {thing}.",
    "can you [find|segment|mark] {thing}?",
)
HERE_IT_IS = ("Here {is} {thing}.", "{thing}.", "Yes, here {is} {thing}.")
NOW_DESCRIBE = (
    "[now|and now] describe {it} in detail, with masks.",
    "what parts [does {it} have|can you see]? [name|tell] and segment them.",
    "describe {its} parts with masks.",
)
NOW_PART = (
    "[now|and] segment {parts}.",
    "and {parts}?",
    "[show me|mark|find] {parts}[| too| as well].",
    "can you segment {parts} too?",
)
WHAT_COLOR = ("what [color|colour] {is} {it}?", "which color {is} {it}?", "and the color?")
