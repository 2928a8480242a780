"""Where a benchmark's samples come from: the procedural world, a JSON-lines file of samples, the photographs."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel

from mglmm.eval.photos import PhotoQuestions
from mglmm.grounding import render
from mglmm.images import load_image
from mglmm.schema import Sample, UserError, read_line
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.samples import world_sample

_KEPT = 64
"""Pictures kept with their records: a run of questions is gathered before its pictures are asked for."""

WORLD_SEEDS = (2**30 + 12345, 2**30 + 12345 + 500)
"""First and one past the last seed where none are given: 500 held-out pictures that nobody chose."""


@dataclass(frozen=True)
class Inputs:
    """What a benchmark is run on: `seeds` [first, end) of the world, or `data`, a file or folder of samples.

    `split`: of a file that holds several, only the samples of this one.
    """

    seeds: tuple[int, int] | None = None
    data: Path | None = None
    split: str | None = None


@dataclass(frozen=True)
class SampleSet:
    """Samples that are made when they are asked for. `identity` says which they are, for files that refer to them.

    `image`: the upright RGB picture of a sample; None: there are no pictures, so answers can only be scored.
    """

    length: int
    sample: Callable[[int], Sample]
    image: Callable[[int], Image.Image] | None
    identity: Mapping[str, Any]


def world_samples(inputs: Inputs) -> SampleSet:
    """The world's pictures of the seeds."""
    return _world(inputs, novel=False)


def novel_samples(inputs: Inputs) -> SampleSet:
    """Pictures that show kinds of things in colors in which training never shows them."""
    return _world(inputs, novel=True)


def file_samples(inputs: Inputs) -> SampleSet:
    """The samples of a JSON-lines file, whose images lie relative to it.

    Raises:
        UserError: no file is given, it cannot be read, or two of its samples have one id.
    """
    if inputs.seeds is not None:
        raise UserError("benchmarks on a file of samples take no seeds: give the file, as in --data samples.jsonl")
    if inputs.data is None:
        raise UserError("this benchmark needs samples: give a file of them, as in --data samples.jsonl")
    samples = SampleFile(inputs.data, inputs.split)
    return SampleSet(len(samples), samples.sample, samples.image, samples.identity)


def photo_samples(inputs: Inputs, split: str) -> SampleSet:
    """The photographs of a split with the turns that are asked about them."""
    if inputs.seeds is not None or inputs.split is not None:
        raise UserError("benchmarks of photographs take no seeds and no split: give their folder, as in --data photos")
    photos = PhotoQuestions(inputs.data, split)
    load = lru_cache(maxsize=_KEPT)(photos.load)
    names = hashlib.sha256("\n".join(f"{folder.name}/{name}" for folder, name in photos.places).encode())
    identity = {"split": split, "photos": len(photos), "names": names.hexdigest()[:12]}
    return SampleSet(len(photos), lambda index: load(index)[1], lambda index: load(index)[0], identity)


class SampleFile:
    """Random access to the samples of a JSON-lines file; only their places in it are kept in memory.

    Raises:
        UserError: the file is missing or holds no sample (of the split), a line is no record, an id comes twice.
    """

    def __init__(self, path: Path, split: str | None = None) -> None:
        self.path = path
        self._places: list[tuple[int, int]] = []
        self._last: tuple[int, Sample] | None = None
        lines: dict[str, int] = {}
        splits: Counter[str] = Counter()
        digest = hashlib.sha256()
        try:
            self._file = path.open("rb")
            place = 0
            for number, line in enumerate(self._file, start=1):
                digest.update(line)
                if line.strip():
                    head = read_line(line, _Head, f"{path}, line {number}")
                    if head.id in lines:
                        raise UserError(f"{path}, line {number}, field id: {head.id!r} stands in line {lines[head.id]}")
                    lines[head.id] = number
                    splits[head.split] += 1
                    if split in (None, head.split):
                        self._places.append((place, number))
                place += len(line)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; give a file of samples (docs/format.md)") from error
        if not self._places:
            held = f"the file holds {dict(splits)}" if splits else "the file is empty"
            raise UserError(f"{path}: no samples" + (f" of split {split!r}; {held}" if split else f"; {held}"))
        self.identity = {"file": path.name, "sha256": digest.hexdigest()[:16]} | ({"split": split} if split else {})

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._places)

    def sample(self, index: int) -> Sample:
        """Sample `index`.

        Raises:
            UserError: the line is no sample; names file, line and field.
        """
        if self._last is None or self._last[0] != index:
            place, number = self._places[index]
            self._file.seek(place)
            where = f"{self.path}, line {number}"
            sample = read_line(self._file.readline(), Sample, where)
            for k, turn in enumerate(sample.turns):
                try:
                    render(turn.answer)
                except ValueError as error:
                    raise UserError(f"{where}, field turns.{k}.answer: {error}") from error
            self._last = index, sample
        return self._last[1]

    def image(self, index: int) -> Image.Image:
        """The upright RGB picture of sample `index`.

        Raises:
            UserError: it cannot be read, or has another size than the sample says.
        """
        sample = self.sample(index)
        path = self.path.parent / sample.image
        image = load_image(path)
        if (image.height, image.width) != sample.size:
            raise UserError(
                f"{path}: the image is {image.height} x {image.width} (height x width), but sample {sample.id!r} in "
                f"{self.path} says {sample.size[0]} x {sample.size[1]}; make the sample from the image that is there"
            )
        return image


class _Head(BaseModel):
    """What is read of every line at once."""

    id: str
    split: str = ""


def _world(inputs: Inputs, novel: bool) -> SampleSet:
    if inputs.data is not None or inputs.split is not None:
        raise UserError("benchmarks of the world take no data: give seeds, as in --seeds 1073754169:1073754669")
    first, end = inputs.seeds or WORLD_SEEDS
    if not 0 <= first < end:
        raise UserError(f"seeds {first}:{end} are empty or negative; give first:end with 0 <= first < end")
    if novel and first < TRAIN_SEEDS_END:
        raise UserError(f"seeds {first}:{end}: novel pictures exist from seed {TRAIN_SEEDS_END} on")
    identity = {"seeds": [first, end], "novel": novel, "held_out": first >= TRAIN_SEEDS_END}
    load = lru_cache(maxsize=_KEPT)(lambda index: world_sample(first + index, novel=novel))
    return SampleSet(end - first, lambda index: load(index)[1], lambda index: load(index)[0], identity)
