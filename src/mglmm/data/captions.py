"""Captions made from annotations: what is told, and in which order, follows from the sample; only the words vary."""

from collections.abc import Sequence

import numpy as np

from mglmm.data.view import Item, Told, View
from mglmm.instructions import expand
from mglmm.phrasing import Mention, Pieces, grounded, listing, pick, sentences, words, write
from mglmm.schema import GroundedText

MAX_WHOLES = 8
MAX_PARTS = 8
"""A caption tells at most so many things: a longer one is more than a small model writes well."""
MAX_MAIN = 3
MAX_WHOLES_WITH_PARTS = 2
MAX_PARTS_IN_PANORAMA = 4

DETAIL = frozenset({"skin"})
"""Parts that are told in the caption of their whole only."""

SHOWS = (
    "[The picture|The image|The photo] shows {things}.",
    "[We see|You can see] {things}[| in the picture].",
    "[In the picture|In the image|Here] [we see|you can see] {things}.",
)
MORE = ("[We also see|You can also see|It also shows] {things}.", "[Besides|Around] [we see|you can see] {things}.")
WHOLE = ("This {is} {whole}.", "[Here {is}|Here we see] {whole}.", "[The picture|The photo] shows {whole}.")
PARTS = (
    "[We see|You can see] {parts}.",
    "[Its parts are|The parts are] {parts}.",
    "The {name} {has} {parts}.",
    "The {name} {has} {parts}.",
)


class Introduction:
    """Tells things one after the other: "a cat", then "another cat" for one that would read the same."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def of(self, told: Told) -> Mention:
        """The mention of one more thing or group."""
        if told.several:
            return Mention(f"many {told.noun.many}", told.ids)
        item = told.items[0]
        phrase = item.noun.indefinite(item.color or "")
        if phrase in self._told and phrase != item.words:
            phrase = f"another {item.words}"
        self._told.add(phrase)
        return Mention(phrase, told.ids)


def panoptic(view: View, rng: np.random.Generator) -> GroundedText | None:
    """The caption of the whole picture: the largest things, label by label, and the main parts where the things are
    few; None if nothing is large enough to be told."""
    told = view.told(view.wholes, MAX_WHOLES)
    if not told:
        return None
    with_parts = sum(bool(view.parts(t.items[0])) for t in told) <= MAX_WHOLES_WITH_PARTS
    introduction = Introduction()
    things = [_with_parts(view, t, introduction, with_parts) for t in told]
    cut = len(things) if len(things) <= 4 else (len(things) + 1) // 2
    first = write(pick(rng, SHOWS), rng, things=listing(things[:cut]))
    rest = write(pick(rng, MORE), rng, things=listing(things[cut:])) if things[cut:] else []
    return grounded(sentences(first, rest))


def _with_parts(view: View, told: Told, introduction: Introduction, with_parts: bool) -> Pieces:
    """ "a person with black hair and blue trousers"."""
    pieces: Pieces = [introduction.of(told)]
    parts = main_parts(view, told.items[0]) if with_parts and not told.several else []
    if parts:
        pieces += [" with ", *listing([introduction.of(part) for part in parts])]
    return pieces


def main_parts(view: View, whole: Item) -> list[Told]:
    """The few largest parts of an item that are told along with it, from top to bottom."""
    return top_to_bottom(view.told((p for p in view.parts(whole) if p.label not in DETAIL), MAX_PARTS_IN_PANORAMA))


def told_parts(view: View, whole: Item) -> list[Told]:
    """The largest parts of an item, from top to bottom."""
    return top_to_bottom(view.told(view.parts(whole), MAX_PARTS))


def top_to_bottom(told: Sequence[Told]) -> list[Told]:
    """Label by label, by the height of the topmost center of each label."""
    height = {t.noun.one: min(i.center[1] for u in told if u.noun == t.noun for i in u.items) for t in told}
    return sorted(told, key=lambda t: height[t.noun.one])


def fine_grained(view: View, whole: Item, rng: np.random.Generator) -> GroundedText | None:
    """The caption of one thing: first the whole, then its parts; None if it has fewer than two."""
    parts = told_parts(view, whole)
    if len(parts) < 2:
        return None
    introduction = Introduction()
    mention = Mention(f"the {whole.words}", (whole.id,))
    first = write(pick(rng, WHOLE), rng, whole=mention, **{"is": whole.noun.verb})
    has = "have" if whole.noun.pair else "has"
    items = listing([_nested(view, part, introduction) for part in parts])
    return grounded(sentences(first, write(pick(rng, PARTS), rng, name=whole.noun.one, has=has, parts=items)))


def _nested(view: View, told: Told, introduction: Introduction) -> Pieces:
    """A part, followed by its own parts: "a head with brown hair"."""
    pieces: Pieces = [introduction.of(told)]
    inner = [] if told.several else main_parts(view, told.items[0])
    if inner:
        pieces += [" with ", *listing([_nested(view, part, introduction) for part in inner])]
    return pieces


def main_things(view: View) -> list[Told]:
    """The few largest things."""
    return view.told(view.wholes, MAX_MAIN)


def gcg(view: View, rng: np.random.Generator) -> GroundedText | None:
    """The caption of the main things with their segments; None if there is nothing to tell."""
    told = main_things(view)
    introduction = Introduction()
    return grounded(write(pick(rng, SHOWS), rng, things=listing([introduction.of(t) for t in told]))) if told else None


def short(view: View, rng: np.random.Generator) -> GroundedText | None:
    """One sentence without segments: the main things, and the main parts of a single one."""
    told = main_things(view)
    if not told:
        return None
    introduction = Introduction()
    things = listing([_with_parts(view, t, introduction, len(told) == 1) for t in told])
    return GroundedText(text=words(write(pick(rng, SHOWS), rng, things=words(things))))


def sentence(template: str, rng: np.random.Generator, **slots: str) -> GroundedText:
    """A template as plain text, without segments."""
    return grounded([expand(template, rng, **slots)])
