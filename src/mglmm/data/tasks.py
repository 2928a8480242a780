"""Turns of every task from any annotated sample, and the choice of the conversations that a training step sees.

Source of the answers' form: the unified SegCap data format (arXiv 2409.13407): each grounded phrase is followed by its
segments, several targets are told one by one, absent ones are named as absent.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import get_args

import numpy as np

from mglmm.data import captions, questions, targets
from mglmm.data.view import View
from mglmm.instructions import instruction
from mglmm.phrasing import shuffled
from mglmm.schema import GroundedText, Sample, Span, Task, Turn

MAX_FINE_GRAINED = 2
MAX_REFERRING_WHOLES, MAX_REFERRING_PARTS = 3, 2
MAX_SEMANTIC = 3

ASKED: frozenset[Task] = frozenset({"referring", "generalized_referring", "semantic", "reasoning", "panoptic"})
"""Tasks that ask for masks; in the others the answer is the caption or the reply itself."""

Conversations = list[list[Turn]]


def turns(
    sample: Sample,
    rng: np.random.Generator,
    tasks: Collection[Task] | None = None,
    colors: Mapping[int, str] | None = None,
) -> list[Turn]:
    """Turns about the sample, of every task in `USUAL` that it supports, or of those in `tasks`.

    Whatever the sample does not support is left out: parts need parents, absence needs `sample.exhaustive`. `colors`:
    color names by segment id, where measured. The same arguments and generator state give the same turns.

    Raises:
        ValueError: an unknown task.
    """
    unknown = set(tasks or ()) - set(get_args(Task))
    if unknown:
        raise ValueError(f"unknown tasks {sorted(unknown)}; there are {', '.join(get_args(Task))}")
    view = View(sample, colors or {})
    return [
        turn
        for task, make in MAKERS.items()
        if task in (USUAL if tasks is None else tasks)
        for conversation in make(view, rng)
        for turn in conversation
    ]


def choose_conversations(
    conversations: Sequence[Sequence[Turn]], rng: np.random.Generator, count: int, weights: Mapping[Task, float]
) -> list[list[Turn]]:
    """At most `count` of the conversations, drawn without replacement, in the order drawn.

    A conversation has the task of its first turn. Each task is as likely as its weight (1 if not listed; 0: never),
    however many conversations of it there are; in a task all are alike.

    Raises:
        ValueError: a negative weight, or no conversation has a positive one.
    """
    if any(weight < 0 for weight in weights.values()):
        raise ValueError(f"weights must not be negative: {dict(weights)}")
    tasks = [conversation[0].task for conversation in conversations]
    sizes = Counter(tasks)
    chances = np.array([weights.get(task, 1.0) / sizes[task] for task in tasks])
    possible = int(np.count_nonzero(chances))
    if not possible:
        raise ValueError(f"none of the {len(tasks)} conversations ({', '.join(sorted(sizes))}) has a positive weight")
    drawn = rng.choice(len(tasks), size=min(count, possible), replace=False, p=chances / chances.sum())
    return [list(conversations[int(i)]) for i in drawn]


def without_uscdf(turn: Turn) -> Turn:
    """The turn without the unified SegCap data format: masks that are asked for follow a fixed reply.

    No phrase says which mask is whose, several targets are not told one by one, instances not numbered, and what is
    absent is not named. Captions and conversations stay as they are. An ablation, as in table 7 of arXiv 2409.13407;
    the fixed replies are ours.
    """
    if turn.task not in ASKED:
        return turn
    ids = tuple(dict.fromkeys(turn.answer.segment_ids))
    here = GroundedText(text="It is here.", spans=(Span(start=0, end=2, segment_ids=ids),)) if ids else None
    return turn.model_copy(update={"answer": here or GroundedText(text="It is not here.")})


def _alone(*made: Turn | None) -> Conversations:
    """Each turn as a conversation of its own; those that could not be made are left out."""
    return [[turn] for turn in made if turn is not None]


def _mgsc(view: View, rng: np.random.Generator) -> Conversations:
    found = []
    panoptic = captions.panoptic(view, rng)
    if panoptic is not None:
        found.append(targets.turn("mgsc", "panoptic", "panoptic", instruction("panoptic_segcap", rng), panoptic))
    parts: list[Turn] = []
    for whole in view.wholes:
        caption, described = captions.fine_grained(view, whole, rng), targets.described(view, whole, rng)
        if caption is not None and described is not None and len(parts) < MAX_FINE_GRAINED:
            asked = instruction("fine_grained_segcap", rng, object=described[1])
            parts.append(targets.turn("mgsc", "part", "part", asked, caption))
    return _alone(*found, *parts)


def _gcg(view: View, rng: np.random.Generator) -> Conversations:
    caption = captions.gcg(view, rng)
    return [[targets.turn("gcg", "panoptic", "gcg", instruction("gcg", rng), caption)]] if caption else []


def _caption(view: View, rng: np.random.Generator) -> Conversations:
    caption = captions.short(view, rng)
    return (
        [[targets.turn("caption", "panoptic", "short", instruction("caption_short", rng), caption)]] if caption else []
    )


def _referring(view: View, rng: np.random.Generator) -> Conversations:
    wholes = shuffled(rng, (i for i in view.single_out if i.segment.parent is None))
    parts = shuffled(rng, (i for i in view.single_out if i.segment.parent is not None))
    made = [turn for i in wholes if (turn := targets.referring(view, i, rng))][:MAX_REFERRING_WHOLES]
    made += [turn for i in parts if (turn := targets.referring(view, i, rng))][:MAX_REFERRING_PARTS]
    return _alone(*made)


def _generalized(view: View, rng: np.random.Generator) -> Conversations:
    makers = (targets.several, targets.numbered, targets.empty, targets.empty, targets.mixed)
    return _alone(*(make(view, rng) for make in makers))


def _semantic(view: View, rng: np.random.Generator) -> Conversations:
    labels = shuffled(rng, view.by_label)
    bare = [turn for label in labels if (turn := targets.bare_label(view, label, rng))][:MAX_SEMANTIC]
    plural = [turn for label in labels if (turn := targets.all_of_label(view, label, rng))][:1]
    none = targets.none_of_label(view, rng) if rng.random() < 0.3 else None
    return _alone(*bare, *plural, none)


def _panoptic(view: View, rng: np.random.Generator) -> Conversations:
    return _alone(targets.everything(view, rng))


def _reasoning(view: View, rng: np.random.Generator) -> Conversations:
    return _alone(targets.use(view, rng))


def _conversation(view: View, rng: np.random.Generator) -> Conversations:
    made = _alone(*(make(view, rng) for make in (questions.yes_no, questions.counting, questions.color)))
    dialogue = questions.dialogue(view, rng)
    return [*made, dialogue] if dialogue else made


MAKERS: dict[Task, Callable[[View, np.random.Generator], Conversations]] = {
    "mgsc": _mgsc,
    "gcg": _gcg,
    "caption": _caption,
    "referring": _referring,
    "generalized_referring": _generalized,
    "semantic": _semantic,
    "reasoning": _reasoning,
    "conversation": _conversation,
    "panoptic": _panoptic,
}
"""Task -> all conversations of it that can be had about a sample."""

USUAL: frozenset[Task] = frozenset(MAKERS) - {"panoptic"}
"""The tasks that are made where none are asked for: not the one whose answers are lists of all labels."""
