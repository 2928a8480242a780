"""The benchmarks: where the samples come from, which of their turns are asked, and how the answers are scored.

A benchmark is an entry of `BENCHMARKS`; answers are always generated freely, from the image and the instruction alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from mglmm.eval.photos import DESCRIPTION, LABELS, photo_groups
from mglmm.eval.questions import Question, same_question
from mglmm.eval.samples import Inputs, SampleSet, file_samples, novel_samples, photo_samples, world_samples
from mglmm.eval.scorers import CAPTIONED, ScorerKind
from mglmm.schema import Task, Turn

MAX_FEW_TARGETS = 3
"""Up to so many targets of a question are few. Source: Ren et al., PixelLM, CVPR 2024 (MUSE)."""


@dataclass(frozen=True)
class Benchmark:
    """`groups_of`: the groups that a turn of a sample counts in; none: it is not asked.

    `scorers`: what kind of score every group gets, in the order of the report; the same for all groups of a turn.
    `means`: name -> groups of which the plain mean of every score is also reported.
    """

    name: str
    about: str
    samples: Callable[[Inputs], SampleSet]
    groups_of: Callable[[Turn], tuple[str, ...]]
    scorers: Mapping[str, ScorerKind]
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def questions(self, samples: SampleSet, limit: int | None = None) -> Iterator[Question]:
        """Every question, in a fixed order; only the first `limit` of them.

        A turn that follows another is left out: asked alone it could not be understood. Of turns that ask for the same
        caption only the first is asked, and the others are more references for it (`Question.references`).
        """
        num_asked = 0
        for index in range(samples.length):
            sample = samples.sample(index)
            for turn_index, turn in enumerate(sample.turns):
                groups = () if turn.follows else self.groups_of(turn)
                if not groups or self._asked_before(turn, sample.turns[:turn_index]):
                    continue
                if num_asked == limit:
                    return
                num_asked += 1
                yield Question(index, sample, turn_index, groups)

    def _asked_before(self, turn: Turn, earlier: tuple[Turn, ...]) -> bool:
        captioned = self.scorers[self.groups_of(turn)[0]] in CAPTIONED
        return captioned and any(same_question(turn, other) for other in earlier)


def mgsc_groups(turn: Turn) -> tuple[str, ...]:
    """Captions with masks, "panoptic" and "part" apart."""
    return (turn.granularity,) if turn.task == "mgsc" and turn.granularity in ("panoptic", "part") else ()


def all_mgsc_groups(turn: Turn) -> tuple[str, ...]:
    """Captions with masks, all together and "panoptic" and "part" apart."""
    return ("all", *groups) if (groups := mgsc_groups(turn)) else ()


def panoptic_groups(turn: Turn) -> tuple[str, ...]:
    """Captions with masks of the whole picture."""
    return tuple(group for group in mgsc_groups(turn) if group == "panoptic")


def task_groups(task: Task, turn: Turn) -> tuple[str, ...]:
    """Every turn of a task that points at no region."""
    return ("all",) if turn.task == task and not turn.region_ids else ()


def scene_groups(turn: Turn) -> tuple[str, ...]:
    """Requests for every segment of the picture."""
    return ("all",) if turn.task == "panoptic" or (turn.task, turn.granularity) == ("semantic", "panoptic") else ()


def region_groups(turn: Turn) -> tuple[str, ...]:
    """Captions of a region that the instruction points at."""
    return ("all",) if turn.task == "caption" and turn.region_ids else ()


def referring_groups(turn: Turn) -> tuple[str, ...]:
    """All expressions together, whole objects and parts apart."""
    return ("all", "part" if turn.granularity == "part" else "object") if turn.task == "referring" else ()


def generalized_groups(turn: Turn) -> tuple[str, ...]:
    """All expressions together; several targets, none ("empty"), and some that are there with some that are not."""
    if turn.task != "generalized_referring":
        return ()
    if not turn.answer.segment_ids:
        return "all", "empty"
    return "all", "mixed" if turn.family == "mixed" else "several"


def target_groups(turn: Turn) -> tuple[str, ...]:
    """All expressions together, those with a target and those without apart."""
    if turn.task != "generalized_referring":
        return ()
    return "all", "target" if turn.answer.segment_ids else "no target"


def reasoning_groups(turn: Turn) -> tuple[str, ...]:
    """Questions that are answered with masks."""
    return task_groups("reasoning", turn)


def length_groups(turn: Turn) -> tuple[str, ...]:
    """Questions that are answered with masks; "short" and "long" ones, by the turn's family, apart."""
    groups = reasoning_groups(turn)
    return (*groups, turn.family) if groups and turn.family in ("short", "long") else groups


def count_groups(turn: Turn) -> tuple[str, ...]:
    """Questions that are answered with masks; those with few and with many targets apart."""
    num_targets = len(set(turn.answer.segment_ids))
    return (*groups, "few" if num_targets <= MAX_FEW_TARGETS else "many") if (groups := reasoning_groups(turn)) else ()


def _photo_benchmark(name: str, split: str) -> Benchmark:
    return Benchmark(
        name=name,
        about=f"Real photographs ({split} splits): all that one phrase means, and the description of a dressed person.",
        samples=lambda inputs: photo_samples(inputs, split),
        groups_of=photo_groups,
        scorers={**dict.fromkeys(("all", *LABELS), "referring"), DESCRIPTION: "grounded"},
        means={
            "mean of labels": LABELS,
            "mean of hair, trousers, shoes, dress": ("hair", "trousers", "shoes", "dress"),
        },
    )


def _on_file(
    name: str, about: str, groups_of: Callable[[Turn], tuple[str, ...]], kind: ScorerKind, *groups: str
) -> Benchmark:
    """A benchmark on a file of samples, all groups of it scored alike."""
    return Benchmark(name, about, file_samples, groups_of, dict.fromkeys(("all", *groups), kind))


_ENTRIES = (
    _on_file(
        "mgsc",
        "Captions with masks: of the whole picture (panoptic), and of one thing with its parts (part).",
        all_mgsc_groups,
        "grounded",
        "panoptic",
        "part",
    ),
    _on_file(
        "gcg", "Grounded conversation: a caption of the picture with masks.", partial(task_groups, "gcg"), "grounded"
    ),
    *(
        _on_file(
            name,
            "One region by every expression that was collected for it.",
            partial(task_groups, "referring"),
            "referring",
        )
        for name in ("refcoco", "refcoco+", "refcocog")
    ),
    _on_file(
        "grefcoco",
        "Expressions with one target, several or none.",
        target_groups,
        "generalized",
        "target",
        "no target",
    ),
    _on_file(
        "reasonseg",
        "Implicit questions, short and long, whose answer is a region; ignored pixels do not count.",
        length_groups,
        "referring",
        "short",
        "long",
    ),
    _on_file("muse", "Questions whose answer is several regions.", count_groups, "multi_target", "few", "many"),
    _on_file("panoptic", "Every thing and all stuff in the picture, by open phrases.", scene_groups, "panoptic"),
    _on_file("semantic", "The class of every pixel, by open phrases.", scene_groups, "semantic"),
    _on_file("caption", "Captions of the picture, without masks.", partial(task_groups, "caption"), "caption"),
    _on_file("region-caption", "Captions of a region that the instruction points at.", region_groups, "caption"),
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
BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ENTRIES}

SUITES: dict[str, tuple[str, ...]] = {
    "world-all": ("world-mgsc", "world-refer", "world-grefer", "world-reason", "world-novel"),
}
"""Names that stand for several benchmarks, each run in its own folder."""
