"""Which class of a closed list an open phrase means: the rule behind panoptic and semantic scores of free answers."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from mglmm.eval.grounded import MATCH_SIMILARITY
from mglmm.eval.tally import Numbers, RowMetric, ratio
from mglmm.eval.text_similarity import TextSimilarity

How = Literal["name", "similarity", "unmatched"]

_DROPPED = frozenset({"a", "an", "the", "merged", "other", "stuff"})
"""Articles, and the endings that COCO gives to joined stuff classes ("wall-other-merged")."""


@dataclass(frozen=True)
class Match:
    """The class that a phrase means and how it was found; None if unmatched."""

    class_id: int | None
    how: How


class PhraseClasses:
    """The phrase-to-class rule.

    1. The phrase is a name of the class, after both are normalized (see `normalized`).
    2. Else the class with the name most like the phrase, if the text similarity is at least `threshold`; of equally
       like ones that with the smallest id.
    3. Else the phrase is unmatched: its mask is in no class.

    `names`: class id -> its names; synonyms may stand in one name with ";" or "," between them, as ADE20K has it.

    Source: ours; the papers do not say theirs.
    """

    def __init__(
        self, names: Mapping[int, str | Sequence[str]], similarity: TextSimilarity, threshold: float = MATCH_SIMILARITY
    ) -> None:
        if not names:
            raise ValueError("there are no classes")
        self.similarity = similarity
        self.threshold = threshold
        pairs = [(name, class_id) for class_id in sorted(names) for name in _synonyms(names[class_id])]
        self.names = [name for name, _ in pairs]
        self.class_of_name = [class_id for _, class_id in pairs]
        self.by_name: dict[str, int] = {}
        for name, class_id in pairs:
            self.by_name.setdefault(normalized(name), class_id)
        self._known: dict[str, Match] = {}

    def match(self, phrases: Sequence[str]) -> list[Match]:
        """The class of each phrase; every different phrase is looked up once, new ones in one batch."""
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._known]
        self._known |= {p: Match(self.by_name[normalized(p)], "name") for p in new if normalized(p) in self.by_name}
        if rest := [phrase for phrase in new if phrase not in self._known]:
            table = self.similarity.table(rest, self.names)
            for phrase, row in zip(rest, table, strict=True):
                best = int(np.argmax(row))
                found = Match(self.class_of_name[best], "similarity")
                self._known[phrase] = found if row[best] >= self.threshold else Match(None, "unmatched")
        return [self._known[phrase] for phrase in phrases]


class PhraseMatches(RowMetric):
    """How the phrases of the answers found their classes, as shares of all phrases with masks.

    `phrases_by_name`, `phrases_by_similarity`, `phrases_unmatched`; they sum to 1. `unmatched`: the phrases of each
    image that mean no class.
    """

    fields = ("name", "similarity", "unmatched")

    def __init__(self) -> None:
        super().__init__()
        self.unmatched: list[list[str]] = []

    def update(self, phrases: Sequence[str], matches: Sequence[Match]) -> None:
        """Add one image."""
        found = Counter(match.how for match in matches)
        self.add(name=found["name"], similarity=found["similarity"], unmatched=found["unmatched"])
        self.unmatched.append([p for p, match in zip(phrases, matches, strict=True) if match.how == "unmatched"])

    def merge(self, other: Self) -> None:
        """Append the images of `other`."""
        super().merge(other)
        self.unmatched.extend(other.unmatched)

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these images alone."""
        part = super().subset(items)
        part.unmatched = [self.unmatched[k] for k in items]
        return part

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Shares; NaN if there is no phrase."""
        total = sum(np.asarray(sums[name]) for name in self.fields)
        names = dict(zip(self.fields, ("by_name", "by_similarity", "unmatched"), strict=True))
        return {f"phrases_{names[name]}": ratio(sums[name], total) for name in self.fields}


def normalized(phrase: str) -> str:
    """`phrase` in lower case, words alone, without articles and COCO's endings, plain plurals made singular.

    >>> normalized("The Traffic-Lights"), normalized("wall-other-merged"), normalized("Other")
    ('traffic light', 'wall', 'other')
    """
    words = re.findall(r"\w+", phrase.lower().replace("_", " "))
    kept = [word for word in words if word not in _DROPPED] or words
    return " ".join([*kept[:-1], _singular(kept[-1])]) if kept else ""


def _singular(word: str) -> str:
    """Both sides of a comparison go through this, so a wrong form of a word still meets itself."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def _synonyms(names: str | Sequence[str]) -> list[str]:
    whole = [names] if isinstance(names, str) else list(names)
    return [part.strip() for name in whole for part in re.split("[;,]", name) if part.strip()]
