"""One scorer per kind of answer: it holds the metrics of both protocols and feeds them a question and its answer."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from mglmm import masks
from mglmm.eval.average_precision import AveragePrecision, OfficialAveragePrecision, TruthDetails
from mglmm.eval.captioning import Captions, CaptionTools, OfficialCaptions
from mglmm.eval.classes import Classes
from mglmm.eval.grounded import MATCH_SIMILARITY, GroundedMasks, OfficialGroundedMasks, iou_table, pairs_of
from mglmm.eval.panoptic import (
    ClassSegment,
    OfficialPanopticQuality,
    OfficialSemanticPanoptic,
    PanopticQuality,
    SemanticIoU,
)
from mglmm.eval.phrase_classes import PhraseClasses, PhraseMatches
from mglmm.eval.questions import Question, answered, ignored, merged_pair, tree_of
from mglmm.eval.segmentation import (
    GeneralizedReferring,
    MultiTargetIoU,
    OfficialGeneralizedReferring,
    OfficialReferringIoU,
    ReferringIoU,
)
from mglmm.eval.structure import Hallucination, MaskTree, parents_of
from mglmm.eval.tally import Metric
from mglmm.eval.text_similarity import LexicalSimilarity, TextSimilarity
from mglmm.masks import CocoRle
from mglmm.schema import Prediction

PROTOCOLS = ("official", "corrected")
"""official: the authors' numbers, quirks included; corrected: the published definitions."""

ScorerKind = Literal["grounded", "caption", "referring", "generalized", "multi_target", "panoptic", "semantic"]
CLASSED: frozenset[ScorerKind] = frozenset({"panoptic", "semantic"})
"""Kinds of answers whose phrases are taken for classes."""
CAPTIONED: frozenset[ScorerKind] = frozenset({"grounded", "caption"})
"""Kinds of answers whose text is compared with references."""
RATINGS: Mapping[ScorerKind, str] = {
    "grounded": "mean IoU",
    "caption": "words shared with a reference (F1)",
    "referring": "IoU",
    "generalized": "IoU",
    "multi_target": "mean IoU of the targets",
    "panoptic": "panoptic quality",
    "semantic": "mean IoU of the classes",
}
"""What `Scorer.update` of each kind returns: how good one answer is."""

_TEXT_SCORES = ("mask_recall", "mask_precision", "mask_f1", "hallucinat")
"""Scores that depend on the text similarity, which their name therefore ends with."""


@dataclass(frozen=True)
class Measures:
    """What scores depend on besides the answers; each is told by the names of the scores that it changes.

    `captions`: what compares texts with their references, for which Java is needed; None: those scores are left out.
    `no_target_pixels`: of generalized referring, fewer predicted pixels mean that nothing is there. `classes`: those of
    panoptic and semantic segmentation.
    """

    similarity: TextSimilarity
    captions: CaptionTools | None = None
    no_target_pixels: int = 1
    classes: Classes | None = None


