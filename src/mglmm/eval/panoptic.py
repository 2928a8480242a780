"""Metrics of panoptic and semantic segmentation, from class ids; `phrase_classes.py` says how phrases become classes.

The corrected metrics follow the published definitions. `OfficialSemanticPanoptic` gives MGLMM's own numbers, quirks
included, named as in `docs/evaluation.md`. Scores are fractions 0..1, NaN where not defined.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from math import fsum
from typing import ClassVar, Self

import numpy as np

from mglmm import masks
from mglmm.eval.tally import OfficialFailureError, ratio
from mglmm.masks import CocoRle

MATCH_IOU = 0.5
"""Segments match above this IoU, exclusive, which makes pairs unique. Source: Kirillov et al., 2019, section 4.1."""
VOID_SHARE = 0.5
"""A false prediction with more than this share of unlabelled pixels does not count. Source: as above, section 4.2."""


@dataclass(frozen=True)
class ClassSegment:
    """A mask of a class; `score` says which of two overlapping predictions lies on top.

    `crowd`: a truth region of several instances nobody took apart. `area`: number of pixels where a truth file states
    another than the mask has, as panopticapi believes it; None: the mask's own.
    """

    class_id: int
    rle: CocoRle
    score: float | None = None
    crowd: bool = False
    area: int | None = None


class ClassMetric:
    """Base of metrics that count per class: float64[C, F] for each image, classes in the order of `class_ids`."""

    fields: ClassVar[tuple[str, ...]]

    def __init__(self, class_ids: Collection[int]) -> None:
        if not class_ids:
            raise ValueError("there are no classes")
        self.class_ids = sorted(class_ids)
        self.index = {class_id: k for k, class_id in enumerate(self.class_ids)}
        self.images: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.images)

    def merge(self, other: Self) -> None:
        """Append the images of `other`."""
        self.images.extend(other.images)

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these images alone."""
        part = copy(self)
        part.images = [self.images[k] for k in items]
        return part

    @property
    def table(self) -> np.ndarray:
        """float64[N, C * F]."""
        return np.array(self.images).reshape(len(self.images), len(self.class_ids) * len(self.fields))

    def sums(self) -> np.ndarray:
        """float64[C, F] over all images; exact, so that the order of the images changes no digit."""
        sums = [fsum(cells) for cells in self.table.T.tolist()]
        return np.array(sums).reshape(len(self.class_ids), len(self.fields))

    def compute(self) -> dict[str, float]:
        """Score name -> value."""
        return {name: float(value) for name, value in self.from_sums(self.sums()).items()}

    def resample(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Score name -> float64[B]; `counts` int64[B, N]."""
        return self.from_sums((counts @ self.table).reshape(len(counts), len(self.class_ids), len(self.fields)))

    def from_sums(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Scores, each float64[...], from float64[..., C, F]."""
        raise NotImplementedError


class PanopticQuality(ClassMetric):
    """Corrected PQ, SQ and RQ: means over the classes that occur in truth or predictions.

    `things`: class id -> whether it is a thing; the scores also come for things and stuff alone. Segments match when
    their class is the same and their IoU is above 0.5; unlabelled pixels leave the union; a false prediction that lies
    mostly on unlabelled pixels and crowds of its class does not count. A predicted mask without any pixel is a false
    one. The numbers are those of panopticapi, unless an image has several crowds of a class.

    Source: Kirillov et al., Panoptic Segmentation, CVPR 2019.
    """

    fields = ("iou", "tp", "fp", "fn")
    last_crowd_only: ClassVar[bool] = False

    def __init__(self, things: Mapping[int, bool]) -> None:
        super().__init__(things)
        self.is_thing = np.array([things[class_id] for class_id in self.class_ids])

    def update(self, truth: Sequence[ClassSegment], predicted: Sequence[ClassSegment]) -> float:
        """Add one image, whose unlabelled pixels are those of no truth segment; returns its PQ.

        Raises:
            ValueError: truth or predictions overlap (see `without_overlaps`).
            KeyError: a class is unknown.
        """
        counts = _panoptic_counts(truth, predicted, self.index, self.last_crowd_only)
        self.images.append(counts)
        return float(np.nan_to_num(self.from_sums(counts)["pq"], nan=float(not predicted)))

    def from_sums(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """`pq`, `sq`, `rq`; with `_things` and `_stuff` over these classes alone."""
        everything = np.ones_like(self.is_thing)
        parts = {"": everything, "_things": self.is_thing, "_stuff": ~self.is_thing}
        return {name + part: value for part, those in parts.items() for name, value in _qualities(sums, those).items()}

    def per_class(self) -> dict[int, dict[str, float]]:
        """Class id -> `pq`, `sq`, `rq`; 0 for a class that does not occur."""
        sums = self.sums()
        values = {name: np.nan_to_num(value) for name, value in _class_qualities(sums).items()}
        return {c: {name: float(value[k]) for name, value in values.items()} for k, c in enumerate(self.class_ids)}


class OfficialPanopticQuality(PanopticQuality):
    """PQ, SQ and RQ as panopticapi gives them.

    Quirks: P1 of several crowds of a class in one image only the last excuses false predictions; without any class that
    occurs the evaluator divides by zero.

    Source: panopticapi at 7bb4655, `evaluation.py`.
    """

    last_crowd_only = True

    def compute(self) -> dict[str, float]:
        """See `from_sums`.

        Raises:
            OfficialFailureError: no class, no thing or no stuff occurs (P1).
        """
        scores = super().compute()
        for part, kind in {"": "class", "_things": "thing", "_stuff": "stuff"}.items():
            if np.isnan(scores[f"pq{part}"]):
                raise OfficialFailureError("ZeroDivisionError", f"no {kind} occurs")
        return scores


class SemanticIoU(ClassMetric):
    """Semantic segmentation: how well each labelled pixel's class is found.

    `mean_iou`: mean over the classes that occur in truth or predictions; `mean_iou_all_classes`: over all classes, one
    that does not occur counting 0, as SceneParse150's evaluator has it; `pixel_accuracy`: share of labelled pixels with
    the right class. Pixels of no truth segment do not count; a pixel without a prediction is wrong.

    Source: Long et al., Fully Convolutional Networks, 2015, section 5; Zhou et al., ADE20K, 2017.
    """

    fields = ("shared", "truth", "predicted")

    def update(self, truth: Sequence[ClassSegment], predicted: Sequence[ClassSegment], size: tuple[int, int]) -> float:
        """Add one image of `size` (height, width); of overlapping masks see `without_overlaps`. Returns its mean IoU.

        Raises:
            KeyError: a class is unknown.
        """
        truth_map = _class_map(_by_rank(truth), self.index, size, empty=-1)
        predicted_map = _class_map(_by_rank(predicted), self.index, size, empty=-1)
        counts = _semantic_counts(truth_map, predicted_map, len(self.class_ids))
        self.images.append(counts)
        return float(np.nan_to_num(self.from_sums(counts)["mean_iou"]))

    def from_sums(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """`mean_iou`, `mean_iou_all_classes`, `pixel_accuracy`."""
        shared, truth, predicted = np.moveaxis(sums, -1, 0)
        iou = np.asarray(ratio(shared, truth + predicted - shared))
        total = np.asarray(truth.sum(axis=-1))
        return {
            "mean_iou": _mean(iou),
            "mean_iou_all_classes": np.where(total > 0, np.nan_to_num(iou).mean(axis=-1), np.nan),
            "pixel_accuracy": np.asarray(ratio(shared.sum(axis=-1), total)),
        }


class OfficialSemanticPanoptic(ClassMetric):
    """MGLMM's PQ and mIoU, both of semantic maps.

    Quirks: P2 every class of an image is one segment, all of them stuff, so this PQ is not that of instances. P3 pixels
    that nothing is predicted for are of class 0, not unlabelled; later masks overwrite earlier ones; an image without
    any prediction is skipped; a class that is not known kills the evaluator. P4 the mean IoU divides by the number of
    classes with truth or predicted pixels.

    Source: MGLMM at d2abee8, panoptic inference; detectron2 `SemSegEvaluator`; panopticapi at 7bb4655.
    """

    fields = ("iou", "tp", "fp", "fn", "shared", "truth", "predicted")

    def __init__(self, num_classes: int) -> None:
        super().__init__(range(num_classes))
        self.unknown: list[list[int]] = []

    def merge(self, other: Self) -> None:
        """Append the images of `other`."""
        super().merge(other)
        self.unknown.extend(other.unknown)

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these images alone."""
        part = super().subset(items)
        part.unknown = [self.unknown[k] for k in items]
        return part

    def update(self, truth: Sequence[ClassSegment], predicted: Sequence[ClassSegment], size: tuple[int, int]) -> None:
        """Add one image of `size` (height, width), `predicted` in the order of painting; class ids count from 0."""
        self.unknown.append([segment.class_id for segment in predicted if segment.class_id not in self.index])
        if not predicted or self.unknown[-1]:
            self.images.append(np.zeros((len(self.class_ids), len(self.fields))))
            return
        truth_map = _class_map(truth, self.index, size, empty=-1)
        predicted_map = _class_map(predicted, self.index, size, empty=0)
        counts = [
            _panoptic_counts(_segments_of(truth_map), _segments_of(predicted_map), self.index),
            _semantic_counts(truth_map, predicted_map, len(self.class_ids)),
        ]
        self.images.append(np.concatenate(counts, axis=1))

    def compute(self) -> dict[str, float]:
        """`pq`, `sq`, `rq`, `mean_iou`.

        Raises:
            OfficialFailureError: a prediction has an unknown class (P3), or no class occurs.
        """
        if unknown := [class_id for image in self.unknown for class_id in image]:
            raise OfficialFailureError("KeyError", f"class {unknown[0]} is not known")
        if not self.sums()[:, 1:4].any():
            raise OfficialFailureError("ZeroDivisionError", "no class occurs")
        return super().compute()

    def from_sums(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """`pq`, `sq`, `rq`, `mean_iou`."""
        shared, truth, predicted = np.moveaxis(sums[..., 4:], -1, 0)
        mean_iou = _mean(np.asarray(ratio(shared, truth + predicted - shared)))
        return _qualities(sums[..., :4], np.ones(len(self.class_ids), dtype=bool)) | {"mean_iou": mean_iou}


def without_overlaps(segments: Sequence[ClassSegment]) -> list[ClassSegment]:
    """The visible parts: of two that overlap, that of higher score lies on top (no score: 1), then the smaller one.

    Nothing depends on the order of `segments`. A segment that is hidden keeps its place with an empty mask.

    Source: ours; the panoptic format has no overlaps.
    """
    rles = [segment.rle for segment in segments]
    if not segments or not _overlap(rles):
        return list(segments)
    ranked = {id(segment): k for k, segment in enumerate(_by_rank(segments))}
    ranks = [ranked[id(segment)] for segment in segments]
    height, width = rles[0]["size"]
    on_top = np.full((height, width), -1)
    for rank, rle in sorted(zip(ranks, rles, strict=True), key=lambda pair: pair[0]):
        on_top[masks.decode(rle)] = rank
    return [replace(s, rle=masks.encode(on_top == rank)) for s, rank in zip(segments, ranks, strict=True)]


def stuff_united(segments: Sequence[ClassSegment], things: Mapping[int, bool]) -> list[ClassSegment]:
    """`segments` with all masks of a stuff class made one, of the highest score; things stay as they are.

    Source: the COCO panoptic format, in which a stuff class has one segment an image.
    """
    united = [segment for segment in segments if things[segment.class_id]]
    for class_id in dict.fromkeys(s.class_id for s in segments if not things[s.class_id]):
        same = [segment for segment in segments if segment.class_id == class_id]
        scores = [segment.score for segment in same if segment.score is not None]
        united.append(ClassSegment(class_id, masks.union([s.rle for s in same]), max(scores, default=None)))
    return united


def _by_rank(segments: Sequence[ClassSegment]) -> list[ClassSegment]:
    """From the bottom to the top."""

    def _rank(segment: ClassSegment) -> tuple[float, int, str, int]:
        score = 1.0 if segment.score is None else segment.score
        return score, -masks.area(segment.rle), segment.rle["counts"], segment.class_id

    return sorted(segments, key=_rank)


def _overlap(rles: Sequence[CocoRle]) -> bool:
    return bool(masks.areas(rles).sum() > masks.area(masks.union(rles)))


def _panoptic_counts(
    truth: Sequence[ClassSegment],
    predicted: Sequence[ClassSegment],
    index: Mapping[int, int],
    last_crowd_only: bool = False,
) -> np.ndarray:
    """float64[C, 4]: sum of matched IoU, true positives, false positives and false negatives of one image."""
    truth_rles, rles = [s.rle for s in truth], [s.rle for s in predicted]
    for name, those in (("truth", truth_rles), ("predicted", rles)):
        if those and _overlap(those):
            raise ValueError(f"{name} segments overlap")
    classes, predicted_classes = (np.array([index[s.class_id] for s in those], int) for those in (truth, predicted))
    stated = [masks.area(s.rle) if s.area is None else s.area for s in truth]
    crowd = np.array([s.crowd for s in truth], dtype=bool)
    areas, predicted_areas = np.array(stated, int), masks.areas(rles)
    shared = masks.intersection_matrix(truth_rles, rles)
    void = predicted_areas - shared.sum(axis=0)
    same = classes[:, None] == predicted_classes
    iou = np.asarray(ratio(shared, areas[:, None] + predicted_areas - void - shared))
    matched = (iou > MATCH_IOU) & same & ~crowd[:, None]
    excusing = crowd.copy()
    if last_crowd_only:
        last = {k: position for position, k in enumerate(classes.tolist()) if crowd[position]}
        excusing[:] = np.isin(np.arange(len(classes)), list(last.values()))
    excused = void + np.where(same & excusing[:, None], shared, 0).sum(axis=0)
    false = ~matched.any(axis=0) & ~(excused > VOID_SHARE * predicted_areas)
    missed = ~matched.any(axis=1) & ~crowd
    counts = np.zeros((len(index), 4))
    for k in np.unique(np.concatenate([classes, predicted_classes])).tolist():
        pairs = iou[matched & (classes == k)[:, None]]
        counts[k] = fsum(pairs), len(pairs), (false & (predicted_classes == k)).sum(), (missed & (classes == k)).sum()
    return counts


def _semantic_counts(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """float64[C, 3]: right, true and predicted pixels of each class; both maps int[H, W] with -1 for none."""
    labelled = truth >= 0
    truth, predicted = truth[labelled], predicted[labelled]
    found = (truth[truth == predicted], truth, predicted[predicted >= 0])
    return np.stack([np.bincount(pixels, minlength=num_classes) for pixels in found], axis=1).astype(np.float64)


def _class_map(
    segments: Sequence[ClassSegment], index: Mapping[int, int], size: tuple[int, int], empty: int
) -> np.ndarray:
    """int64[H, W]: the index of the class that was painted last, else `empty`."""
    painted = np.full(size, empty)
    for segment in segments:
        painted[masks.decode(segment.rle)] = index[segment.class_id]
    return painted


def _segments_of(classes: np.ndarray) -> list[ClassSegment]:
    return [ClassSegment(int(k), masks.encode(classes == k)) for k in np.unique(classes[classes >= 0])]


def _class_qualities(sums: np.ndarray) -> dict[str, np.ndarray]:
    """`pq`, `sq`, `rq`, each float64[..., C], NaN for classes that do not occur; `sums` float64[..., C, 4]."""
    iou, tp, fp, fn = np.moveaxis(sums, -1, 0)
    total = tp + fp / 2 + fn / 2
    sq = np.where(total > 0, np.nan_to_num(ratio(iou, tp)), np.nan)
    return {"pq": np.asarray(ratio(iou, total)), "sq": sq, "rq": np.asarray(ratio(tp, total))}


def _qualities(sums: np.ndarray, those: np.ndarray) -> dict[str, np.ndarray]:
    """`pq`, `sq`, `rq`: means over `those` classes (bool[C]) that occur."""
    return {name: _mean(value[..., those]) for name, value in _class_qualities(sums).items()}


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of the last axis without NaN; NaN where there is nothing else."""
    defined = ~np.isnan(values)
    return np.asarray(ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1)))
