"""How the package itself tells the masks of a picture: noun phrases, names that fit one thing only, whole captions."""

import re
from collections.abc import Sequence

from mglmm.annotate.looks import place
from mglmm.annotate.records import Looks, Part, Task
from mglmm.colors import COLORS
from mglmm.data.view import CLEAR_GAP
from mglmm.data.vocabulary import STUFF, noun
from mglmm.instructions import ordinal_word
from mglmm.phrasing import Mention, Pieces, capitalized, listing, sentences

THINGS_PER_SENTENCE, PARTS_PER_SENTENCE = 3, 4
"""Told in one sentence. Ours: most sentences of the world's own captions tell as few."""
MAX_ADJECTIVES = 4
"""Words between article and label that are taken over from a caption. Ours."""
ONLY = frozenset({"sky"})
"""Of which there is one, so that people say "the" where it is first told."""

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[.,;:!?]")
_ARTICLES = frozenset({"a", "an", "the"})
_BEHIND = frozenset(
    {
        "and", "are", "at", "behind", "below", "beside", "by", "for", "from", "has", "have", "in", "is", "near", "next",
        "of", "on", "over", "stands", "that", "to", "under", "which", "with", ".", ",", ";", ":", "!", "?",
    }
)  # fmt: skip
"""What may follow a label that ends its noun phrase: "a gray desk on ...", but not "a gray desk lamp"."""
_NO_ADJECTIVE = _BEHIND | _ARTICLES | frozenset(
    {
        "this", "these", "it", "its", "there", "one", "two", "three", "four", "five", "several", "many", "some", "any",
        "each", "every", "no", "another", "other", "my", "his", "her", "their", "our", "your", "he", "she", "they",
        "we", "picture", "photo", "image",
    }
)  # fmt: skip


def adjectives(label: str, looks: Looks, others: str = "") -> str:
    """`others` (such as a size) and the measured color of a thing, without the words that its label holds itself."""
    named = set(label.lower().split())
    colored = not named.isdisjoint(COLORS)
    words = [*others.split(), "" if colored or looks.color is None else looks.color]
    return " ".join(word for word in words if word and word not in named)


def introduced(label: str, describing: str = "") -> str:
    """A thing as it is told first: "a red car", "black hair", "blue trousers", "the sky"."""
    return f"the {label}" if not describing and label.lower() in ONLY else noun(label).indefinite(describing)


def describing(part: Part) -> str:
    """The words before a thing's label: those that its caption begins with, else its measured color.

    "A purple checked lamp on the left. ..." gives "purple checked".
    """
    label, words = part.label.lower().split(), _WORD.findall(part.caption)
    if words and words[0].lower() in _ARTICLES:
        words = words[1:]
    elif words:
        words[0] = words[0].lower()
    plain = [word.lower() for word in words]
    for k in range(min(MAX_ADJECTIVES, len(words) - len(label)) + 1):
        if plain[k : k + len(label)] == label and _BEHIND.issuperset(plain[k + len(label) :][:1]):
            return " ".join(words[:k])
        # "a standing child", but not "a man riding red cars"
        if plain[k] in _NO_ADJECTIVE or (k > 0 and plain[k].endswith("ing")):
            break
    return adjectives(part.label, part.looks)


def references(parts: Sequence[Part]) -> dict[int, str]:
    """Node -> a name that fits it and no other of the parts, for those that have one.

    By its words if they are enough ("the gray desk"), else by its place ("the sofa on the left"), else by its order
    among its like ("the second cup from the left", "... from the top"), if nobody could take it for its neighbor.
    """
    found = {}
    said = {part.id: describing(part) for part in parts}
    words = {part.id: {*said[part.id].lower().split(), *part.label.lower().split()} for part in parts}
    sides = {part.id: _sides(part) for part in parts}
    by_head: dict[str, list[Part]] = {}
    for part in parts:
        by_head.setdefault(_head(part), []).append(part)
    for part in parts:
        name = f"the {said[part.id]} {part.label}".replace("  ", " ")
        alike = [other for other in by_head[_head(part)] if words[other.id].issuperset(said[part.id].lower().split())]
        there = [other for other in alike if sides[part.id] <= sides[other.id]]
        if len(alike) == 1:
            found[part.id] = name
        elif len(there) == 1:
            found[part.id] = f"{name} {place(part.looks)}"
        else:
            for center, start in ((_column, "left"), (_row, "top")):
                away = [abs(center(other)[0] - center(part)[0]) for other in alike if other is not part]
                if min(away) >= CLEAR_GAP:
                    order = ordinal_word(sorted(alike, key=center).index(part))
                    found[part.id] = f"the {order} {name.removeprefix('the ')} from the {start}"
                    break
    return found