class Scorer(ABC):
    """Scores answers of one kind; `metrics` by protocol, to be filled by the subclass."""

    metrics: Mapping[str, Sequence[Metric]]

    def __len__(self) -> int:
        """Number of answers added."""
        return max(len(metric) for metrics in self.metrics.values() for metric in metrics)

    def subset(self, items: Sequence[int]) -> Self:
        """The scores of these answers alone, by their places in the order of adding; no more can be added to it."""
        part = copy(self)
        part.metrics = {name: [metric.subset(items) for metric in metrics] for name, metrics in self.metrics.items()}
        return part

    @abstractmethod
    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer to every metric; returns how good it is, 0..1, by which the gallery is sorted."""

    def score_name(self, name: str) -> str:
        """The full name of a metric's score, with what it depends on."""
        return name

    def details(self) -> dict[str, Any]:
        """What else is to be told about the answers, for the file of scores."""
        return {}


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
        self.tree = MaskTree()
        self.hallucination = Hallucination()
        self.texts = CaptionScorer(measures.captions) if measures.captions is not None else None
        corrected: list[Metric] = [self.corrected_ap, self.corrected, self.tree, self.hallucination]
        texts = self.texts.metrics if self.texts is not None else {"official": (), "corrected": ()}
        self.metrics = {
            "official": [*texts["official"], self.official_ap, self.official],
            "corrected": [*texts["corrected"], *corrected],
        }

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its corrected mean IoU."""
        sample, turn = question.sample, question.turn
        truth_phrases, truth = pairs_of(turn.answer, sample.segments)
        phrases, predicted = pairs_of(prediction.answer, prediction.segments)
        scores = {segment.id: segment.score for segment in prediction.segments}
        pair = GroundedPair(
            image_id=len(self.official_ap),
            truth=truth,
            truth_phrases=truth_phrases,
            references=question.references,
            predicted=predicted,
            phrases=phrases,
            caption=prediction.answer.text,
            scores=[scores[k] for k in prediction.answer.segment_ids],
        )
        self.tree.update(*tree_of(turn.answer, sample.segments), *tree_of(prediction.answer, prediction.segments))
        names = [*(s.label for s in sample.segments), *(s.caption for s in sample.segments if s.caption)]
        self._look_for_what_is_not_there([*truth_phrases, *names], phrases, sample.exhaustive)
        return self._add(pair)

    def add(self, pair: GroundedPair) -> float:
        """Add one caption of which no more is known; returns its corrected mean IoU, 0 if only AP counts it.

        The parts are told by containment, and what its true caption does not tell is not there.
        """
        if pair.references:
            self.tree.update(pair.truth, parents_of(pair.truth), pair.predicted, parents_of(pair.predicted))
            self._look_for_what_is_not_there(pair.truth_phrases, _fitted(pair.phrases, len(pair.predicted)))
        return self._add(pair)

    def score_name(self, name: str) -> str:
        """Scores that look at the phrases end with the name of the text similarity."""
        return f"{name}_{self.similarity.name}" if name.startswith(_TEXT_SCORES) else name

    def _add(self, pair: GroundedPair) -> float:
        ious = iou_table(pair.truth, pair.predicted)
        self.official_ap.update(pair.image_id, pair.truth, pair.predicted, pair.details, ious)
        self.corrected_ap.update(pair.truth, pair.predicted, pair.scores, ious)
        if not pair.references:
            return 0.0
        if self.texts is not None:
            self.texts.add(pair.caption, pair.references)
        table = self.similarity.table(pair.truth_phrases, pair.phrases)
        self.official.update(ious, table)
        if table.shape != ious.shape:
            # what has no phrase is like nothing, and a phrase without a mask finds nothing
            told, said = _fitted(pair.truth_phrases, len(pair.truth)), _fitted(pair.phrases, len(pair.predicted))
            table = self.similarity.table(told, said) * np.outer(np.array(told, str) != "", np.array(said, str) != "")
        return self.corrected.update(ious, table)

    def _look_for_what_is_not_there(
        self, there: Sequence[str], phrases: Sequence[str], exhaustive: Sequence[str] = ()
    ) -> None:
        """A phrase can be judged if it is like something that is there or like a label of which all instances are known
        (`exhaustive`); where there is no such label, all that is there is taken to be known."""
        likeness = self.similarity.table(list(dict.fromkeys(there)), phrases)
        known = np.concatenate([likeness, self.similarity.table(exhaustive, phrases)])
        judged = known.max(axis=0, initial=0.0) >= MATCH_SIMILARITY if exhaustive else None
        self.hallucination.update(likeness, judged)


def _fitted(phrases: Sequence[str], num_masks: int) -> list[str]:
    """One phrase for each mask; empty ones where there are too few."""
    return [*phrases[:num_masks], *[""] * (num_masks - len(phrases))]


class CaptionScorer(Scorer):
    """Texts without masks, compared with all references."""

    def __init__(self, tools: CaptionTools) -> None:
        self.tools = tools
        self.official = OfficialCaptions(tools)
        self.corrected = Captions(tools)
        self.metrics = {"official": [self.official], "corrected": [self.corrected]}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns the F1 of its words with those of the likest reference, by which it is sorted."""
        return self.add(prediction.answer.text, question.references)

    def add(self, text: str, references: Sequence[str]) -> float:
        """Add one text; returns the same."""
        if not len(self):
            self.tools.start()  # it takes seconds, in which the other answers are added
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
        ignore = ignored(question.sample)
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
        ignore = ignored(question.sample)
        predicted = [segment.rle.to_coco() for segment in prediction.segments]
        return self.corrected.update([segment.rle.to_coco() for segment in truth], predicted, ignore)


