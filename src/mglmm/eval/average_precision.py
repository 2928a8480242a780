"""Average precision of masks, class-agnostic: the COCO tool's own number, and one that does not depend on any order."""

import contextlib
import io
from collections.abc import Hashable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from pycocotools.cocoeval import COCOeval, Params

from mglmm import masks
from mglmm.eval.grounded import maximum_matching
from mglmm.eval.tally import OfficialFailureError
from mglmm.masks import CocoRle

IOU_THRESHOLDS = np.arange(50, 100, 5) / 100
RECALL_POINTS = np.arange(101) / 100
"""0.50:0.05:0.95 and 0:0.01:1, each the float nearest to its decimal, so that an IoU of exactly 11/20 passes 0.55.

Source: COCO detection evaluation, cocodataset.org."""


def interpolated(
    true_positives: np.ndarray, num_predicted: np.ndarray, num_truth: int, recall_points: np.ndarray = RECALL_POINTS
) -> np.ndarray:
    """float64[T]: mean interpolated precision at `recall_points`; NaN where there is no truth.

    `true_positives` and `num_predicted` (both [T, K]) are the counts at K operating points of falling score.

    Source: COCO detection evaluation (precision made non-increasing from the right, 0 beyond the last recall).
    """
    if num_truth == 0:
        return np.full(len(true_positives), np.nan)
    recall = true_positives / num_truth
    precision = true_positives / np.maximum(num_predicted, np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(envelope, ((0, 0), (0, 1)))
    points = [np.searchsorted(row, recall_points, side="left") for row in recall]
    return np.array([row[k].mean() for row, k in zip(padded, points, strict=True)])


@dataclass(frozen=True)
class _ImageRanks:
    """One image's predictions by falling score: float64[P], and how much each adds to the matching, bool[T, P]."""

    scores: np.ndarray
    gains: np.ndarray
    num_truth: int


class AveragePrecision:
    """Corrected AP: predictions ranked by score, equal scores treated as one operating point, no limit per image.

    At every score the true positives are the largest one-to-one matching of IoU >= threshold, so neither the order of
    images nor that of masks matters. Without scores all predictions are equal, and AP is precision x recall up to the
    101-point grid.

    Source: COCO detection evaluation; the treatment of ties is ours.
    """

    def __init__(self) -> None:
        self.images: list[_ImageRanks] = []

    def __len__(self) -> int:
        return len(self.images)

    def update(
        self,
        truth: Sequence[CocoRle],
        predicted: Sequence[CocoRle],
        scores: Sequence[float | None] | None = None,
        ious: np.ndarray | None = None,
    ) -> None:
        """Add one image; `scores` one per prediction, None meaning 1.0; `ious` their `iou_table` if it is known."""
        given = np.array([1.0 if s is None else s for s in scores or [None] * len(predicted)], dtype=np.float64)
        order = np.argsort(-given, kind="stable")
        table = (masks.iou_matrix(truth, predicted) if ious is None else np.nan_to_num(ious))[:, order]
        gains = np.array([_gains(table >= t) for t in IOU_THRESHOLDS]).reshape(len(IOU_THRESHOLDS), len(order))
        self.images.append(_ImageRanks(given[order], gains, len(truth)))

    def merge(self, other: Self) -> None:
        """Append the images of `other`."""
        self.images.extend(other.images)

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these images alone."""
        part = type(self)()
        part.images = [self.images[k] for k in items]
        return part

    def compute(self) -> dict[str, float]:
        """`ap` (mean over IoU 0.50:0.05:0.95) and `ap50`; NaN if there is no truth mask."""
        values = self.resample(np.ones((1, len(self.images)), dtype=np.int64))
        return {name: float(value[0]) for name, value in values.items()}

    def resample(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """`ap` and `ap50`, float64[B]; `counts` int64[B, N]."""
        image = np.concatenate([np.full(len(i.scores), k) for k, i in enumerate(self.images)] or [np.zeros(0, int)])
        scores = np.concatenate([i.scores for i in self.images] or [np.zeros(0)])
        gains = np.concatenate([i.gains for i in self.images] or [np.zeros((len(IOU_THRESHOLDS), 0))], axis=1)
        order = np.argsort(-scores, kind="stable")
        image, scores, gains = image[order].astype(int), scores[order], gains[:, order]
        last = np.flatnonzero(np.append(np.diff(scores) != 0, np.ones(min(1, len(scores)), bool)))
        num_truth = counts @ np.array([i.num_truth for i in self.images], dtype=np.int64).reshape(-1)
        values = []
        for weights, total in zip(counts, num_truth.tolist(), strict=True):
            drawn = weights[image]
            hits = np.cumsum(gains * drawn, axis=1)[:, last]
            values.append(interpolated(hits, np.broadcast_to(np.cumsum(drawn)[last], hits.shape), total))
        return _named(np.array(values))


class OfficialAveragePrecision:
    """AP exactly as COCOeval gives it with every score 1.0, which is how the GCG / MGSC evaluators call it.

    Quirks: G2 all scores tie, so AP depends on order: images by id (strings as strings), masks as they come inside an
    image. G3 a truth mask whose id is 0 can never be matched. G4 only the first 100 predictions of an image count.
    G6 the tool dies when no image has a prediction.

    Images are evaluated as they are added, so no mask is kept.

    Source: pycocotools `COCOeval`; MGLMM at d2abee8, `eval/gcg/evaluate.py`.
    """

    def __init__(self, by_size: bool = False) -> None:
        """`by_size`: also what `coco_stats` needs: the same for small, medium and large masks."""
        self.results: dict[Hashable, list[dict[str, np.ndarray] | None]] = {}
        self.num_areas = 4 if by_size else 1

    def __len__(self) -> int:
        return len(self.results)

    def update(
        self,
        image_id: int | str,
        truth: Sequence[CocoRle],
        predicted: Sequence[CocoRle],
        details: "TruthDetails | None" = None,
        ious: np.ndarray | None = None,
    ) -> None:
        """Add one image; `ious` its `iou_table` if it is known.

        Raises:
            ValueError: `image_id` was added before.
        """
        if image_id in self.results:
            raise ValueError(f"image {image_id!r} was added before")
        known = details or TruthDetails.plain(truth)
        tool = _tool([image_id])
        tool._gts[image_id, 1] = [
            {"id": known.ids[k], "segmentation": rle, "area": known.areas[k], "iscrowd": known.crowd[k]}
            | {"ignore": known.crowd[k]}
            for k, rle in enumerate(truth)
        ]
        tool._dts[image_id, 1] = [
            {"id": k + 1, "segmentation": rle, "area": masks.area(rle), "score": 1.0} for k, rle in enumerate(predicted)
        ]
        limit = tool.params.maxDets[-1]
        # of a crowd the tool takes another IoU; that of two empty masks is 0 to it
        table = tool.computeIoU(image_id, 1) if ious is None or any(known.crowd) else np.nan_to_num(ious.T[:limit])
        tool.ious = {(image_id, 1): table}
        areas = tool.params.areaRng[: self.num_areas]
        self.results[image_id] = [_kept(tool.evaluateImg(image_id, 1, area, limit)) for area in areas]

    def merge(self, other: Self) -> None:
        """Append the images of `other`."""
        if twice := self.results.keys() & other.results.keys():
            raise ValueError(f"images were added twice: {sorted(map(str, twice))[:5]}")
        self.results |= other.results

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these images alone."""
        part, ids = copy(self), list(self.results)
        part.results = {ids[k]: self.results[ids[k]] for k in items}
        return part

    def coco_stats(self) -> list[float]:
        """The 12 numbers of `COCOeval.summarize`; -1 where not defined.

        Raises:
            OfficialFailureError: no image has a prediction (G6).
            ValueError: not made with `by_size`.
        """
        if self.num_areas == 1:
            raise ValueError("the 12 numbers need what is kept with by_size=True alone")
        tool = self._accumulated()
        with contextlib.redirect_stdout(io.StringIO()):  # the tool prints its table
            tool.summarize()
        return [float(value) for value in tool.stats]

    def compute(self) -> dict[str, float]:
        """`ap` and `ap50`; NaN if there is no truth mask.

        Raises:
            OfficialFailureError: no image has a prediction (G6).
        """
        # of all sizes and the most predictions; the tool's own mean of what is defined
        precision = self._accumulated().eval["precision"][..., 0, 0, -1]
        both = {"ap": precision, "ap50": precision[:1]}
        return {name: float(np.mean(p[p > -1])) if (p > -1).any() else float("nan") for name, p in both.items()}

    def _accumulated(self) -> COCOeval:
        if not any(by_area[0] and len(by_area[0]["dtScores"]) for by_area in self.results.values()):
            raise OfficialFailureError("IndexError", "no image has a predicted mask")
        tool = _tool(list(self.results))
        tool.params.areaRng = tool.params.areaRng[: self.num_areas]
        per_image = [self.results[image_id] for image_id in tool.params.imgIds]
        tool.evalImgs = [result for by_area in zip(*per_image, strict=True) for result in by_area]
        tool._paramsEval = tool.params
        with contextlib.redirect_stdout(io.StringIO()):  # the tool prints what it does
            tool.accumulate()
        return tool

    def resample(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """`ap` and `ap50`, float64[B], images in the order of their ids; `counts` int64[B, N] in order of adding."""
        order = np.unique(np.array(list(self.results)), return_index=True)[1]
        results = [by_area[0] for by_area in self.results.values()]
        num_thresholds = len(IOU_THRESHOLDS)
        empty = np.zeros((num_thresholds, 0), dtype=bool)
        hits = [empty if r is None else r["dtMatches"] & ~r["dtIgnore"] for r in results]
        used = [empty if r is None else ~r["dtIgnore"] for r in results]
        num_truth = np.array([0 if r is None else int(np.sum(~r["gtIgnore"])) for r in results])
        points = Params(iouType="segm").recThrs
        values = []
        for weights in counts:
            drawn = np.repeat(order, weights[order])
            hit = np.concatenate([empty] + [hits[k] for k in drawn], axis=1)
            kept = np.concatenate([empty] + [used[k] for k in drawn], axis=1)
            values.append(interpolated(np.cumsum(hit, 1), np.cumsum(kept, 1), int(num_truth @ weights), points))
        return _named(np.array(values))


@dataclass(frozen=True)
class TruthDetails:
    """What a COCO truth file says of each mask besides the mask: annotation id, stated area, crowd flag (0 / 1)."""

    ids: list[int]
    areas: list[float]
    crowd: list[int] = field(default_factory=list)

    @classmethod
    def plain(cls, truth: Sequence[CocoRle]) -> Self:
        """Ids from 1, true areas, no crowd."""
        return cls(list(range(1, len(truth) + 1)), masks.areas(truth).tolist(), [0] * len(truth))


def _tool(image_ids: list[Any]) -> COCOeval:
    """A COCOeval of one category without a data set behind it; its images in the tool's own order."""
    tool = COCOeval(iouType="segm")
    tool.params = Params(iouType="segm")
    tool.params.imgIds = list(np.unique(image_ids))
    tool.params.catIds = [1]
    return tool


def _kept(result: dict[str, Any] | None) -> dict[str, np.ndarray] | None:
    """What `COCOeval.accumulate` reads of the result of one image; whether and not what a prediction matches."""
    if result is None:
        return None
    flags = {name: np.asarray(result[name]) != 0 for name in ("dtMatches", "dtIgnore", "gtIgnore")}
    return flags | {"dtScores": np.asarray(result["dtScores"])}


def _gains(admissible: np.ndarray) -> np.ndarray:
    """bool[P]: whether prediction p enlarges the largest matching of the predictions up to p; `admissible` [G, P]."""
    if admissible.sum(axis=0).max(initial=0) <= 1 and admissible.sum(axis=1).max(initial=0) <= 1:
        return np.asarray(admissible.any(axis=0))
    gains = np.zeros(admissible.shape[1], dtype=bool)
    gains[[column for _, column in maximum_matching(admissible)]] = True
    return gains


def _named(values: np.ndarray) -> dict[str, np.ndarray]:
    """`ap` and `ap50` from float64[B, T]."""
    return {"ap": values.mean(axis=1), "ap50": values[:, 0]}
