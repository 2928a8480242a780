"""One scorer per kind of answer: it holds the metrics of both protocols and feeds them a question and its answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mglmm.eval.average_precision import AveragePrecision, OfficialAveragePrecision
from mglmm.eval.grounded import GroundedMasks, OfficialGroundedMasks, pairs_of
from mglmm.eval.segmentation import (
    GeneralizedReferring,
    OfficialGeneralizedReferring,
    OfficialReferringIoU,
    ReferringIoU,
    merged,
)
from mglmm.eval.tally import Metric, OfficialFailureError, intervals
from mglmm.eval.text_similarity import TextSimilarity
from mglmm.masks import CocoRle
from mglmm.schema import GroundedText, Prediction, Sample, Segment, Turn

PROTOCOLS = ("official", "corrected")
"""official: the authors' numbers, quirks included; corrected: the published definitions."""

ScorerKind = Literal["grounded", "referring", "generalized"]

IGNORE_KEY = "ignore"
"""Entry of `Sample.meta` with the RLE of pixels that do not count in the scores of regions (nobody labelled them)."""

_TEXT_SCORES = ("mask_recall", "mask_precision", "mask_f1")
"""Scores that depend on the text similarity, which their name therefore ends with."""


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


class Scorer(ABC):
    """Scores the answers of one group of questions; `metrics` by protocol, to be filled by the subclass."""

    metrics: Mapping[str, Sequence[Metric]]

    @abstractmethod
    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer to every metric; returns how good it is, 0..1, by which the gallery is sorted."""

    def score_name(self, name: str) -> str:
        """The full name of a metric's score, with what it depends on."""
        return name


class GroundedScorer(Scorer):
    """Captions with phrases and masks (mgsc, gcg). The pictures of AP are numbered in the order of the questions."""

    def __init__(self, similarity: TextSimilarity) -> None:
        self.similarity = similarity
        self.official = OfficialGroundedMasks()
        self.official_ap = OfficialAveragePrecision()
        self.corrected = GroundedMasks()
        self.corrected_ap = AveragePrecision()
        self.metrics = {
            "official": [self.official_ap, self.official],
            "corrected": [self.corrected_ap, self.corrected],
        }

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its corrected mean IoU."""
        truth_phrases, truth = pairs_of(question.turn.answer, question.sample.segments)
        phrases, predicted = pairs_of(prediction.answer, prediction.segments)
        scores = {segment.id: segment.score for segment in prediction.segments}
        table = self.similarity.table(truth_phrases, phrases)
        self.official.update(truth, predicted, table)
        self.official_ap.update(len(self.official_ap), truth, predicted)
        self.corrected_ap.update(truth, predicted, [scores[k] for k in prediction.answer.segment_ids])
        return self.corrected.update(truth, predicted, table)

    def score_name(self, name: str) -> str:
        """Scores that look at the phrases end with the name of the text similarity."""
        return f"{name}_{self.similarity.name}" if name.startswith(_TEXT_SCORES) else name


class ReferringScorer(Scorer):
    """Answers that mean one region each: the masks of truth and prediction are merged."""

    def __init__(self) -> None:
        self.official = OfficialReferringIoU()
        self.corrected = ReferringIoU()
        self.metrics = {"official": [self.official], "corrected": [self.corrected]}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its IoU."""
        truth, predicted = merged_pair(question, prediction)
        ignore = question.sample.meta.get(IGNORE_KEY)
        self.official.update([truth], [predicted], [ignore])
        return self.corrected.update(truth, predicted, ignore)


class GeneralizedScorer(Scorer):
    """Answers with several targets or none; "nothing there" is an answer without any mask pixel."""

    def __init__(self) -> None:
        self.official = OfficialGeneralizedReferring()
        self.corrected = GeneralizedReferring()
        self.metrics = {"official": [self.official], "corrected": [self.corrected]}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its IoU, 1 for a rightly empty one."""
        truth, predicted = merged_pair(question, prediction)
        said_none = not any(segment.area for segment in answered(prediction.answer, prediction.segments))
        self.official.update(truth, predicted, not question.turn.answer.segment_ids, said_none)
        return self.corrected.update(truth, predicted, said_none)


def make_scorer(kind: ScorerKind, similarity: TextSimilarity) -> Scorer:
    """A new scorer without answers."""
    if kind == "grounded":
        return GroundedScorer(similarity)
    return ReferringScorer() if kind == "referring" else GeneralizedScorer()


def answered(answer: GroundedText, segments: Sequence[Segment]) -> list[Segment]:
    """The segments that the answer names."""
    named = set(answer.segment_ids)
    return [segment for segment in segments if segment.id in named]


def merged_pair(question: Question, prediction: Prediction) -> tuple[CocoRle, CocoRle]:
    """The union of the masks that the truth and that the prediction names; empty where it names none."""
    truth = answered(question.turn.answer, question.sample.segments)
    predicted = answered(prediction.answer, prediction.segments)
    size = question.sample.size
    return merged([s.rle.to_coco() for s in truth], size), merged([s.rle.to_coco() for s in predicted], size)


NO_SCORE: Mapping[str, Any] = {"value": None, "interval": [None, None]}
"""How a score that is not defined is written."""


def scores(scorer: Scorer, images: Sequence[int], resamples: int) -> dict[str, Any]:
    """Protocol -> score name -> {"value", "interval"}, and "failures": protocol's metrics that have no answer.

    `images`: for every answer added, the number of its image (see `tally.intervals`). What is not defined is None.
    """
    result: dict[str, Any] = {protocol: {} for protocol in PROTOCOLS}
    failures: list[str] = []
    for protocol, metrics in scorer.metrics.items():
        for metric in metrics:
            try:
                values = metric.compute()
            except OfficialFailureError as failure:
                failures.append(str(failure))
                continue
            spans = intervals(metric, images, resamples)
            for name, value in values.items():
                low, high = spans.get(name, (float("nan"), float("nan")))
                result[protocol][scorer.score_name(name)] = {
                    "value": _defined(value),
                    "interval": [_defined(low), _defined(high)],
                }
    return result | {"failures": failures}


def _defined(value: float) -> float | None:
    return None if value != value else value