class ClassScorer(Scorer):
    """Answers about a whole picture whose phrases are taken for classes by the rule of `phrase_classes.py`."""

    def __init__(self, classes: Classes, similarity: TextSimilarity) -> None:
        self.classes = classes
        self.similarity = similarity
        self.rule = PhraseClasses(classes.names, similarity)
        self.matches = PhraseMatches()

    def score_name(self, name: str) -> str:
        """Every score ends with the name of the text similarity, by which phrases find their class."""
        return f"{name}_{self.similarity.name}"

    def details(self) -> dict[str, Any]:
        """The phrases that mean no class, most frequent first, each with how often it was written."""
        matches = [metric for metric in self.metrics["corrected"] if isinstance(metric, PhraseMatches)]
        unmatched = Counter(phrase for metric in matches for image in metric.unmatched for phrase in image)
        return {"unmatched_phrases": dict(unmatched.most_common())}

    def found(self, prediction: Prediction) -> list[ClassSegment]:
        """The masks of the answer that have a class."""
        phrases, rles = pairs_of(prediction.answer, prediction.segments)
        scores = {segment.id: segment.score for segment in prediction.segments}
        matches = self.rule.match(phrases)
        self.matches.update(phrases, matches)
        return self.classes.predicted(matches, rles, [scores[k] for k in prediction.answer.segment_ids])


class PanopticScorer(ClassScorer):
    """Panoptic quality of instances and stuff."""

    def __init__(self, classes: Classes, similarity: TextSimilarity) -> None:
        super().__init__(classes, similarity)
        self.official = OfficialPanopticQuality(classes.things)
        self.corrected = PanopticQuality(classes.things)
        self.metrics = {"official": [self.official], "corrected": [self.corrected, self.matches]}

    def details(self) -> dict[str, Any]:
        """Also the corrected scores of every class."""
        names = {class_id: names[0] for class_id, names in self.classes.names.items()}
        [quality] = [metric for metric in self.metrics["corrected"] if isinstance(metric, PanopticQuality)]
        return super().details() | {"classes": {names[k]: part for k, part in quality.per_class().items()}}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its panoptic quality."""
        truth, predicted = self.classes.truth(question.sample), self.classes.panoptic(self.found(prediction))
        self.official.update(truth, predicted)
        return self.corrected.update(truth, predicted)


class SemanticScorer(ClassScorer):
    """The class of every pixel; official are MGLMM's numbers, whose panoptic quality is one of classes, not instances.

    The phrase-to-class rule is ours for both protocols.
    """

    def __init__(self, classes: Classes, similarity: TextSimilarity) -> None:
        super().__init__(classes, similarity)
        self.official = OfficialSemanticPanoptic(len(classes.names))
        self.corrected = SemanticIoU(classes.names)
        self.metrics = {"official": [self.official], "corrected": [self.corrected, self.matches]}

    def update(self, question: Question, prediction: Prediction) -> float:
        """Add one answer; returns its mean IoU over classes."""
        size = question.sample.size
        truth, predicted = self.classes.truth(question.sample), self.found(prediction)
        index = {class_id: k for k, class_id in enumerate(sorted(self.classes.names))}
        numbered = [[replace(s, class_id=index[s.class_id]) for s in segments] for segments in (truth, predicted)]
        self.official.update(numbered[0], numbered[1], size)
        return self.corrected.update(truth, predicted, size)

    def score_name(self, name: str) -> str:
        """Panoptic quality is told apart from that of instances."""
        return super().score_name(f"{name}_of_classes" if name in ("pq", "sq", "rq") else name)


def make_scorer(kind: ScorerKind, measures: Measures) -> Scorer:
    """A new scorer without answers."""
    if kind == "grounded":
        return GroundedScorer(measures)
    if kind == "caption":
        if measures.captions is None:
            raise ValueError("captions are scored by their texts, but the measures have no CaptionTools")
        return CaptionScorer(measures.captions)
    if kind in ("panoptic", "semantic"):
        if measures.classes is None:
            raise ValueError(f"{kind} scores are scores of classes, but the measures have none")
        return (PanopticScorer if kind == "panoptic" else SemanticScorer)(measures.classes, measures.similarity)
    if kind == "generalized":
        return GeneralizedScorer(measures.no_target_pixels)
    return ReferringScorer() if kind == "referring" else MultiTargetScorer()
