"""Turns that ask for masks by words: one target, several, all of a label, none, some of them."""

import numpy as np

from mglmm.colors import UNLIKE
from mglmm.data.view import MAX_ONE_BY_ONE, Item, Told, View
from mglmm.data.vocabulary import RIVALS, USES, noun
from mglmm.instructions import instruction, join_list, ordinal_word
from mglmm.phrasing import Mention, Pieces, grounded, listing, pick, shuffled, write
from mglmm.schema import Granularity, GroundedText, Task, Turn

ONE = ("{target}.", "{target}.", "Here {is} {target}.", "{this} {is} {target}.", "[You can see|We see] {target}.")
MANY = ("Here are {targets}.", "[These are|You can see|We see] {targets}.", "{targets}.")
NONE = (
    "There {none} [in the picture|in the image|here].",
    "[Sorry, there|There] {none} [to be seen|to segment|in it].",
    "[The picture|The image] does not show that: there {none}.",
)
MIXED = (
    "Here {is} {targets}, but there {none}.",
    "[You can see|We see] {targets}. There {none}[| here].",
    "There {none}, but here {is} {targets}.",
)
REASON = ("{target}.", "That {is} {target}.", "[It would be|This fits] {target}.")

MAX_LABELS, MAX_SEGMENTS = 12, 32
"""An answer about everything has at most so many phrases and masks. Ours: a longer one does not fit into a row."""


def turn(task: Task, level: Granularity, family: str, asked: str, answer: GroundedText, follows: bool = False) -> Turn:
    """One turn."""
    return Turn(task=task, instruction=asked, answer=answer, granularity=level, family=family, follows=follows)


def level(item: Item) -> Granularity:
    """ "part" for a part, else "object"."""
    return "object" if item.segment.parent is None else "part"


def single(target: Mention, verb: str, rng: np.random.Generator) -> Pieces:
    """The answer that shows one phrase; `verb`: "is" or "are"."""
    this = "These" if verb == "are" else "This"
    return write(pick(rng, ONE), rng, target=target, this=this, **{"is": verb})


def ask(phrase: str, verb: str, rng: np.random.Generator) -> str:
    """The instruction to segment what the phrase means; `verb`: "is" or "are", as the phrase is spoken of."""
    return (
        instruction("several", rng, phrases=phrase) if verb == "are" else instruction("referring", rng, phrase=phrase)
    )


def described(view: View, item: Item, rng: np.random.Generator) -> tuple[str, str] | None:
    """Family and words ("the black cat") of a unique description, each family equally likely; None if there is none."""
    found = view.descriptions(item)
    if not found:
        return None
    family = pick(rng, list(found))
    return family, f"the {pick(rng, found[family])}"


def referring(view: View, item: Item, rng: np.random.Generator) -> Turn | None:
    """One target by a unique description, which the answer repeats."""
    found = described(view, item, rng)
    if found is None:
        return None
    family, phrase = found
    answer = grounded(single(Mention(phrase, (item.id,)), item.noun.verb, rng))
    return turn("referring", level(item), family, ask(phrase, item.noun.verb, rng), answer)


def bare_label(view: View, label: str, rng: np.random.Generator) -> Turn | None:
    """All that a label means, asked by the bare label in one number or the other, with or without article.

    The answer says the words that were asked for, or "the" and the right number.
    """
    told = view.together(label)
    if told is None:
        return None
    names = [told.noun, *(noun(name) for name in told.items[0].names)]
    name = told.noun if rng.random() < 0.7 else pick(rng, names)
    plural = told.several and rng.random() < 0.5
    asked = name.many if plural else name.one
    asked = asked if rng.random() < 0.4 else f"the {asked}"
    right = f"the {name.many if told.several else name.one}"
    target = Mention(asked if rng.random() < 0.5 else right, told.ids)
    verb = "are" if told.several else name.verb
    # a bare noun ("cat") fits into no sentence
    answer = grounded(single(target, verb, rng) if target.phrase.startswith("the ") else [target, "."])
    wording = ask(asked, "are" if plural else name.verb, rng)
    return turn("semantic", level(told.items[0]), "bare", wording, answer)


def all_of_label(view: View, label: str, rng: np.random.Generator) -> Turn | None:
    """All of a label behind one phrase, asked for in the plural."""
    told = view.together(label)
    if told is None or (told.noun.one == told.noun.many and not (told.noun.pair or told.noun.mass)):
        return None
    answer = grounded(single(Mention(told.definite, told.ids), told.verb, rng))
    asked = instruction("semantic", rng, label=told.noun.many)
    return turn("semantic", level(told.items[0]), "label", asked, answer)


def none_of_label(view: View, rng: np.random.Generator) -> Turn | None:
    """All of a label that is not there."""
    if not view.absent:
        return None
    word = noun(pick(rng, view.absent))
    answer = grounded(write(pick(rng, NONE), rng, none=f"{'is' if word.mass else 'are'} no {word.many}"))
    return turn("semantic", "object", "absent", instruction("semantic", rng, label=word.many), answer)


def several(view: View, rng: np.random.Generator) -> Turn | None:
    """Two or three different targets, each with its own phrase."""
    chosen = several_described(view, rng, 2 + int(rng.random() < 0.4))
    if len(chosen) < 2:
        return None
    mentions = [Mention(phrase, (item.id,)) for item, phrase in chosen]
    answer = grounded(write(pick(rng, MANY), rng, targets=listing(mentions)))
    asked = instruction("several", rng, phrases=join_list([phrase for _, phrase in chosen]))
    return turn("generalized_referring", level(chosen[0][0]), "several", asked, answer)


