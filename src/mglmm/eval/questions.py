"""Questions to a model, and what of a record or an answer is compared: masks, merged masks, mask trees."""

from collections.abc import Sequence
from dataclasses import dataclass

from mglmm import masks
from mglmm.eval.coco_files import checked_rle
from mglmm.eval.segmentation import merged
from mglmm.eval.structure import parents_of
from mglmm.masks import CocoRle
from mglmm.schema import GroundedText, Prediction, Sample, Segment, Turn, UserError

IGNORE_KEY = "ignore"
"""Entry of `Sample.meta` with the RLE of pixels that do not count in the scores of regions (nobody labelled them)."""


@dataclass(frozen=True)
class Question:
    """One turn of one sample, put to the model; `groups` are the parts of the benchmark in which it counts."""

    sample_index: int
    sample: Sample
    turn_index: int
    groups: tuple[str, ...]

    @property
    def turn(self) -> Turn:
        """The instruction with its true answer."""
        return self.sample.turns[self.turn_index]

    @property
    def key(self) -> tuple[str, int]:
        """What a prediction for this question carries: sample id and turn index."""
        return self.sample.id, self.turn_index

    @property
    def references(self) -> tuple[str, ...]:
        """The texts of all true answers to what this turn asks, that of the turn itself first."""
        others = [turn for k, turn in enumerate(self.sample.turns) if k != self.turn_index]
        same = [self.turn, *(turn for turn in others if not turn.follows and same_question(self.turn, turn))]
        return tuple(turn.answer.text for turn in same)

    def truth(self) -> Prediction:
        """The true answer as a perfect model would give it."""
        named = set(self.turn.answer.segment_ids)
        return Prediction(
            sample_id=self.sample.id,
            turn_index=self.turn_index,
            size=self.sample.size,
            instruction=self.turn.instruction,
            answer=self.turn.answer,
            segments=tuple(s for s in self.sample.segments if s.id in named),
        )


def same_question(a: Turn, b: Turn) -> bool:
    """Whether two turns of a sample ask for the same caption: the same words about the same thing or region."""
    about = [(turn.task, turn.granularity, turn.instruction, turn.region_ids) for turn in (a, b)]
    things = [turn.answer.segment_ids[:1] if turn.granularity == "part" else () for turn in (a, b)]
    return about[0] == about[1] and things[0] == things[1]


def phrases_of(question: Question, prediction: Prediction) -> list[str]:
    """All phrases and names of truth and answer whose likeness may be asked for."""
    sample = question.sample
    names = [name for s in sample.segments for name in (s.label, s.caption) if name]
    return [*question.turn.answer.phrases, *prediction.answer.phrases, *names, *sample.exhaustive]


def answered(answer: GroundedText, segments: Sequence[Segment]) -> list[Segment]:
    """The segments that the answer names."""
    named = set(answer.segment_ids)
    return [segment for segment in segments if segment.id in named]


def tree_of(answer: GroundedText, segments: Sequence[Segment]) -> tuple[list[CocoRle], list[int | None]]:
    """The masks that an answer names and the position of each one's parent among them; None: a whole.

    A parent that is not named is passed over for its own parent. Where no segment has a parent, containment tells them.
    """
    named = answered(answer, segments)
    rles = [segment.rle.to_coco() for segment in named]
    parents = {segment.id: segment.parent for segment in segments}
    if all(segment.parent is None for segment in named):
        return rles, parents_of(rles)
    places = {segment.id: k for k, segment in enumerate(named)}

    def _nearest(segment_id: int) -> int | None:
        up = parents.get(segment_id)
        while up is not None and up not in places:
            up = parents.get(up)
        return None if up is None else places[up]

    return rles, [_nearest(segment.id) for segment in named]


def ignored(sample: Sample) -> CocoRle | None:
    """The pixels of the sample that do not count, if it names any.

    Raises:
        UserError: they are no RLE of the size of the image.
    """
    given = sample.meta.get(IGNORE_KEY)
    if given is None:
        return None
    try:
        rle = checked_rle(given)
        masks.validate(rle, sample.size)
    except ValueError as error:
        raise UserError(f"sample {sample.id!r}, field meta.{IGNORE_KEY}: {error}") from error
    return rle


def merged_pair(question: Question, prediction: Prediction) -> tuple[CocoRle, CocoRle]:
    """The union of the masks that the truth names, and of all masks of the prediction, named by a phrase or not."""
    truth = answered(question.turn.answer, question.sample.segments)
    size = question.sample.size
    return merged([s.rle.to_coco() for s in truth], size), merged([s.rle.to_coco() for s in prediction.segments], size)
