"""The training stream: several sources mixed by weight, where item `i` depends on `(seed, i)` alone.

Because nothing is remembered between items, a run that was killed goes on with the very next item, and any number of
ranks and workers share the stream without repeats or gaps: each simply asks for its own indices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from mglmm import masks
from mglmm.data.collate import TrainItem
from mglmm.data.tasks import choose_conversations
from mglmm.schema import Rle, Sample, Segment, Turn, UserError, read_jsonl

BLOCK = 1000
"""Items after which every source has had exactly its share. Ours: weights are honoured to 0.1 %."""

MAX_SHUFFLED = 2**20
"""Sources up to this length are shuffled anew in every epoch; longer ones (seeds of the world) are run through in
order from a random place, since a permutation of 2^30 numbers does not fit into memory."""

MIN_CROP_AREA_PX = 40
"""A segment that a crop leaves fewer pixels of is dropped. Ours, as in `data.photos`."""


class Source(Protocol):
    """Where images come from. `load` must depend on its arguments alone."""

    def __len__(self) -> int:
        """The number of different images."""
        ...

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """Image `index` (0 <= index < len) with its record; `rng` drives augmentation."""
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


class SampleSource:
    """Images and records of JSON-lines files; image paths are relative to the file that names them.

    Raises:
        UserError: a file is missing, holds no sample, or a line of it is not a `Sample`.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._items = [(Path(path).parent, sample) for path in paths for sample in read_jsonl(path, Sample)]
        if not self._items:
            raise UserError(f"{', '.join(map(str, paths))}: no samples; write one record a line")

    def __len__(self) -> int:
        """The number of records."""
        return len(self._items)

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """Record `index` as it stands in the file, with its image in RGB."""
        folder, sample = self._items[index]
        path = folder / sample.image
        if not path.is_file():
            raise UserError(f"{path}: image of sample {sample.id} is missing")
        with Image.open(path) as file:
            image = file.convert("RGB")
        if (image.height, image.width) != sample.size:
            raise UserError(f"{path}: image is {image.height} x {image.width}, its record says {sample.size}")
        return image, sample


