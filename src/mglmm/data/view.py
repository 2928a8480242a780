"""What can be said of a sample: its segments as things with a noun, a color, a place, and unique descriptions.

Centers and shares are relative to the picture (0..1). All words stand without an article.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mglmm import masks
from mglmm.data.vocabulary import SYNONYMS, Noun, noun, spoken
from mglmm.instructions import ordinal_word
from mglmm.schema import Sample, Segment

MAX_ONE_BY_ONE = 4
"""More instances of a label are told as a group. The photos' groups are made for the same number."""
MAX_BEHIND_ONE_PHRASE = 8
GROUP_SLACK = 1.3
"""A group means these items if its area is theirs up to this factor: instances overlap, and tiny ones go untold."""
MIN_WHOLE_SHARE = 0.002
MIN_PART_SHARE = 0.0007
"""Smaller wholes and parts are not told in captions."""
MAX_CAPTION_WORDS = 8
"""A longer caption of a segment is a text about it, not a name for it."""

STRICT_SIDE, LOOSE_SIDE = 0.40, 0.52
"""A center before this share of the picture is surely / perhaps on that side."""
STRICT_MIDDLE, LOOSE_MIDDLE = 0.12, 0.22
CLEAR_GAP = 0.06
CLEAR_RATIO = 0.6
"""The second largest area is at most this share of the largest, or nothing is "the largest"."""


@dataclass(frozen=True)
class Item:
    """One segment as a thing that can be told of."""

    segment: Segment
    noun: Noun
    color: str | None
    share: float
    center: tuple[float, float]
    names: tuple[str, ...]
    """Other names that it may be asked for by."""

    @property
    def id(self) -> int:
        """The segment's id."""
        return self.segment.id

    @property
    def label(self) -> str:
        """The segment's label."""
        return self.segment.label

    @property
    def words(self) -> str:
        """[color] noun."""
        return f"{self.color or ''} {self.noun.one}".strip()


@dataclass(frozen=True)
class Told:
    """What one phrase tells of: one item, or a group of one label; `ids` are its segments."""

    ids: tuple[int, ...]
    items: tuple[Item, ...]

    @property
    def noun(self) -> Noun:
        """The noun of its label."""
        return self.items[0].noun

    @property
    def several(self) -> bool:
        """Whether it is more than one thing."""
        return len(self.items) > 1

    @property
    def verb(self) -> str:
        """ "is" or "are"."""
        return "are" if self.several else self.noun.verb

    @property
    def share(self) -> float:
        """Area of all its items."""
        return sum(item.share for item in self.items)

    @property
    def definite(self) -> str:
        """The noun in the right number with "the"."""
        return f"the {self.noun.many if self.several else self.noun.one}"


