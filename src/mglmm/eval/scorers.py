"""One scorer per kind of answer: it holds the metrics of both protocols and feeds them a question and its answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mglmm import masks
from mglmm.eval.average_precision import AveragePrecision, OfficialAveragePrecision, TruthDetails
from mglmm.eval.captioning import Captions, CaptionTools, OfficialCaptions
from mglmm.eval.grounded import GroundedMasks, OfficialGroundedMasks, pairs_of
from mglmm.eval.segmentation import (
    GeneralizedReferring,
    MultiTargetIoU,
    OfficialGeneralizedReferring,
    OfficialReferringIoU,
    ReferringIoU,
    merged,
)
from mglmm.eval.tally import Metric, OfficialFailureError, intervals
from mglmm.eval.text_similarity import LexicalSimilarity, TextSimilarity
from mglmm.masks import CocoRle
from mglmm.schema import GroundedText, Prediction, Sample, Segment, Turn

PROTOCOLS = ("official", "corrected")
"""official: the authors' numbers, quirks included; corrected: the published definitions."""

ScorerKind = Literal["grounded", "caption", "referring", "generalized", "multi_target"]
CAPTIONED: frozenset[ScorerKind] = frozenset({"grounded", "caption"})
"""Kinds of answers whose text is compared with references."""
RATINGS: Mapping[ScorerKind, str] = {
    "grounded": "mean IoU",
    "caption": "words shared with a reference (F1)",
    "referring": "IoU",
    "generalized": "IoU",
    "multi_target": "mean IoU of the targets",
}
"""What `Scorer.update` of each kind returns: how good one answer is."""

IGNORE_KEY = "ignore"
"""Entry of `Sample.meta` with the RLE of pixels that do not count in the scores of regions (nobody labelled them)."""

_TEXT_SCORES = ("mask_recall", "mask_precision", "mask_f1")
"""Scores that depend on the text similarity, which their name therefore ends with."""


@dataclass(frozen=True)
class Measures:
    """What scores depend on besides the answers; each is told by the names of the scores that it changes.

    `captions`: what compares texts with their references, for which Java is needed; None: those scores are left out.
    `no_target_pixels`: of generalized referring, fewer predicted pixels mean that nothing is there.
    """

    similarity: TextSimilarity
    captions: CaptionTools | None = None
    no_target_pixels: int = 1


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


class Scorer(ABC):
    """Scores the answers of one group of questions; `metrics` by protocol, to be filled by the subclass."""

    metrics: Mapping[str, Sequence[Metric]]

    @abstractmethod
    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer to every metric; returns how good it is, 0..1, by which the gallery is sorted."""

    def score_name(self, name: str) -> str:
        """The full name of a metric's score, with what it depends on."""
        return name


@dataclass(frozen=True)
class GroundedPair:
    """What the scores of one caption with masks need of truth and answer.

    The k-th phrase belongs to the k-th mask; other people's files may hold more of one than of the other (quirk G9).
    `image_id` and `details` matter to the official AP alone. Without `references` only AP counts the image (quirk G5).
    """

    image_id: int | str
    truth: Sequence[CocoRle]
    truth_phrases: Sequence[str] = ()
    references: Sequence[str] = ()
    details: TruthDetails | None = None
    predicted: Sequence[CocoRle] = ()
    phrases: Sequence[str] = ()
    caption: str = ""
    scores: Sequence[float | None] | None = None


