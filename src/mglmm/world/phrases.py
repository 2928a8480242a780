"""From entities to words: noun phrases, lists, and templates filled with phrases that stay tied to their segments."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from mglmm.instructions import expand, with_article
from mglmm.schema import GroundedText, Span
from mglmm.world.graph import Entity


class Mention(NamedTuple):
    """A phrase of a text that is tied to segments (their ids, in order)."""

    phrase: str
    ids: tuple[int, ...]


Piece = str | Mention
Pieces = list[Piece]
T = TypeVar("T")

_SLOT = re.compile(r"\{(\w+)\}")


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of `choices`, all equally likely."""
    return choices[int(rng.random() * len(choices))]


def shuffled(rng: np.random.Generator, items: Iterable[T]) -> list[T]:
    """The items in random order."""
    keyed = [(rng.random(), index, item) for index, item in enumerate(items)]
    return [item for _, _, item in sorted(keyed, key=lambda k: k[:2])]


def fill(template: str, **slots: Piece | Sequence[Piece]) -> Pieces:
    """The pieces of `template` with every `{slot}` replaced by its text, mention or pieces.

    Raises:
        KeyError: the template has a slot that was not given.
    """
    pieces: Pieces = []
    for index, text in enumerate(_SLOT.split(template)):
        if index % 2 == 0:
            pieces.append(text)
            continue
        value = slots[text]
        if isinstance(value, str | Mention):
            pieces.append(value)
        else:
            pieces.extend(value)
    return pieces


def write(template: str, rng: np.random.Generator, **slots: Piece | Sequence[Piece]) -> Pieces:
    """`fill` after the choices `[a|b]` of the template were made."""
    return fill(expand(template, rng), **slots)


def grounded(pieces: Iterable[Piece]) -> GroundedText:
    """The text of all pieces in a row, its mentions as spans; an opening word that is not a mention is capitalised."""
    text, spans = "", []
    for piece in pieces:
        if isinstance(piece, Mention):
            spans.append(Span(start=len(text), end=len(text) + len(piece.phrase), segment_ids=piece.ids))
            text += piece.phrase
        else:
            text += piece if text else capitalized(piece)
    return GroundedText(text=text, spans=tuple(spans))


def capitalized(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def listing(items: Sequence[Piece | Sequence[Piece]], last: str = "and") -> Pieces:
    """The items in a row: "a", "a and b", "a, b and c"."""
    pieces: Pieces = []
    for index, item in enumerate(items):
        if index:
            pieces.append(f" {last} " if index == len(items) - 1 else ", ")
        if isinstance(item, str | Mention):
            pieces.append(item)
        else:
            pieces.extend(item)
    return pieces


STUFF_ARTICLE = {"sky": "the", "grass": "", "sand": "", "snow": "", "water": "", "hills": ""}
"""How stuff is introduced; what is not listed can be counted ("a road")."""


def is_plural(entity: Entity) -> bool:
    """True if one such entity is told in the plural: trousers, hills."""
    return entity.name.endswith("s") and entity.name == entity.plural and entity.name not in MASS


MASS = frozenset({"grass", "glass"})
"""Names that end in s but are told in the singular."""


def be(entities: Sequence[Entity]) -> str:
    """The verb "is" or "are" that fits them as a subject."""
    return "are" if len(entities) > 1 or is_plural(entities[0]) else "is"


def pronoun(entities: Sequence[Entity]) -> str:
    """ "they", "he", "she" or "it"."""
    if be(entities) == "are":
        return "they"
    return PEOPLE.get(entities[0].name, "it")


def this(entities: Sequence[Entity]) -> str:
    """ "This" or "These"."""
    return "These" if be(entities) == "are" else "This"


PEOPLE = {"man": "he", "boy": "he", "woman": "she", "girl": "she"}


def noun(entity: Entity) -> str:
    """[size] [color] [pattern] name: "large red striped car"."""
    words = [entity.size, entity.color, None if entity.pattern == "plain" else entity.pattern, entity.name]
    return " ".join(word for word in words if word)


def definite(entity: Entity) -> str:
    """The noun phrase with "the"."""
    return f"the {noun(entity)}"


def indefinite(entity: Entity) -> str:
    """The noun phrase as it is told first: "a red car", "blue trousers", "green grass", "the sky"."""
    text = noun(entity)
    if entity.stuff and entity.name in STUFF_ARTICLE:
        return f"{STUFF_ARTICLE[entity.name]} {text}".strip()
    return text if is_plural(entity) or entity.name in UNCOUNTED else with_article(text)


UNCOUNTED = frozenset(
    ("hair", "foliage", "wool", "cargo", "snow", "foam", "bread", "soup", "salad", "cheese", "icing", "bristles")
    + ("branches", "leaves", "pages")
)
"""Names that take no "a": what is not counted, and parts that are many at once."""


class Introduction:
    """Tells entities one after the other: "a red car", then "another red car" for one that would read the same."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._told: set[str] = set()

    def of(self, entity: Entity) -> Mention:
        """The mention of one more entity."""
        phrase = indefinite(entity)
        if phrase in self._told and phrase != noun(entity):
            phrase = f"another {noun(entity)}"
        self._told.add(phrase)
        return Mention(phrase, (entity.id,))


def mention(entity: Entity) -> Mention:
    """The definite mention of one entity."""
    return Mention(definite(entity), (entity.id,))


def numbered(entities: Sequence[Entity], words: str | None = None) -> list[Mention]:
    """One mention each, those that would read the same are numbered: "the first window", "the second window".

    `words` replaces the noun phrase of every entity.
    """
    nouns = [words or noun(entity) for entity in entities]
    count: dict[str, int] = {}
    mentions = []
    for entity, text in zip(entities, nouns, strict=True):
        count[text] = count.get(text, 0) + 1
        ordinal = f"{ORDINALS[count[text] - 1]} " if nouns.count(text) > 1 else ""
        mentions.append(Mention(f"the {ordinal}{text}", (entity.id,)))
    return mentions


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