class View:
    """A sample as items. `colors`: color names by segment id; what is missing has no clear color.

    Segments listed in `sample.meta["groups"]` are unions of items, not items of their own.
    """

    def __init__(self, sample: Sample, colors: Mapping[int, str]) -> None:
        self.sample = sample = in_spoken_words(sample)
        groups = set(sample.meta.get("groups", ()))
        finer = sample.meta.get("names", {})
        self.groups = [s for s in sample.segments if s.id in groups]
        single = [s for s in sample.segments if s.id not in groups]
        areas = masks.areas([s.rle.to_coco() for s in sample.segments]).tolist()
        self._areas: dict[int, int] = {s.id: area for s, area in zip(sample.segments, areas, strict=True)}
        self.items = {
            s.id: Item(
                segment=s,
                noun=noun(s.label),
                color=colors.get(s.id),
                share=self._areas[s.id] / (sample.size[0] * sample.size[1]),
                center=((box[0] + box[2]) / 2 / sample.size[1], (box[1] + box[3]) / 2 / sample.size[0]),
                names=tuple(n for n in (finer.get(str(s.id)), *SYNONYMS.get(s.label, ())) if n is not None),
            )
            for s, box in zip(single, masks.boxes([s.rle.to_coco() for s in single]).tolist(), strict=True)
        }

    @cached_property
    def by_label(self) -> dict[str, list[Item]]:
        """All items of each label from left to right."""
        found: dict[str, list[Item]] = {}
        for item in sorted(self.items.values(), key=lambda i: i.center):
            found.setdefault(item.label, []).append(item)
        return found

    def _labels_of(self, key: str) -> set[str]:
        """The labels of the segments that `sample.meta` lists under a key."""
        ids = set(self.sample.meta.get(key, ()))
        return {s.label for s in self.sample.segments if s.id in ids}

    @cached_property
    def uncounted(self) -> set[str]:
        """The labels of which a segment may hold several: stuff, and groups that nobody told apart."""
        return self._labels_of("stuff_ids") | self._labels_of("crowd_ids")

    @cached_property
    def wholes(self) -> list[Item]:
        """The items that are no parts and large enough to be told, largest first."""
        found = [i for i in self.items.values() if i.segment.parent is None and i.share >= MIN_WHOLE_SHARE]
        return sorted(found, key=lambda i: -i.share)

    @cached_property
    def single_out(self) -> list[Item]:
        """The items that are asked for by themselves: not tiny, not of a label with very many instances, or with a
        group that nobody told apart, in which any of them may lie."""
        crowds = self._labels_of("crowd_ids")
        return [
            i
            for i in self.items.values()
            if i.share >= MIN_PART_SHARE
            and len(self.by_label[i.label]) <= MAX_BEHIND_ONE_PHRASE
            and i.label not in crowds
        ]

    def parts(self, whole: Item) -> list[Item]:
        """The parts of an item that are large enough to be told, largest first; without parts of parts."""
        found = [i for i in self.items.values() if i.segment.parent == whole.id and i.share >= MIN_PART_SHARE]
        return sorted(found, key=lambda i: -i.share)

    def told(self, items: Iterable[Item], at_most: int) -> list[Told]:
        """What is told of these items: each by itself, or all of a label together where they are many.

        The largest `at_most` are chosen. Labels come in the order of their first item; in one label left to right.
        """
        by_label: dict[str, list[Item]] = {}
        for item in items:
            by_label.setdefault(item.label, []).append(item)
        found: list[Told] = []
        for label, members in by_label.items():
            if len(members) <= MAX_ONE_BY_ONE:
                found += [Told((i.id,), (i,)) for i in sorted(members, key=lambda i: i.center)]
            else:
                together = self.together(label, members)
                found += [together] if together else []
        chosen = sorted(found, key=lambda t: -t.share)[:at_most]
        return [t for t in found if t in chosen]

    def together(self, label: str, members: Sequence[Item] | None = None) -> Told | None:
        """All items of a label (or `members` of it) behind one phrase; None if they are too many and have no group."""
        members = self.by_label[label] if members is None else sorted(members, key=lambda i: i.center)
        if len(members) <= MAX_ONE_BY_ONE:
            return Told(tuple(i.id for i in members), tuple(members))
        area = sum(self._areas[i.id] for i in members)
        groups = [
            g for g in self.groups if g.label == label and area / GROUP_SLACK <= self._areas[g.id] <= area * GROUP_SLACK
        ]
        if groups:
            return Told((min(groups, key=lambda g: abs(self._areas[g.id] - area)).id,), tuple(members))
        if len(members) <= MAX_BEHIND_ONE_PHRASE:
            return Told(tuple(i.id for i in members), tuple(members))
        return None

    @cached_property
    def absent(self) -> list[str]:
        """The labels that are certainly not in the picture."""
        present = {s.label for s in self.sample.segments}
        return [label for label in self.sample.exhaustive if label not in present]

    def descriptions(self, item: Item) -> dict[str, list[str]]:
        """Family -> words that mean this item and nothing else in the picture.

        Families: "label", "caption", "color", "size", "place", "ordinal".
        """
        same = self.by_label[item.label]
        others = [i for i in same if i is not item]
        found: dict[str, list[str]] = {"label": [item.noun.one, *item.names]} if not others else {}
        named = self._caption(item)
        if named:
            found["caption"] = [named]
        if item.color is not None and all(i.color not in (None, item.color) for i in others):
            found["color"] = [item.words]
        if others and not item.noun.mass:
            colored = [i for i in others if item.color is not None and i.color in (None, item.color)]
            found["size"] = superlatives(item, others)
            found["place"] = [f"{item.noun.one} {place}" for place in places(item, others)]
            found["place"] += [f"{item.words} {place}" for place in places(item, colored) if colored]
            found["ordinal"] = ordinals(item, same)
        return {family: words for family, words in found.items() if words}

    def _caption(self, item: Item) -> str | None:
        """The caption of the segment, if it is short and no other segment has the same."""
        caption = item.segment.caption
        if caption is None or len(caption.split()) > MAX_CAPTION_WORDS:
            return None
        if sum(i.segment.caption == caption for i in self.items.values()) > 1:
            return None
        bare = caption.strip().rstrip(".")
        for article in ("a ", "an ", "the "):
            bare = bare[len(article) :] if bare.lower().startswith(article) else bare
        return bare[:1].lower() + bare[1:]