class GroundedScorer(Scorer):
    """Captions with phrases and masks (mgsc, gcg). The pictures of AP are numbered in the order of the questions."""

    def __init__(self, measures: Measures) -> None:
        self.similarity = measures.similarity
        self.official = OfficialGroundedMasks()
        self.official_ap = OfficialAveragePrecision()
        self.corrected = GroundedMasks()
        self.corrected_ap = AveragePrecision()
        self.texts = CaptionScorer(measures.captions) if measures.captions else None
        self.metrics = {
            "official": [*(self.texts.metrics["official"] if self.texts else ()), self.official_ap, self.official],
            "corrected": [*(self.texts.metrics["corrected"] if self.texts else ()), self.corrected_ap, self.corrected],
        }

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its corrected mean IoU."""
        truth_phrases, truth = pairs_of(question.turn.answer, question.sample.segments)
        phrases, predicted = pairs_of(prediction.answer, prediction.segments)
        scores = {segment.id: segment.score for segment in prediction.segments}
        return self.add(
            GroundedPair(
                image_id=len(self.official_ap),
                truth=truth,
                truth_phrases=truth_phrases,
                references=question.references,
                predicted=predicted,
                phrases=phrases,
                caption=prediction.answer.text,
                scores=[scores[k] for k in prediction.answer.segment_ids],
            )
        )

    def add(self, pair: GroundedPair) -> float:
        """Add one image; returns its corrected mean IoU."""
        self.official_ap.update(pair.image_id, pair.truth, pair.predicted, pair.details)
        self.corrected_ap.update(pair.truth, pair.predicted, pair.scores)
        if not pair.references:
            return 0.0
        if self.texts:
            self.texts.add(pair.caption, pair.references)
        table = self.similarity.table(pair.truth_phrases, pair.phrases)
        self.official.update(pair.truth, pair.predicted, table)
        # a mask without a phrase is like none
        num_truth, num_predicted = len(pair.truth), len(pair.predicted)
        known = table[:num_truth, :num_predicted]
        missing = ((0, num_truth - known.shape[0]), (0, num_predicted - known.shape[1]))
        return self.corrected.update(pair.truth, pair.predicted, np.pad(known, missing))

    def score_name(self, name: str) -> str:
        """Scores that look at the phrases end with the name of the text similarity."""
        return f"{name}_{self.similarity.name}" if name.startswith(_TEXT_SCORES) else name


class CaptionScorer(Scorer):
    """Texts without masks, compared with all references."""

    def __init__(self, tools: CaptionTools) -> None:
        self.official = OfficialCaptions(tools)
        self.corrected = Captions(tools)
        self.metrics = {"official": [self.official], "corrected": [self.corrected]}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns the F1 of its words with those of the likest reference, by which it is sorted."""
        return self.add(prediction.answer.text, question.references)

    def add(self, text: str, references: Sequence[str]) -> float:
        """Add one text; returns the same."""
        self.official.update(text, references)
        self.corrected.update(text, references)
        return float(LexicalSimilarity().table(references, [text]).max())


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
    """Answers with several targets or none; "nothing there" is an answer with fewer than `no_target_pixels` pixels."""

    def __init__(self, no_target_pixels: int = 1) -> None:
        self.no_target_pixels = no_target_pixels
        self.official = OfficialGeneralizedReferring()
        self.corrected = GeneralizedReferring()
        self.metrics = {"official": [self.official], "corrected": [self.corrected]}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its IoU, 1 for a rightly empty one."""
        truth, predicted = merged_pair(question, prediction)
        said_none = masks.area(predicted) < self.no_target_pixels
        self.official.update(truth, predicted, not question.turn.answer.segment_ids, said_none)
        return self.corrected.update(truth, predicted, said_none)

    def score_name(self, name: str) -> str:
        """Every score ends with the rule that says when nothing is there, unless that is the empty mask alone."""
        return name if self.no_target_pixels == 1 else f"{name}_none_below_{self.no_target_pixels}px"


class MultiTargetScorer(Scorer):
    """Answers that mean several regions, each with a mask of its own; no authors' evaluator is reproduced."""

    def __init__(self) -> None:
        self.corrected = MultiTargetIoU()
        self.metrics = {"official": [], "corrected": [self.corrected]}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns the mean IoU of its targets."""
        truth = answered(question.turn.answer, question.sample.segments)
        predicted = answered(prediction.answer, prediction.segments)
        ignore = question.sample.meta.get(IGNORE_KEY)
        return self.corrected.update([s.rle.to_coco() for s in truth], [s.rle.to_coco() for s in predicted], ignore)


def make_scorer(kind: ScorerKind, measures: Measures) -> Scorer:
    """A new scorer without answers."""
    if kind == "grounded":
        return GroundedScorer(measures)
    if kind == "caption":
        if measures.captions is None:
            raise ValueError("captions are scored by their texts, but the measures have no CaptionTools")
        return CaptionScorer(measures.captions)
    if kind == "generalized":
        return GeneralizedScorer(measures.no_target_pixels)
    return ReferringScorer() if kind == "referring" else MultiTargetScorer()


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
                failures += [str(failure)] if images else []
                continue
            if not images:  # nothing was asked, so no score is defined, whatever an evaluator would print
                values = dict.fromkeys(values, float("nan"))
            spans = intervals(metric, images[: len(metric)], resamples)
            for name, value in values.items():
                low, high = spans.get(name, (float("nan"), float("nan")))
                result[protocol][scorer.score_name(name)] = {
                    "value": _defined(value),
                    "interval": [_defined(low), _defined(high)],
                }
    return result | {"failures": failures}


def _defined(value: float) -> float | None:
    return None if value != value else value
