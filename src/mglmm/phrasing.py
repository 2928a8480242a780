"""Composing grounded text: pieces of words and mentions, templates filled with them, random choices that stay cheap."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from mglmm.instructions import expand
from mglmm.schema import GroundedText, Span

T = TypeVar("T")

_SLOT = re.compile(r"\{(\w+)\}")


class Mention(NamedTuple):
    """A phrase of a text that is tied to segments (their ids, in order)."""

    phrase: str
    ids: tuple[int, ...]


Piece = str | Mention
Pieces = list[Piece]


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of `choices`, all equally likely."""
    return choices[int(rng.random() * len(choices))]


def shuffled(rng: np.random.Generator, items: Iterable[T]) -> list[T]:
    """The items in random order."""
    items = list(items)
    return [items[i] for i in np.argsort(rng.random(len(items)))]


def fill(template: str, **slots: Piece | Sequence[Piece]) -> Pieces:
    """The pieces of `template` with every `{slot}` replaced by its text, mention or pieces.

    Raises:
        KeyError: the template has a slot that was not given.

    >>> fill("Here is {it}.", it=Mention("the cat", (3,)))
    ['Here is ', Mention(phrase='the cat', ids=(3,)), '.']
    """
    pieces: Pieces = []
    for index, text in enumerate(_SLOT.split(template)):
        value = text if index % 2 == 0 else slots[text]
        pieces.extend([value] if isinstance(value, str | Mention) else value)
    return [piece for piece in pieces if piece]


def write(template: str, rng: np.random.Generator, **slots: Piece | Sequence[Piece]) -> Pieces:
    """`fill` after the choices `[a|b]` of the template were made."""
    return fill(expand(template, rng), **slots)


def listing(items: Sequence[Piece | Sequence[Piece]], last: str = "and") -> Pieces:
    """The items in a row.

    >>> words(listing(["a", "b", "c"]))
    'a, b and c'
    """
    pieces: Pieces = []
    for index, item in enumerate(items):
        if index:
            pieces.append(f" {last} " if index == len(items) - 1 else ", ")
        pieces.extend([item] if isinstance(item, str | Mention) else item)
    return pieces


def sentences(*parts: Sequence[Piece]) -> Pieces:
    """The parts in a row with a space between them; empty parts are left out.

    >>> words(sentences(["A."], [], ["B."]))
    'A. B.'
    """
    pieces: Pieces = []
    for part in parts:
        if part and pieces:
            pieces.append(" ")
        pieces.extend(part)
    return pieces


def words(pieces: Iterable[Piece]) -> str:
    """The plain text of the pieces in a row."""
    return "".join(piece if isinstance(piece, str) else piece.phrase for piece in pieces)


def grounded(pieces: Iterable[Piece]) -> GroundedText:
    """The text of all pieces in a row, its mentions as spans; an opening word that is not a mention is capitalized.

    >>> grounded(["here is ", Mention("the cat", (3,)), "."])
    GroundedText(text='Here is the cat.', spans=(Span(start=8, end=15, segment_ids=(3,)),))
    """
    text, spans = "", []
    for piece in pieces:
        if isinstance(piece, Mention):
            spans.append(Span(start=len(text), end=len(text) + len(piece.phrase), segment_ids=piece.ids))
            text += piece.phrase
        else:
            text += piece if text else capitalized(piece)
    return GroundedText(text=text, spans=tuple(spans))


def counted(number: int, thing: str) -> str:
    """A number of things in words for the terminal.

    >>> counted(1, "picture"), counted(1200, "picture")
    ('1 picture', '1,200 pictures')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def capitalized(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
