"""The training stream: several sources mixed by weight, where item `i` depends on `(seed, i)` alone.

Because nothing is remembered between items, a run that was killed goes on with the very next item, and any number of
ranks and workers share the stream without repeats or gaps: each simply asks for its own indices.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from mglmm.data.augment import mirror, random_crop
from mglmm.data.balance import Size, Step, deal, size_of
from mglmm.data.collate import TrainItem
from mglmm.data.records import Records
from mglmm.data.tasks import choose_conversations, without_uscdf
from mglmm.schema import Sample, Task, Turn, UserError

BLOCK = 1000
"""Items after which every source has had exactly its share. Ours: weights are honoured to 0.1 %."""

MAX_SHUFFLED = 2**20
"""Sources up to this length are shuffled anew in every epoch; longer ones (seeds of the world) are run through in
order from a random place, since a permutation of 2^30 numbers does not fit into memory."""


class Source(Protocol):
    """Where images come from. `load` must depend on its arguments alone."""

    def __len__(self) -> int:
        """The number of different images."""
        ...

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """Image `index` (0 <= index < len) with its record; `rng` drives augmentation."""
        ...

    def peek(self, index: int) -> Sample | None:
        """The record that `load` gives, if it can be had without drawing anything or reading the image; else None."""
        ...


@dataclass(frozen=True)
class WorldSource:
    """Images drawn from seeds `[start, end)`.

    `make(seed, size)` draws one (`mglmm.world.samples.world_sample`); it is passed in, since the data level does not
    know the world. Seeds below 2^30 are for training and never show the held-out (kind, color) pairs; seeds from 2^30
    on are held out. `size`: longer side in pixels.
    """

    make: Callable[[int, int], tuple[Image.Image, Sample]]
    size: int = 256
    start: int = 0
    end: int = 2**30

    def __len__(self) -> int:
        """The number of seeds."""
        return self.end - self.start

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """The picture of seed `start + index`; `rng` is not used: the seed says it all."""
        return self.make(self.start + index, self.size)

    def peek(self, index: int) -> None:
        """Nothing is known of a picture before it is drawn."""


class SampleSource:
    """Images and records of files of samples (`mglmm.data.records`), which stay on disk.

    Raises:
        UserError: a file is missing or holds no sample.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._files = [Records(path) for path in paths]
        self._ends = list(accumulate(len(file) for file in self._files))

    def __len__(self) -> int:
        """The number of records."""
        return self._ends[-1]

    def __getitem__(self, index: int, /) -> tuple[Image.Image, Sample]:
        """Image and record `index` as they are; UserError if the record is no sample or the image cannot be read."""
        which = bisect_right(self._ends, index)
        return self._files[which].load(index - (self._ends[which - 1] if which else 0))

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """Image and record `index` as they are; `rng` is not used."""
        return self[index]

    def peek(self, index: int) -> Sample:
        """Record `index`."""
        which = bisect_right(self._ends, index)
        return self._files[which][index - (self._ends[which - 1] if which else 0)]


class Photos(Protocol):
    """A set of photographs with records, such as `mglmm.data.photos.PhotoSet` or `SampleSource`."""

    def __len__(self) -> int:
        """The number of photos."""
        ...

    def __getitem__(self, index: int, /) -> tuple[Image.Image, Sample]:
        """Photo `index` and its record."""
        ...


@dataclass(frozen=True)
class PhotoSource:
    """Photographs, cropped and mirrored at random; the turns are made from what is left.

    `turns(image, sample, rng)` writes the turns *after* augmentation, so that "left" and "right", counts and the
    things that a crop has removed are right. Colors are left alone, since the turns name them. A photo about which
    there is nothing to say is replaced by the next one about which there is.
    """

    photos: Photos
    turns: Callable[[Image.Image, Sample, np.random.Generator], tuple[Turn, ...]]
    augment: bool = True

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.photos)

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """Photo `index`, augmented, with turns about what can be seen of it; UserError if none has any."""
        for later in range(len(self)):
            image, sample = self.photos[(index + later) % len(self)]
            if self.augment:
                image, sample = random_crop(image, sample, rng)
                if rng.random() < 0.5:
                    image, sample = mirror(image, sample)
            turns = self.turns(image, sample, rng)
            if turns:
                return image, sample.model_copy(update={"turns": turns})
        raise UserError("there is nothing to say about any of the photos; check their segments and the tasks asked for")

    def peek(self, index: int) -> None:
        """The turns are made of what is left of the image."""