def composed(task: Task) -> Pieces:
    """The pieces of a plain caption that tells a whole and its parts, or the things of a picture.

    Every mask has a phrase of its own. Of a picture first the stuff, downwards, then the things from left to right,
    each with its place in the picture; of a thing its parts, the large ones first and alike ones together, each with
    its place in the thing.
    """
    if task.whole is not None:
        return _of_whole(task.whole, task.name, _grouped(task.parts))
    stuff = sorted((part for part in task.parts if part.stuff or _head(part) in STUFF), key=_row)
    things = sorted((part for part in task.parts if part not in stuff), key=_column)
    mentions = _introduced((*stuff, *things))
    told: list[Pieces] = [
        [mention, f" {place(part.looks)}"] for mention, part in zip(mentions[len(stuff) :], things, strict=True)
    ]
    shows = "it also shows " if stuff else "the picture shows "
    shows = f"From left to right, {shows}" if len(things) > 1 else capitalized(shows)
    return sentences(
        ["The picture shows ", *listing(mentions[: len(stuff)]), "."] if stuff else [],
        _rows(told, shows, "Further to the right, it shows ", THINGS_PER_SENTENCE),
    )


def _of_whole(whole: Part, name: str, parts: Sequence[Part]) -> Pieces:
    opening: Pieces = [f"{'These are' if noun(whole.label).pair else 'This is'} ", Mention(name, (whole.id,)), "."]
    told: list[Pieces] = [
        [mention, f" {place(_within(part.looks, whole.looks))}"]
        for mention, part in zip(_introduced(parts), parts, strict=True)
    ]
    return sentences(opening, _rows(told, "You can see ", "You can also see ", PARTS_PER_SENTENCE))


def _rows(told: Sequence[Pieces], first: str, more: str, length: int) -> Pieces:
    """What is told in sentences of at most `length` things that begin with `first`, then with `more`."""
    rows = [told[k : k + length] for k in range(0, len(told), length)]
    return sentences(*([first if k == 0 else more, *listing(row), "."] for k, row in enumerate(rows)))


def _grouped(parts: Sequence[Part]) -> list[Part]:
    """The large parts before the small ones; those that read the same together, from left to right."""
    groups: dict[str, list[Part]] = {}
    for part in sorted(parts, key=lambda p: (-p.looks.share, p.id)):
        groups.setdefault(introduced(part.label, describing(part)), []).append(part)
    return [part for group in groups.values() for part in sorted(group, key=_column)]


def _introduced(parts: Sequence[Part]) -> list[Mention]:
    """Each part as it is told first: "a cup", then "another cup" for one that reads the same."""
    phrases = [introduced(part.label, describing(part)) for part in parts]
    mentions = []
    for k, (part, phrase) in enumerate(zip(parts, phrases, strict=True)):
        again = phrase in phrases[:k] and phrase.startswith(("a ", "an "))
        mentions.append(Mention(f"another {phrase.split(' ', 1)[1]}" if again else phrase, (part.id,)))
    return mentions


def _within(looks: Looks, whole: Looks) -> Looks:
    """The looks of a part with its box as shares of the whole's box, which holds most of it."""
    (x, y, width, height), (left, top, whole_width, whole_height) = looks.box_xywh, whole.box_xywh
    box = ((x - left) / whole_width, (y - top) / whole_height, width / whole_width, height / whole_height)
    return looks.model_copy(update={"box_xywh": box})


def _head(part: Part) -> str:
    return part.label.lower().split()[-1]


def _sides(part: Part) -> set[str]:
    """ "left" also fits what is at the top left; the middle is a side of its own."""
    return {"left", "right", "top", "bottom", "middle"}.intersection(place(part.looks).split())


def _column(part: Part) -> tuple[float, int]:
    x, _, width, _ = part.looks.box_xywh
    return x + width / 2, part.id


def _row(part: Part) -> tuple[float, int]:
    _, y, _, height = part.looks.box_xywh
    return y + height / 2, part.id