def several_described(view: View, rng: np.random.Generator, count: int) -> list[tuple[Item, str]]:
    """Up to `count` items in random order, each with a unique description; no item together with its own part."""
    found: list[tuple[Item, str]] = []
    for item in shuffled(rng, view.single_out):
        related = {item.segment.parent, item.id}
        if any(other.id in related or other.segment.parent == item.id for other, _ in found):
            continue
        words = described(view, item, rng)
        if words is not None:
            found.append((item, words[1]))
        if len(found) == count:
            break
    return found


def numbered(view: View, rng: np.random.Generator) -> Turn | None:
    """All of a label that there are a few of, numbered from left to right, each with its own phrase."""
    countable = (items for label, items in view.by_label.items() if label not in view.uncounted)
    few = [items for items in countable if 2 <= len(items) <= MAX_ONE_BY_ONE and not items[0].noun.mass]
    if not few:
        return None
    items = pick(rng, few)
    word = items[0].noun
    phrases = [f"the {ordinal_word(k)} {word.one}" for k in range(len(items))]
    mentions = [Mention(phrase, (item.id,)) for phrase, item in zip(phrases, items, strict=True)]
    answer = grounded(write(pick(rng, MANY), rng, targets=listing(mentions)))
    return turn(
        "generalized_referring", level(items[0]), "numbered", instruction("numbered", rng, label=word.one), answer
    )


def absent(view: View, rng: np.random.Generator) -> tuple[str, str, str] | None:
    """Family, verb and words (without article) of something that is certainly not in the picture; None if unknown.

    A near miss is a thing of the picture in a color that nobody would call it by.
    """
    complete = set(view.sample.exhaustive)
    near = []
    for label, items in view.by_label.items():
        colors = [i.color for i in items]
        if label in complete and None not in colors:
            wrong = set.intersection(*(set(UNLIKE[color]) for color in colors if color is not None))
            near += [f"{color} {label}" for color in sorted(wrong)]
    if near and (not view.absent or rng.random() < 0.4):
        words = pick(rng, near)
        return "near_miss_color", noun(words.split(" ", 1)[1]).verb, words
    if not view.absent:
        return None
    word = noun(pick(rng, view.absent))
    return "absent_label", word.verb, word.one


def empty(view: View, rng: np.random.Generator) -> Turn | None:
    """A target that is not there; the answer says so and holds no segment."""
    found = absent(view, rng)
    if found is None:
        return None
    family, verb, words = found
    answer = grounded(write(pick(rng, NONE), rng, none=f"{verb} no {words}"))
    asked = ask(words if rng.random() < 0.2 else f"the {words}", verb, rng)
    return turn("generalized_referring", "object", family, asked, answer)


def mixed(view: View, rng: np.random.Generator) -> Turn | None:
    """One or two targets that are there and one that is not."""
    chosen = several_described(view, rng, 1 + int(rng.random() < 0.5))
    missing = absent(view, rng)
    if not chosen or missing is None:
        return None
    _, verb, words = missing
    mentions = [Mention(phrase, (item.id,)) for item, phrase in chosen]
    be = "are" if len(chosen) > 1 else chosen[0][0].noun.verb
    answer = write(pick(rng, MIXED), rng, targets=listing(mentions), none=f"{verb} no {words}", **{"is": be})
    asked = join_list(shuffled(rng, [*(phrase for _, phrase in chosen), f"the {words}"]))
    return turn(
        "generalized_referring", "object", "mixed", instruction("several", rng, phrases=asked), grounded(answer)
    )


def use(view: View, rng: np.random.Generator) -> Turn | None:
    """A question about what something is for; all of the label that answers it are its targets."""
    labels = [label for label in view.by_label if label in USES and not _rivaled(view, label)]
    for label in shuffled(rng, labels):
        told: Told | None = view.together(label)
        if told is not None:
            asked = instruction("reasoning", rng, question=pick(rng, USES[label]))
            target = Mention(told.definite, told.ids)
            answer = grounded(write(pick(rng, REASON), rng, target=target, **{"is": told.verb}))
            return turn("reasoning", level(told.items[0]), f"use_{label.replace(' ', '_')}", asked, answer)
    return None


def everything(view: View, rng: np.random.Generator) -> Turn | None:
    """All wholes, label by label, the largest first: what panoptic segmentation asks for. None if they are too many."""
    found: dict[str, list[Item]] = {}
    for item in view.items.values():
        if item.segment.parent is None:
            found.setdefault(item.label, []).append(item)
    if not found or len(found) > MAX_LABELS or sum(map(len, found.values())) > MAX_SEGMENTS:
        return None
    mentions = []
    for items in sorted(found.values(), key=lambda items: -sum(i.share for i in items)):
        word = items[0].noun
        ids = tuple(i.id for i in sorted(items, key=lambda i: i.center))
        mentions.append(Mention(f"the {word.many if len(items) > 1 else word.one}", ids))
    answer = grounded(write(pick(rng, MANY), rng, targets=listing(mentions)))
    return turn("panoptic", "panoptic", "everything", instruction("panoptic", rng), answer)


def _rivaled(view: View, label: str) -> bool:
    return any(label in group and (group - {label}) & set(view.by_label) for group in RIVALS)