class Capped:
    """At most `count` of a source's images, chosen by `seed`, always the same."""

    def __init__(self, source: Source, count: int, seed: int) -> None:
        self._source = source
        self._count = min(count, len(source))
        self._key = (seed, 4)

    def __len__(self) -> int:
        """The number of images that are left."""
        return self._count

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """Image `index` of those that are left."""
        return self._source.load(_shuffled(self._key, index, len(self._source)), rng)

    def peek(self, index: int) -> Sample | None:
        """The record of image `index` of those that are left."""
        return self._source.peek(_shuffled(self._key, index, len(self._source)))


class Mixture(Dataset[TrainItem]):
    """A map-style dataset of `length` items drawn from weighted sources.

    In every block of `BLOCK` items each source stands exactly as often as its weight says (largest remainder), in an
    order that `(seed, block)` shuffles; the k-th draw from a source is the k-th image of its own shuffled epochs, so
    every image is seen once before any is seen twice.

    Args:
        sources: name -> source.
        weights: name -> share (any positive numbers).
        task_weights: relative frequency of each task when conversations are chosen; {}: all alike.
        conversations_per_image: how many conversations about an image are trained on together.
        uscdf: answer in the unified SegCap data format; False: `mglmm.data.tasks.without_uscdf`, an ablation.
        families: name -> family. All `step_items` items of a step then come from one family, each family as often as
            the weights of its sources say; what is said above of blocks of items holds for blocks of steps.
        step: what a step is made of, over all ranks; needed with `families`.
        balanced: deal the items of a step out anew (`mglmm.data.balance`); needs `step`.

    Raises:
        ValueError: names of sources, weights and families differ, `families` or `balanced` without `step`, or a weight
            is too small to be drawn in a block.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        weights: Mapping[str, float],
        *,
        length: int,
        seed: int = 0,
        conversations_per_image: int = 2,
        task_weights: Mapping[Task, float] | None = None,
        uscdf: bool = True,
        families: Mapping[str, str] | None = None,
        step: Step | None = None,
        balanced: bool = False,
    ) -> None:
        if set(sources) != set(weights):
            raise ValueError(f"sources {sorted(sources)} and weights {sorted(weights)} differ")
        self.names = tuple(sources)
        self.counts = block_counts([weights[name] for name in self.names])
        self._sources = tuple(sources.values())
        self._length = length
        self._seed = seed
        self._conversations_per_image = conversations_per_image
        self._task_weights = dict(task_weights or {})
        self._uscdf = uscdf
        self._families: _Families | None = None
        if families is not None:
            if set(families) != set(weights) or step is None:
                raise ValueError(f"families {families} must name {sorted(weights)}, and step be given")
            self._families = _Families.of([(families[name], weights[name]) for name in self.names], step.items)
        if balanced and step is None:
            raise ValueError("balanced needs step")
        self._dealt = step if balanced else None
        self._last_deal: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        """The number of items."""
        return self._length

    def place(self, item: int) -> tuple[str, int]:
        """Which source `item` comes from, and the index in it."""
        if self._families is None:
            which, draw = _interleaved((self._seed,), item, self.counts)
        else:
            which, draw = self._families.place(self._seed, item)
        return self.names[which], _shuffled((self._seed, which), draw, len(self._sources[which]))

    def __getitem__(self, item: int) -> TrainItem:
        """Image, record and chosen conversations of `item`, a pure function of `(seed, item)`.

        Raises:
            ValueError: the sample holds no conversation.
        """
        if not 0 <= item < self._length:
            raise IndexError(f"item {item} of a mixture of {self._length}")
        if self._dealt is not None:
            number, position = divmod(item, self._dealt.items)
            if self._last_deal[0] != number:
                self._last_deal = (number, self._deal(number, self._dealt))
            item = number * self._dealt.items + self._last_deal[1][position]
        name, index = self.place(item)
        rng = np.random.default_rng((self._seed, item))
        with _Naming(f"while making item {item}: image {index} of source {name!r}"):
            image, sample = self._sources[self.names.index(name)].load(index, rng)
            if not sample.turns:
                raise ValueError(f"sample {sample.id} holds no turns")
            conversations = self._chosen(sample, rng)
            if not self._uscdf:
                conversations = [[without_uscdf(turn) for turn in turns] for turns in conversations]
            return TrainItem(image, sample, [list(turns) for turns in conversations])

    def _chosen(self, sample: Sample, rng: np.random.Generator) -> Sequence[Sequence[Turn]]:
        """The conversations of a sample that are trained on; UserError if the weights of the tasks leave none."""
        try:
            return choose_conversations(sample.conversations, rng, self._conversations_per_image, self._task_weights)
        except ValueError as error:
            raise UserError(f"task_weights: sample {sample.id}: {error}; leave such samples out") from error

    def size(self, item: int) -> Size | None:
        """The size of `item`, if its record can be had without its image."""
        name, index = self.place(item)
        sample = self._sources[self.names.index(name)].peek(index)
        if sample is None:
            return None
        return size_of(self._chosen(sample, np.random.default_rng((self._seed, item))))

    def _deal(self, number: int, step: Step) -> list[int]:
        """The order of the items of a step; those whose size is not known count as the mean of the others."""
        found = [self.size(item) for item in range(number * step.items, (number + 1) * step.items)]
        known = [size for size in found if size is not None]
        mean = Size(*(sum(values) // max(len(known), 1) for values in zip((0, 0), *map(astuple, known), strict=True)))
        return deal([mean if size is None else size for size in found], step)


@dataclass(frozen=True)
class _Families:
    """Which source an item comes from where all items of a step are of one family."""

    step_items: int
    counts: tuple[int, ...]
    """How many of `BLOCK` steps are of each family."""
    members: tuple[tuple[int, ...], ...]
    """The sources of each family, by number."""
    member_counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, sources: Sequence[tuple[str, float]], step_items: int) -> "_Families":
        """From family and weight of each source."""
        names = list(dict.fromkeys(family for family, _ in sources))
        members = [[k for k, (family, _) in enumerate(sources) if family == name] for name in names]
        weights = [[sources[k][1] for k in group] for group in members]
        return cls(
            step_items,
            block_counts([sum(group) for group in weights]),
            tuple(map(tuple, members)),
            tuple(block_counts(group) for group in weights),
        )

    def place(self, seed: int, item: int) -> tuple[int, int]:
        """The number of the source of `item`, and how many items were drawn from it before."""
        step, position = divmod(item, self.step_items)
        family, steps_before = _interleaved((seed,), step, self.counts)
        nth = steps_before * self.step_items + position
        member, draw = _interleaved((seed, 3, family), nth, self.member_counts[family])
        return self.members[family][member], draw


def _interleaved(key: tuple[int, ...], item: int, counts: tuple[int, ...]) -> tuple[int, int]:
    """Which stream `item` belongs to, of several in blocks where each stands `counts` times; and its place in it."""
    block, offset = divmod(item, BLOCK)
    order = _block_order(key, block, counts)
    which = int(order[offset])
    return which, block * counts[which] + int(np.count_nonzero(order[:offset] == which))


def _shuffled(key: tuple[int, int], draw: int, length: int) -> int:
    """The index of the `draw`-th image taken from a source of `length` images."""
    epoch, position = divmod(draw, length)
    if length <= MAX_SHUFFLED:
        return int(_epoch_order(key, epoch, length)[position])
    start = int(np.random.default_rng(key).integers(length))
    return (start + position) % length


def block_counts(weights: Sequence[float]) -> tuple[int, ...]:
    """How often each source stands in a block of `BLOCK` items; sums to `BLOCK`.

    Raises:
        ValueError: a weight is not positive, or too small to be drawn at all.
    """
    exact = np.asarray(weights, dtype=np.float64) * (BLOCK / sum(weights))
    counts = np.floor(exact).astype(int)
    rest = BLOCK - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    if counts.min() < 1:
        raise ValueError(f"weights {list(weights)}: each must be at least {1 / BLOCK:g} of their sum")
    return tuple(int(count) for count in counts)


@lru_cache(maxsize=16)
def _block_order(key: tuple[int, ...], block: int, counts: tuple[int, ...]) -> np.ndarray:
    """int[BLOCK]: the stream number of each item of a block."""
    order = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng((*key, block, 1)).permutation(order)


@lru_cache(maxsize=16)
def _epoch_order(key: tuple[int, int], epoch: int, length: int) -> np.ndarray:
    """int[length]: the order in which an epoch runs through a source."""
    return np.random.default_rng((*key, epoch, 2)).permutation(length)


class _Naming:
    """Adds a note that names the sample to any exception that passes through, and lets it pass."""

    def __init__(self, note: str) -> None:
        self._note = note

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Add the note; never swallow."""
        if error is not None:
            error.add_note(self._note)
