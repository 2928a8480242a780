"""Questions that need a thought, answered with masks on all that fit: the engine over the families of questions.

A `Family` finds its targets in the graph and words the question and the answer. Most families are rows of data in
`families`; those that compare or follow relations are functions in `comparisons`. Verbs of a reason are modal ("can
float"), so that one wording fits one target and many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mglmm.instructions import instruction
from mglmm.phrasing import Mention, grounded, listing, pick, shuffled, write
from mglmm.schema import Turn
from mglmm.world.graph import Entity
from mglmm.world.lookup import Lookup
from mglmm.world.phrases import be, numbered, pronoun, this
from mglmm.world.targets import level, turn

MAX_TARGETS = 4
"""A question that more than so many segments answer is not asked."""


@dataclass(frozen=True, slots=True)
class Found:
    """The targets of a question, and the words that fill the slots of its templates."""

    targets: Sequence[Entity]
    slots: dict[str, str] = field(default_factory=dict)


Finder = Callable[[Lookup, np.random.Generator], Found | None]


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of question.

    `find` gives all that fits, or None if the question makes no sense for a picture. `questions` and `answers` are
    templates; besides the slots of `Found`, answers know {targets}, {is} ("is" / "are"), {it} ("it" / "they"), {this}
    ("This" / "These") and {reason}.
    """

    name: str
    find: Finder
    questions: tuple[str, ...]
    reason: str = ""
    answers: tuple[str, ...] = ()


REASONED = (
    "[That would be|You can see|We see] {targets}: {it} {reason}.",
    "[It has to be|Look at] {targets}, [because|since] {it} {reason}.",
    "[Here {is}|{this} {is}|The answer would be] {targets}, [because|since|as] {it} {reason}.",
)
PLAIN = (
    "[That would be|Here {is}|{this} {is}|The answer would be] {targets}.",
    "[Look at|You can see|We see] {targets}.",
)


def reasoning(lookup: Lookup, families: Sequence[Family], rng: np.random.Generator, count: int) -> list[Turn]:
    """Up to `count` turns of different families, each drawn equally often among those that fit the picture."""
    found: list[Turn] = []
    for family in shuffled(rng, families):
        made = ask(lookup, family, rng)
        if made is not None:
            found.append(made)
        if len(found) == count:
            break
    return found


def ask(lookup: Lookup, family: Family, rng: np.random.Generator) -> Turn | None:
    """The turn of this family, or None if nothing fits (or too much)."""
    found = family.find(lookup, rng)
    if found is None or not 0 < len(found.targets) <= MAX_TARGETS:
        return None
    targets = lookup.left_to_right(found.targets)
    words: dict[str, str] = {**found.slots, "is": be(targets), "it": pronoun(targets), "this": this(targets)}
    words["reason"] = family.reason
    question = "".join(p for p in write(pick(rng, family.questions), rng, **words) if isinstance(p, str))
    templates = family.answers or (REASONED + PLAIN if family.reason else PLAIN)
    answer = write(pick(rng, templates), rng, targets=listing(phrases_of(targets)), **words)
    asked = instruction("reasoning", rng, question=question)
    return turn("reasoning", level(targets[0]), family.name, asked, grounded(answer))


def phrases_of(targets: Sequence[Entity]) -> list[Mention]:
    """One definite phrase for each target; those that would read the same are numbered."""
    return numbered(targets)


# Finders: each takes what fits and returns a function of the picture.


def things(
    *, uses: Sequence[str] = (), names: Sequence[str] = (), categories: Sequence[str] = (), unsure: Sequence[str] = ()
) -> Finder:
    """All things with one of the uses, names or categories.

    None if everything in the picture fits, which would be no question, or if it shows a thing named in `unsure`, of
    which people might disagree whether it fits.
    """
    use_set, name_set, category_set, unsure_set = set(uses), set(names), set(categories), set(unsure)

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        if not unsure_set.isdisjoint(lookup.by_name):
            return None
        targets = [
            e
            for e in lookup.things
            if e.name in name_set or e.category in category_set or not use_set.isdisjoint(e.uses)
        ]
        return Found(targets) if targets and len(targets) < len(lookup.things) else None

    return _find


def stuff(*names: str) -> Finder:
    """All stuff with one of the names."""

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        return Found([e for e in lookup.stuff if e.name in names])

    return _find


def parts(names: Sequence[str], of: Sequence[str] = (), categories: Sequence[str] = ()) -> Finder:
    """All parts with one of the names of one thing (`of` these names or `categories`), which fills the slot {whole}.

    The thing must be the only one of its name, so that "the dog" is clear.
    """
    wanted, owners, kinds = set(names), set(of), set(categories)

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        for whole in shuffled(rng, lookup.things):
            if (whole.name in owners or whole.category in kinds) and len(lookup.called(whole.name, loose=True)) == 1:
                targets = [e for e in lookup.descendants(whole) if e.name in wanted]
                if targets:
                    return Found(targets, {"whole": f"the {whole.name}"})
        return None

    return _find


def when(condition: Callable[[Lookup], bool], finder: Finder) -> Finder:
    """The finder, for pictures in which the condition holds."""

    def _find(lookup: Lookup, rng: np.random.Generator) -> Found | None:
        return finder(lookup, rng) if condition(lookup) else None

    return _find