def in_spoken_words(sample: Sample) -> Sample:
    """The sample with its labels as people say them.

    A label that is said otherwise than it is written is narrower than what is said ("wall-other" is no brick wall), so
    that its absence is not certain.
    """
    if all(spoken(label) == label for label in (*sample.exhaustive, *(s.label for s in sample.segments))):
        return sample
    plain = (label.replace("_", " ") for label in sample.exhaustive)
    exhaustive = tuple(label for label in plain if spoken(label) == label)
    segments = tuple(s.model_copy(update={"label": spoken(s.label)}) for s in sample.segments)
    return sample.model_copy(update={"segments": segments, "exhaustive": exhaustive})


def superlatives(item: Item, others: Sequence[Item]) -> list[str]:
    """ "largest cat" / "smallest cat" if it clearly is."""
    found = []
    if max(i.share for i in others) <= CLEAR_RATIO * item.share:
        found.append(f"largest {item.noun.one}")
    if item.share <= CLEAR_RATIO * min(i.share for i in others):
        found.append(f"smallest {item.noun.one}")
    return found


def places(item: Item, others: Sequence[Item]) -> list[str]:
    """The place words that surely fit the item and surely fit none of the others."""
    x, y = item.center
    xs, ys = np.array([i.center[0] for i in others]), np.array([i.center[1] for i in others])
    tests = {
        "on the left": (x < STRICT_SIDE, xs > LOOSE_SIDE),
        "on the right": (x > 1 - STRICT_SIDE, xs < 1 - LOOSE_SIDE),
        "at the top": (y < STRICT_SIDE, ys > LOOSE_SIDE),
        "at the bottom": (y > 1 - STRICT_SIDE, ys < 1 - LOOSE_SIDE),
        "in the middle": (abs(x - 0.5) < STRICT_MIDDLE, np.abs(xs - 0.5) > LOOSE_MIDDLE),
    }
    return [place for place, (fits, none_else) in tests.items() if fits and none_else.all()]


def ordinals(item: Item, same: Sequence[Item]) -> list[str]:
    """ "leftmost cat", "second cat from the left", ... if the centers are clearly in this order."""
    xs = np.array([i.center[0] for i in same])
    rank = next(k for k, other in enumerate(same) if other is item)
    gaps = np.diff(xs)
    last = len(same) - 1
    found = []
    if rank == 0 and gaps[0] >= CLEAR_GAP:
        found += [f"leftmost {item.noun.one}", f"first {item.noun.one} from the left"]
    elif rank == last and gaps[-1] >= CLEAR_GAP:
        found += [f"rightmost {item.noun.one}", f"first {item.noun.one} from the right"]
    elif 0 < rank < last and (gaps[: rank + 1] >= CLEAR_GAP).all():
        found.append(f"{ordinal_word(rank)} {item.noun.one} from the left")
    return found