class Photos(Protocol):
    """A set of photographs with records, such as `mglmm.data.photos.PhotoSet`."""

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
    things that a crop has removed are right. Colors are left alone, since the turns name them.
    """

    photos: Photos
    turns: Callable[[Image.Image, Sample, np.random.Generator], tuple[Turn, ...]]
    augment: bool = True

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.photos)

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        """Photo `index`, augmented, with turns about what can be seen of it."""
        image, sample = self.photos[index]
        if self.augment:
            image, sample = random_crop(image, sample, rng)
            if rng.random() < 0.5:
                image, sample = mirror(image, sample)
        return image, sample.model_copy(update={"turns": self.turns(image, sample, rng)})


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

    Raises:
        ValueError: names of sources and weights differ, or a weight is too small to be drawn in a block.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        weights: Mapping[str, float],
        *,
        length: int,
        seed: int = 0,
        conversations_per_image: int = 2,
        task_weights: Mapping[str, float] | None = None,
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

    def __len__(self) -> int:
        """The number of items."""
        return self._length

    def place(self, item: int) -> tuple[str, int]:
        """Which source `item` comes from, and the index in it."""
        block, offset = divmod(item, BLOCK)
        order = _block_order(self._seed, block, self.counts)
        which = int(order[offset])
        draw = block * self.counts[which] + int(np.count_nonzero(order[:offset] == which))
        return self.names[which], self._shuffled(which, draw)

    def __getitem__(self, item: int) -> TrainItem:
        """Image, record and chosen conversations of `item`, a pure function of `(seed, item)`.

        Raises:
            ValueError: the sample holds no conversation.
        """
        if not 0 <= item < self._length:
            raise IndexError(f"item {item} of a mixture of {self._length}")
        name, index = self.place(item)
        rng = np.random.default_rng((self._seed, item))
        with _Naming(f"while making item {item}: image {index} of source {name!r}"):
            image, sample = self._sources[self.names.index(name)].load(index, rng)
            if not sample.turns:
                raise ValueError(f"sample {sample.id} holds no turns")
            conversations = choose_conversations(
                sample.conversations, rng, self._conversations_per_image, self._task_weights
            )
            return TrainItem(image, sample, [list(turns) for turns in conversations])

    def _shuffled(self, which: int, draw: int) -> int:
        """The index of the `draw`-th image taken from source number `which`."""
        length = len(self._sources[which])
        epoch, position = divmod(draw, length)
        if length <= MAX_SHUFFLED:
            return int(_epoch_order(self._seed, which, epoch, length)[position])
        start = int(np.random.default_rng((self._seed, which)).integers(length))
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


@lru_cache(maxsize=4)
def _block_order(seed: int, block: int, counts: tuple[int, ...]) -> np.ndarray:
    """int[BLOCK]: the source number of each item of a block."""
    order = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng((seed, block, 1)).permutation(order)


@lru_cache(maxsize=16)
def _epoch_order(seed: int, which: int, epoch: int, length: int) -> np.ndarray:
    """int[length]: the order in which an epoch runs through a source."""
    return np.random.default_rng((seed, which, epoch, 2)).permutation(length)


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


def mirror(image: Image.Image, sample: Sample) -> tuple[Image.Image, Sample]:
    """Image and record flipped left to right. The turns are dropped: they may say "left"."""
    segments = tuple(s.model_copy(update={"rle": Rle.from_mask(s.mask[:, ::-1])}) for s in sample.segments)
    flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return flipped, sample.model_copy(update={"segments": segments, "turns": ()})


def random_crop(
    image: Image.Image, sample: Sample, rng: np.random.Generator, min_share: float = 0.35
) -> tuple[Image.Image, Sample]:
    """A random rectangle of an image with the segments that can still be seen; the turns are dropped.

    The rectangle covers `min_share`..1 of the area and keeps the aspect ratio to within a factor 4/3. A crop that
    leaves no segment is given up for the whole image.
    """
    height, width = sample.size
    scale = np.sqrt(rng.uniform(min_share, 1.0))
    stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log(4 / 3))
    crop_h, crop_w = min(height, round(height * scale * stretch)), min(width, round(width * scale / stretch))
    top, left = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
    cropped = crop_sample(sample, (left, top, left + crop_w, top + crop_h))
    if not cropped.segments:
        return image, sample.model_copy(update={"turns": ()})
    return image.crop((left, top, left + crop_w, top + crop_h)), cropped


def crop_sample(sample: Sample, box: tuple[int, int, int, int]) -> Sample:
    """The record of the part of an image inside `box` (xyxy, pixels, exclusive), without turns.

    A segment with fewer than `MIN_CROP_AREA_PX` pixels left is dropped, and its label is no longer exhaustive: a
    sliver of the thing may still be seen, so its absence is not certain. A part whose whole is gone becomes a whole.
    """
    left, top, right, bottom = box
    size = (bottom - top, right - left)
    if not sample.segments:
        return sample.model_copy(update={"size": size, "turns": ()})
    if not sample.segments:
        return sample.model_copy(update={"size": size, "turns": ()})
    cut = masks.decode_many([s.rle.to_coco() for s in sample.segments])[:, top:bottom, left:right]
    area = cut.sum(axis=(1, 2))
    kept = {s.id for s, pixels in zip(sample.segments, area, strict=True) if pixels >= MIN_CROP_AREA_PX}
    slivers = {s.label for s, pixels in zip(sample.segments, area, strict=True) if 0 < pixels < MIN_CROP_AREA_PX}
    segments: list[Segment] = []
    for segment, mask in zip(sample.segments, cut, strict=True):
        if segment.id in kept:
            parent = segment.parent if segment.parent in kept else None
            segments.append(segment.model_copy(update={"rle": Rle.from_mask(mask), "parent": parent}))
    exhaustive = tuple(label for label in sample.exhaustive if label not in slivers)
    return sample.model_copy(update={"size": size, "segments": tuple(segments), "turns": (), "exhaustive": exhaustive})
