"""Conversation made from annotations: yes or no, counting, color; and dialogues from the whole to a part."""

import numpy as np

from mglmm.data import captions
from mglmm.data.targets import absent, ask, described, level, single, turn
from mglmm.data.view import Item, View
from mglmm.data.vocabulary import noun
from mglmm.instructions import instruction, number_word, plural, sentence_case
from mglmm.phrasing import Mention, grounded, pick, shuffled, words, write
from mglmm.schema import GroundedText, Turn

MAX_COUNT = 6
"""More than this is not counted: the annotations are not sure either."""

YES = ("Yes[, there {is} {thing}|, it shows {thing}|].", "Yes, {thing} [can be seen|{is} there|{is} in the picture].")
NO = ("No[, there {none}|, there {none} here|].", "No, there {none} in the [picture|image].")
COUNT = ("{short}.", "There {is} {number}.", "[We see|You can see] {number}.", "{short}, there {is} {number}.")
COLOR = ("{it} {is} {color}.", "{thing} {is} {color}.", "{color}.")
NOW_DESCRIBE = (
    "[now|and now] describe it in detail, with masks.",
    "what parts [does it have|can you see]? [name|tell] and segment them.",
    "describe its parts with masks.",
)
NOW_PART = (
    "[now|and] segment {part}.",
    "and {part}?",
    "[show me|mark|find] {part}[| too| as well].",
    "can you segment {part} too?",
)
WHAT_COLOR = ("what [color|colour] {is} {it}?", "which color {is} {it}?", "and the color?")


def _chat(family: str, asked: str, template: str, rng: np.random.Generator, **slots: str) -> Turn:
    return turn("conversation", "object", family, asked, captions.sentence(template, rng, **slots))


def yes_no(view: View, rng: np.random.Generator) -> Turn | None:
    """Is there such a thing? Half of the time there is none."""
    if view.items and rng.random() < 0.5:
        item = pick(rng, list(view.items.values()))
        thing = item.noun.indefinite(item.color or "") if rng.random() < 0.5 else item.noun.indefinite()
        asked = instruction("yes_no", rng, object=thing)
        return _chat("yes", asked, pick(rng, YES), rng, thing=thing, **{"is": item.noun.verb})
    missing = absent(view, rng)
    if missing is None:
        return None
    _, verb, text = missing
    adjective, _, label = text.rpartition(" ") if missing[0] == "near_miss_color" else ("", "", text)
    asked = instruction("yes_no", rng, object=noun(label).indefinite(adjective))
    return _chat("no", asked, pick(rng, NO), rng, none=f"{verb} no {text}")


def counting(view: View, rng: np.random.Generator) -> Turn | None:
    """How many of a label, of which every instance is marked; sometimes none."""
    countable = (n for n in view.sample.exhaustive if n not in view.uncounted)
    complete = [n for n in countable if not noun(n).mass and not noun(n).pair]
    there = [n for n in complete if n in view.by_label and len(view.by_label[n]) <= MAX_COUNT]
    missing = [n for n in complete if n in view.absent]
    choices = there if there and (not missing or rng.random() < 0.8) else missing
    if not choices:
        return None
    word = noun(label := pick(rng, choices))
    count = len(view.by_label.get(label, ()))
    number, short = plural(count, word.one, word.many), "none" if count == 0 else number_word(count)
    verb = "is" if count == 1 else "are"
    asked = instruction("count", rng, label=word.many)
    return _chat("count", asked, pick(rng, COUNT), rng, number=number, short=short, **{"is": verb})


def color(view: View, rng: np.random.Generator) -> Turn | None:
    """What color something has that can be told without its color."""
    for item in shuffled(rng, (i for i in view.single_out if i.color is not None)):
        phrase = _colorless(view, item)
        if phrase is not None:
            asked = instruction("color_plural" if item.noun.pair else "color", rng, object=phrase)
            return _chat("color", asked, pick(rng, COLOR), rng, thing=phrase, **_color_words(item))
    return None


def _colorless(view: View, item: Item) -> str | None:
    found = [
        phrase
        for family, phrases in view.descriptions(item).items()
        for phrase in phrases
        if family not in ("color", "caption") and item.words not in phrase
    ]
    return f"the {found[0]}" if found else None


def _color_words(item: Item) -> dict[str, str]:
    return {"color": item.color or "", "is": item.noun.verb, "it": item.noun.pronoun}


def dialogue(view: View, rng: np.random.Generator) -> list[Turn]:
    """A conversation of two to four turns from the picture or a thing to its parts, one part and that part's color."""
    for whole in shuffled(rng, view.wholes):
        parts = [p for p in view.parts(whole) if "label" in view.descriptions(p)]
        found = described(view, whole, rng)
        if parts and found is not None:
            return [*_opening(view, whole, found[1], rng), *_down_to(view, whole, pick(rng, parts), rng)]
    return []


def _opening(view: View, whole: Item, phrase: str, rng: np.random.Generator) -> list[Turn]:
    """The picture as a whole or the thing in it."""
    caption = captions.gcg(view, rng)
    if caption is not None and rng.random() < 0.5:
        return [turn("conversation", "panoptic", "dialogue", instruction("gcg", rng), caption)]
    answer = grounded(single(Mention(phrase, (whole.id,)), whole.noun.verb, rng))
    asked = ask(phrase, whole.noun.verb, rng)
    return [turn("conversation", "object", "dialogue", asked, answer)]


def _down_to(view: View, whole: Item, part: Item, rng: np.random.Generator) -> list[Turn]:
    """The parts of the thing, then one of them, then that one's color."""
    found = []
    caption = captions.fine_grained(view, whole, rng)
    if caption is not None and rng.random() < 0.5:
        asked = (
            instruction("fine_grained_segcap", rng, object=f"the {whole.noun.one}")
            if whole.label == "person"
            else _asked(pick(rng, NOW_DESCRIBE), rng)
        )
        found.append(turn("conversation", "part", "dialogue", asked, caption, follows=True))
    phrase = f"the {part.noun.one}"
    answer = grounded(single(Mention(phrase, (part.id,)), part.noun.verb, rng))
    asked = _asked(pick(rng, NOW_PART), rng, part=phrase)
    found.append(turn("conversation", level(part), "dialogue", asked, answer, follows=True))
    if part.color is not None:
        slots = _color_words(part)
        answer = captions.sentence(pick(rng, COLOR), rng, thing=phrase, **slots)
        asked = _asked(pick(rng, WHAT_COLOR), rng, **{"is": slots["is"], "it": slots["it"]})
        found.append(turn("conversation", "part", "dialogue", asked, GroundedText(text=answer.text), follows=True))
    return found


def _asked(template: str, rng: np.random.Generator, **slots: str) -> str:
    return sentence_case(words(write(template, rng, **slots)))
