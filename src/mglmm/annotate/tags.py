"""Captions whose phrases carry the ids of nodes: "<3>a red car</3> with <4,5>two wheels</4,5>"."""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from mglmm.phrasing import Mention, Piece, grounded
from mglmm.schema import GroundedText

_TAG = re.compile(r"<(/?)(\d{1,9}(?:\s*,\s*\d{1,9})*)>")
"""Longer numbers are those of no mask, and the longest cannot be read."""


class Fault(NamedTuple):
    """A rule that is broken, and how, in words that also a model is told."""

    rule: str
    detail: str


def tagged(pieces: Iterable[Piece]) -> str:
    """The text of pieces with a tag around every mention.

    >>> tagged([Mention("two wheels", (4, 5)), "."])
    '<4,5>two wheels</4,5>.'
    """
    return "".join(piece if isinstance(piece, str) else _tag(piece) for piece in pieces)


def parse(text: str, ids: Collection[int]) -> tuple[GroundedText, list[Fault]]:
    """The grounded text of a tagged one, and what is wrong with its tags; `ids`: those that must be told, once each.

    Never fails: a tag that does not fit is left out of the text and its fault told; what is no tag stays in it.
    """
    pieces: list[Piece] = []
    faults: list[Fault] = []
    told: list[int] = []
    opened: tuple[int, ...] = ()
    end = 0
    for tag in _TAG.finditer(text):
        between, end = text[end : tag.start()], tag.end()
        numbers = tuple(int(n) for n in tag[2].split(","))
        closes = tag[1] == "/"
        if closes and numbers == opened and between.strip():
            pieces.append(Mention(between, numbers))
            told += numbers
        else:
            pieces.append(between)
            if closes and numbers == opened:
                faults.append(Fault("empty_phrase", f"the tag {tag[0]} holds no phrase"))
            elif closes or opened:
                faults.append(Fault("broken_tag", f"the tag {tag[0]} does not fit the one before it"))
        opened = () if closes else numbers
    if opened:
        faults.append(Fault("broken_tag", f"the tag <{','.join(map(str, opened))}> is not closed"))
    pieces.append(text[end:])
    faults += _wrong_ids(told, ids)
    known = [p if isinstance(p, str) else _known(p, ids) for p in pieces]
    return grounded([p for p in known if p]), faults


def _wrong_ids(told: list[int], ids: Collection[int]) -> list[Fault]:
    faults = [Fault("unknown_tag", f"there is no mask {k}") for k in sorted(set(told) - set(ids))]
    faults += [Fault("missing_tag", f"mask {k} is not told") for k in sorted(set(ids) - set(told))]
    faults += [Fault("duplicate_tag", f"mask {k} is told twice") for k in sorted(set(told)) if told.count(k) > 1]
    return faults


def _known(mention: Mention, ids: Collection[int]) -> Piece:
    """The mention of those of its ids that exist; plain text if none does."""
    known = tuple(k for k in mention.ids if k in ids)
    return Mention(mention.phrase, known) if known else mention.phrase


def _tag(mention: Mention) -> str:
    ids = ",".join(map(str, mention.ids))
    return f"<{ids}>{mention.phrase}</{ids}>"
