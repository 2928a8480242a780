"""How the package itself tells the masks of a picture: noun phrases, names that fit one thing only, whole captions."""

import re
from collections.abc import Sequence

from mglmm.annotate.looks import place
from mglmm.annotate.records import Looks, Part, Task
from mglmm.colors import COLORS
from mglmm.data.vocabulary import STUFF, noun
from mglmm.phrasing import Mention, Pieces, capitalized, listing, sentences

THINGS_PER_SENTENCE, PARTS_PER_SENTENCE = 3, 6
"""Told in one sentence. Ours: most sentences of the world's own captions tell as few."""
MAX_ADJECTIVES = 4
"""Words between article and label that are taken over from a caption. Ours."""
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[.,;:!?]")
_ARTICLES = ("a", "an", "the")
_BEHIND = frozenset(
    {
        "and", "are", "at", "behind", "below", "beside", "by", "for", "from", "has", "have", "in", "is", "near", "next",
        "of", "on", "over", "stands", "that", "to", "under", "which", "with", ".", ",", ";", ":", "!", "?",
    }
)  # fmt: skip
"""What may follow a label that ends its noun phrase: "a gray desk on ...", but not "a gray desk lamp"."""
_NO_ADJECTIVE = _BEHIND | {"a", "an", "the", "this", "it", "its", "there", "one", "picture", "photo", "image"}


def adjectives(label: str, looks: Looks, others: str = "") -> str:
    """`others` (such as a size) and the measured color of a thing, without the words that its label holds itself."""
    named = set(label.split())
    colored = not named.isdisjoint(COLORS)
    words = [*others.split(), "" if colored or looks.color is None else looks.color]
    return " ".join(word for word in words if word and word not in named)


def describing(part: Part) -> str:
    """The words before a thing's label: those that its caption begins with, else its measured color.

    "A purple checked lamp on the left. ..." gives "purple checked".
    """
    label, words = part.label.lower().split(), [word.lower() for word in _WORD.findall(part.caption)]
    if words[:1] and words[0] in _ARTICLES:
        words = words[1:]
    for k in range(min(MAX_ADJECTIVES, len(words) - len(label)) + 1):
        if words[k : k + len(label)] == label and _BEHIND.issuperset(words[k + len(label) :][:1]):
            return " ".join(words[:k])
        if words[k : k + 1] and words[k] in _NO_ADJECTIVE:
            break
    return adjectives(part.label, part.looks)


def references(parts: Sequence[Part]) -> dict[int, str]:
    """Node -> a name that fits it and no other.

    By its words if they are enough ("the gray desk"), else by its place ("the sofa on the left"), else by its order
    among its like ("the second cup from the left").
    """
    fits = {part.id: frozenset((*describing(part).split(), *part.label.lower().split())) for part in parts}
    found = {}
    for part in parts:
        alike = [other for other in parts if fits[part.id] <= fits[other.id]]
        name = f"the {describing(part)} {part.label}".replace("  ", " ")
        there = [other for other in alike if place(other.looks) == place(part.looks)]
        if len(alike) == 1:
            found[part.id] = name
        elif len(there) == 1:
            found[part.id] = f"{name} {place(part.looks)}"
        else:
            order = sorted(alike, key=_column).index(part) + 1
            found[part.id] = f"the {_ordinal(order)} {name.removeprefix('the ')} from the left"
    return found


def composed(task: Task) -> Pieces:
    """The pieces of a plain caption that tells a whole and its parts, or the things of a picture.

    Every mask has a phrase of its own. Those that read the same are told with their place where it tells them apart: "a
    sofa on the left and another sofa at the bottom". Of a picture first the stuff, downwards, then the things from left
    to right; of a thing its parts, downwards.
    """
    if task.whole is not None:
        return _of_whole(task.whole, task.name, sorted(task.parts, key=_row))
    stuff = sorted((part for part in task.parts if part.stuff or part.label in STUFF), key=_row)
    things = sorted((part for part in task.parts if part not in stuff), key=_column)
    told = dict(zip((p.id for p in (*stuff, *things)), _introduced((*stuff, *things)), strict=True))
    shows = "it also shows " if stuff else "the picture shows "
    shows = f"From left to right, {shows}" if len(things) > 1 else capitalized(shows)
    return sentences(
        ["The picture shows ", *listing([told[part.id] for part in stuff]), "."] if stuff else [],
        _rows([told[part.id] for part in things], shows, "Further to the right, it shows ", THINGS_PER_SENTENCE),
    )


def _of_whole(whole: Part, name: str, parts: Sequence[Part]) -> Pieces:
    opening: Pieces = [f"{'These are' if noun(whole.label).pair else 'This is'} ", Mention(name, (whole.id,)), "."]
    return sentences(opening, _rows(_introduced(parts), "You can see ", "You can also see ", PARTS_PER_SENTENCE))


def _rows(told: Sequence[Pieces], first: str, more: str, length: int) -> Pieces:
    """What is told in sentences of at most `length` things that begin with `first`, then with `more`."""
    rows = [told[k : k + length] for k in range(0, len(told), length)]
    return sentences(*([first if k == 0 else more, *listing(row), "."] for k, row in enumerate(rows)))


def _introduced(parts: Sequence[Part]) -> list[Pieces]:
    """Each part as it is told first, with its place if others read the same and lie elsewhere."""
    phrases = [noun(part.label).indefinite(describing(part)) for part in parts]
    told: list[Pieces] = []
    for k, (part, phrase) in enumerate(zip(parts, phrases, strict=True)):
        again = phrase in phrases[:k] and phrase.startswith(("a ", "an "))
        mention = Mention(f"another {phrase.split(' ', 1)[1]}" if again else phrase, (part.id,))
        places = {place(other.looks) for other, same in zip(parts, phrases, strict=True) if same == phrase}
        told.append([mention, f" {place(part.looks)}"] if len(places) > 1 else [mention])
    return told


def _ordinal(number: int) -> str:
    """ "first" to "tenth", then "11th"."""
    if number <= len(ORDINALS):
        return ORDINALS[number - 1]
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def _column(part: Part) -> tuple[float, int]:
    x, _, width, _ = part.looks.box_xywh
    return x + width / 2, part.id


def _row(part: Part) -> tuple[float, int]:
    _, y, _, height = part.looks.box_xywh
    return y + height / 2, part.id
