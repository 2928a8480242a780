"""The benchmarks: where the samples come from, which of their turns are asked, and how the answers are scored.

A benchmark is an entry of `BENCHMARKS`; answers are always generated freely, from the image and the instruction alone.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from mglmm.eval.photos import DESCRIPTION, LABELS, PhotoQuestions, photo_groups
from mglmm.eval.scorers import Question, ScorerKind
from mglmm.schema import Sample, Turn, UserError
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.samples import world_sample

WORLD_SEEDS = (2**30 + 12345, 2**30 + 12345 + 500)
"""First and one past the last seed where none are given: 500 held-out pictures that nobody chose."""


@dataclass(frozen=True)
class Inputs:
    """What a benchmark is run on: `seeds` [first, end) of the world, or `data`, the folder of a data set."""

    seeds: tuple[int, int] | None = None
    data: Path | None = None


@dataclass(frozen=True)
class SampleSet:
    """Samples that are made when they are asked for. `identity` says which they are, for files that refer to them."""

    length: int
    load: Callable[[int], tuple[Image.Image, Sample]]
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """`groups_of`: the groups that a turn of a sample counts in; none: it is not asked.

    `scorers`: what kind of score every group gets, in the order of the report. `means`: name -> groups of which the
    plain mean of every score is also reported.
    """

    name: str
    about: str
    samples: Callable[[Inputs], SampleSet]
    groups_of: Callable[[Turn], tuple[str, ...]]
    scorers: Mapping[str, ScorerKind]
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def questions(self, samples: SampleSet, limit: int | None = None) -> Iterator[tuple[Image.Image, Question]]:
        """Every question with its image, in a fixed order; only the first `limit` of them.

        A turn that follows another is left out: asked alone it could not be understood.
        """
        num_asked = 0
        for index in range(samples.length):
            image, sample = samples.load(index)
            for turn_index, turn in enumerate(sample.turns):
                groups = () if turn.follows else self.groups_of(turn)
                if not groups:
                    continue
                if num_asked == limit:
                    return
                num_asked += 1
                yield image, Question(index, sample, turn_index, groups)


def world_samples(inputs: Inputs) -> SampleSet:
    """The world's pictures of the seeds."""
    return _world(inputs, novel=False)


def novel_samples(inputs: Inputs) -> SampleSet:
    """Pictures that show kinds of things in colors in which training never shows them."""
    return _world(inputs, novel=True)


def _world(inputs: Inputs, novel: bool) -> SampleSet:
    if inputs.data is not None:
        raise UserError("benchmarks of the world take no data: give seeds, as in --seeds 1073754169:1073754669")
    first, end = inputs.seeds or WORLD_SEEDS
    if not 0 <= first < end:
        raise UserError(f"seeds {first}:{end} are empty or negative; give first:end with 0 <= first < end")
    if novel and first < TRAIN_SEEDS_END:
        raise UserError(f"seeds {first}:{end}: novel pictures exist from seed {TRAIN_SEEDS_END} on")
    identity = {"seeds": [first, end], "novel": novel, "held_out": first >= TRAIN_SEEDS_END}
    return SampleSet(end - first, lambda index: world_sample(first + index, novel=novel), identity)


def _photos(inputs: Inputs, split: str) -> SampleSet:
    if inputs.seeds is not None:
        raise UserError("benchmarks of photographs take no seeds: give their folder, as in --data photos")
    photos = PhotoQuestions(inputs.data, split)
    names = hashlib.sha256("\n".join(f"{folder.name}/{name}" for folder, name in photos.places).encode())
    identity = {"split": split, "photos": len(photos), "names": names.hexdigest()[:12]}
    return SampleSet(len(photos), photos.load, identity)


def mgsc_groups(turn: Turn) -> tuple[str, ...]:
    """Captions with masks, "panoptic" and "part" apart."""
    return (turn.granularity,) if turn.task == "mgsc" and turn.granularity in ("panoptic", "part") else ()


def panoptic_groups(turn: Turn) -> tuple[str, ...]:
    """Captions with masks of the whole picture."""
    return tuple(group for group in mgsc_groups(turn) if group == "panoptic")


def referring_groups(turn: Turn) -> tuple[str, ...]:
    """All expressions together, whole objects and parts apart."""
    return ("all", turn.granularity or "object") if turn.task == "referring" else ()


def generalized_groups(turn: Turn) -> tuple[str, ...]:
    """All expressions together; several targets, none ("empty"), and some that are there with some that are not."""
    if turn.task != "generalized_referring":
        return ()
    if not turn.answer.segment_ids:
        return "all", "empty"
    return "all", "mixed" if turn.family == "mixed" else "several"


def reasoning_groups(turn: Turn) -> tuple[str, ...]:
    """Questions that are answered with masks."""
    return ("all",) if turn.task == "reasoning" else ()


def _photo_benchmark(name: str, split: str) -> Benchmark:
    return Benchmark(
        name=name,
        about=f"Real photographs ({split} splits): all that one phrase means, and the description of a dressed person.",
        samples=lambda inputs: _photos(inputs, split),
        groups_of=photo_groups,
        scorers={**dict.fromkeys(("all", *LABELS), "referring"), DESCRIPTION: "grounded"},
        means={
            "mean of labels": LABELS,
            "mean of hair, trousers, shoes, dress": ("hair", "trousers", "shoes", "dress"),
        },
    )


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="world-mgsc",
            about="Captions with masks at two granularities: the whole picture, and one object with its parts.",
            samples=world_samples,
            groups_of=mgsc_groups,
            scorers={"panoptic": "grounded", "part": "grounded"},
        ),
        Benchmark(
            name="world-refer",
            about="One object or part by a description that only it answers to.",
            samples=world_samples,
            groups_of=referring_groups,
            scorers={"all": "referring", "object": "referring", "part": "referring"},
        ),
        Benchmark(
            name="world-grefer",
            about="Descriptions of several objects, of none that is there, and of both at once.",
            samples=world_samples,
            groups_of=generalized_groups,
            scorers={"all": "generalized", "several": "generalized", "mixed": "generalized", "empty": "generalized"},
        ),
        Benchmark(
            name="world-reason",
            about="Questions about use, cause, safety and comparison whose answer is a region.",
            samples=world_samples,
            groups_of=reasoning_groups,
            scorers={"all": "referring"},
        ),
        Benchmark(
            name="world-novel",
            about="Captions of whole pictures that show kinds in colors never seen together in training.",
            samples=novel_samples,
            groups_of=panoptic_groups,
            scorers={"panoptic": "grounded"},
        ),
        _photo_benchmark("photos", "val"),
        _photo_benchmark("photos-test", "test"),
    )
}

SUITES: dict[str, tuple[str, ...]] = {
    "world-all": ("world-mgsc", "world-refer", "world-grefer", "world-reason", "world-novel"),
}
"""Names that stand for several benchmarks, each run in its own folder."""
