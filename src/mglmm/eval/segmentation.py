"""Metrics of referring and generalized referring segmentation, from run lengths only (no mask is decoded).

Every metric comes twice. The plain class follows the published definition ("corrected"); the `Official...` class gives
the numbers of the authors' evaluators to the last digit, quirks included, which its docstring lists by the names used
in `docs/evaluation.md`. All scores are fractions 0..1, NaN where not defined.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mglmm import masks
from mglmm.eval.grounded import assignment, iou_table
from mglmm.eval.tally import Numbers, OfficialFailureError, RowMetric, ratio
from mglmm.masks import CocoRle

PRECISION_THRESHOLDS = (0.5, 0.7, 0.9)
"""IoU thresholds of Pr@X. Source: RefCOCO family, e.g. Yu et al., MAttNet, 2018 (0.5-0.9); these three are reported."""
OFFICIAL_GRES_THRESHOLDS = (0.7, 0.8, 0.9)
"""Source: the evaluator of ReLA (Liu et al., GRES, CVPR 2023)."""


def merged(rles: Sequence[CocoRle], size: tuple[int, int]) -> CocoRle:
    """The union of `rles`; the empty mask of `size` (height, width) if there is none."""
    return masks.union(rles) if rles else masks.encode(np.zeros(size, dtype=np.bool_))


def intersection_and_union(truth: CocoRle, predicted: CocoRle, ignore: CocoRle | None = None) -> tuple[int, int]:
    """Pixels shared and pixels in either; those of `ignore` are taken out of both.

    >>> a, b = (masks.encode(np.array([[True, x, False]])) for x in (True, False))
    >>> intersection_and_union(a, b)
    (1, 2)
    """
    shared = int(masks.intersection_matrix([truth], [predicted])[0, 0])
    total = masks.area(truth) + masks.area(predicted) - shared
    if ignore is None:
        return shared, total
    lost = masks.intersection_matrix([masks.intersect([truth, predicted]), truth, predicted], [ignore])[:, 0].tolist()
    return shared - lost[0], total - (lost[1] + lost[2] - lost[0])


def mask_iou(truth: CocoRle, predicted: CocoRle, ignore: CocoRle | None = None) -> float:
    """Intersection over union, 0..1; two empty masks agree fully: 1."""
    shared, total = intersection_and_union(truth, predicted, ignore)
    return shared / total if total else 1.0


class ReferringIoU(RowMetric):
    """Corrected IoU of referring / reasoning segmentation: one expression, one mask.

    `cumulative_iou` (cIoU of the papers): sum of intersections / sum of unions. `mean_iou` (gIoU): mean of the IoU of
    each expression. `precision_at_50 / 70 / 90`: share of expressions with at least that IoU.

    Source: Yu et al., Modeling Context in Referring Expressions, 2016 (cumulative); Lai et al., LISA, 2024 (both).
    """

    fields = ("intersection", "union", "iou", "items", "at_50", "at_70", "at_90")

    def update(self, truth: CocoRle, predicted: CocoRle, ignore: CocoRle | None = None) -> float:
        """Add one expression; several masks are to be `merged` before. Returns its IoU."""
        shared, total = intersection_and_union(truth, predicted, ignore)
        iou = shared / total if total else 1.0
        above = {f"at_{round(100 * t)}": float(iou >= t) for t in PRECISION_THRESHOLDS}
        self.add(intersection=shared, union=total, iou=iou, items=1, **above)
        return iou

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`cumulative_iou`, `mean_iou`, `precision_at_50 / 70 / 90`."""
        scores = {
            "cumulative_iou": ratio(sums["intersection"], sums["union"]),
            "mean_iou": ratio(sums["iou"], sums["items"]),
        }
        return scores | {f"precision_{at}": ratio(sums[at], sums["items"]) for at in ("at_50", "at_70", "at_90")}


class OfficialReferringIoU(RowMetric):
    """gIoU and cIoU as LISA, GLaMM and MGLMM compute them (they share one loop), all in float32.

    Quirks: R1 IoU = I / (U + 1e-5), plus 1 where U = 0; the count of masks carries 1e-5; the union of cIoU 1e-10, so
    that it is 0 when every mask is empty. R2 truth and prediction are zipped: a missing prediction costs gIoU but not
    cIoU, an extra one costs nothing. R3 `ignore` pixels leave both masks.
    For the `enable_merge` variant (MGLMM on gRefCOCO and ReasonSeg) hand in the `merged` masks as one pair.

    Source: LISA at 3cb2d43, `validate` and `AverageMeter`; GLaMM at e74865f; MGLMM at d2abee8.
    """

    fields = ("intersection", "union", "iou", "masks")

    def update(
        self, truth: Sequence[CocoRle], predicted: Sequence[CocoRle], ignore: Sequence[CocoRle | None] | None = None
    ) -> None:
        """Add one image: `truth[i]` is compared with `predicted[i]`, without the pixels of `ignore[i]`."""
        ignored = ignore if ignore is not None else [None] * len(truth)
        intersection = union = iou = np.float32(0)
        for target, mask, void in zip(truth, predicted, ignored, strict=False):
            shared, total = (np.float32(n) for n in intersection_and_union(target, mask, void))
            intersection, union = intersection + shared, union + total
            iou += shared / (total + np.float32(1e-5)) + np.float32(total == 0)
        num_masks = len(truth)
        # the official loop stores the mean of the image and multiplies again by the number of masks
        iou = iou / np.float32(num_masks) * np.float32(num_masks) if num_masks else iou
        self.add(intersection=float(intersection), union=float(union), iou=float(iou), masks=num_masks)

    def compute(self) -> dict[str, float]:
        """`cumulative_iou` and `mean_iou`, added up one after the other in float32 as the official loop does."""
        rows = np.asarray(self.rows, dtype=np.float32).reshape(len(self.rows), len(self.fields))
        sums = np.cumsum(rows, axis=0, dtype=np.float32)[-1] if len(rows) else np.zeros(len(self.fields), np.float32)
        return {name: float(value) for name, value in self.from_sums(dict(zip(self.fields, sums, strict=True))).items()}

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`cumulative_iou`, `mean_iou`."""
        return {
            "cumulative_iou": sums["intersection"] / (sums["union"] + 1e-10),
            "mean_iou": sums["iou"] / (sums["masks"] + 1e-5),
        }


class MultiTargetIoU(RowMetric):
    """IoU of questions with several targets, each of which is to get a mask of its own.

    Masks are assigned to targets one-to-one with the largest total IoU. `mean_iou` (gIoU): mean over all targets, a
    missed one counting 0. `cumulative_iou` (cIoU): sum of the pairs' intersections / sum of their unions, to which
    missed targets and masks of no target add their pixels. `ignore` pixels are taken out of every mask first.

    Source: Ren et al., PixelLM, CVPR 2024, section 5 (MUSE); there a language model also judges the texts, here not.
    """

    fields = ("intersection", "union", "iou", "targets")

    def update(self, truth: Sequence[CocoRle], predicted: Sequence[CocoRle], ignore: CocoRle | None = None) -> float:
        """Add one question; returns the mean IoU of its targets, without any 1 if nothing is predicted, else 0."""
        if ignore is not None:
            truth, predicted = ([masks.subtract(rle, ignore) for rle in rles] for rles in (truth, predicted))
        table = np.nan_to_num(iou_table(truth, predicted), nan=1.0)  # two empty masks agree fully
        shared_px = masks.intersection_matrix(truth, predicted)
        pixels = masks.areas(truth).sum() + masks.areas(predicted).sum()
        # of assignments with equal IoU that of more shared pixels, so that the order of the masks does not matter
        rows, columns = assignment(table + shared_px * (1e-9 / max(pixels, 1)))
        shared = shared_px[rows, columns].sum()
        iou = float(np.sort(table[rows, columns]).sum())
        self.add(intersection=shared, union=pixels - shared, iou=iou, targets=len(truth))
        return iou / len(truth) if truth else float(not predicted)

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`cumulative_iou`, `mean_iou`."""
        return {
            "cumulative_iou": ratio(sums["intersection"], sums["union"]),
            "mean_iou": ratio(sums["iou"], sums["targets"]),
        }


class GeneralizedReferring(RowMetric):
    """Corrected metrics of generalized referring segmentation: one, several or no target.

    `mean_iou` (gIoU): a no-target expression scores 1 when nothing is predicted, else 0. `cumulative_iou` (cIoU): false
    masks on no-target expressions enlarge the union; an answer "not there" counts as an empty mask.
    `no_target_accuracy` (N-acc): share of the no-target expressions answered with nothing; `target_accuracy` (T-acc):
    share of the others answered with something. `precision_at_50 / 70 / 90` over expressions with a target.
    `min_pixels`: a predicted mask with fewer pixels counts as nothing predicted (1: only the empty one does).

    Source: Liu et al., GRES: Generalized Referring Expression Segmentation, CVPR 2023, section 3.
    """

    fields = ("intersection", "union", "iou", "items", "none", "none_found", "target", "target_found") + (
        "at_50",
        "at_70",
        "at_90",
    )

    def __init__(self, min_pixels: int = 1) -> None:
        super().__init__()
        self.min_pixels = min_pixels

    def update(self, truth: CocoRle, predicted: CocoRle, said_none: bool | None = None) -> float:
        """Add one expression with its merged masks; returns its IoU.

        `said_none`: the answer says that nothing is there; None: it is read off the mask (see `min_pixels`).
        """
        nothing = masks.area(predicted) < self.min_pixels if said_none is None else said_none
        has_target = masks.area(truth) > 0
        if nothing:
            shared, total = 0, masks.area(truth)
        else:
            shared, total = intersection_and_union(truth, predicted)
        iou = float(nothing) if not has_target else shared / total
        self.add(
            intersection=shared,
            union=total,
            iou=iou,
            items=1,
            none=not has_target,
            none_found=not has_target and nothing,
            target=has_target,
            target_found=has_target and not nothing,
            **{f"at_{round(100 * t)}": has_target and iou >= t for t in PRECISION_THRESHOLDS},
        )
        return iou

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`cumulative_iou`, `mean_iou`, `no_target_accuracy`, `target_accuracy`, `precision_at_50 / 70 / 90`."""
        scores = {
            "cumulative_iou": ratio(sums["intersection"], sums["union"]),
            "mean_iou": ratio(sums["iou"], sums["items"]),
            "no_target_accuracy": ratio(sums["none_found"], sums["none"]),
            "target_accuracy": ratio(sums["target_found"], sums["target"]),
        }
        return scores | {f"precision_{at}": ratio(sums[at], sums["target"]) for at in ("at_50", "at_70", "at_90")}


class OfficialGeneralizedReferring(RowMetric):
    """The numbers of ReLA's gRefCOCO evaluator, as fractions (it prints IoU and Pr@ in per cent, accuracies as these).

    Quirks: E1 a no-target expression answered with "nothing" adds neither intersection nor union, whatever the mask.
    E2 a target answered with "nothing" has IoU 0, but its raw mask still enlarges the union. E3 accuracies are 0 when
    there is no no-target expression at all, and without any target the evaluator divides by zero.

    Source: ReLA at 3ca9551, `gres_model/evaluation/refer_evaluation.py`.
    """

    fields = ("intersection", "union", "iou", "items", "none", "none_found", "target", "target_found") + (
        "at_70",
        "at_80",
        "at_90",
    )

    def update(self, truth: CocoRle, predicted: CocoRle, truth_none: bool, said_none: bool) -> None:
        """Add one expression with its merged masks."""
        shared, total = intersection_and_union(truth, predicted)
        if truth_none:
            shared, total, iou = 0, 0 if said_none else masks.area(predicted), float(said_none)
        elif said_none:
            shared, iou = 0, 0.0
        else:
            iou = shared / total if total else 0.0
        self.add(
            intersection=shared,
            union=total,
            iou=iou,
            items=1,
            none=truth_none,
            none_found=truth_none and said_none,
            target=not truth_none,
            target_found=not truth_none and not said_none,
            **{f"at_{round(100 * t)}": not truth_none and iou >= t for t in OFFICIAL_GRES_THRESHOLDS},
        )

    def compute(self) -> dict[str, float]:
        """See `from_sums`.

        Raises:
            OfficialFailureError: no expression has a target (E3).
        """
        if not any(row[self.fields.index("target")] for row in self.rows):
            raise OfficialFailureError("ZeroDivisionError", "no expression has a target")
        return super().compute()

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`cumulative_iou`, `mean_iou`, `no_target_accuracy`, `target_accuracy`, `precision_at_70 / 80 / 90`."""
        any_none = np.asarray(sums["none"]) > 0
        scores = {
            "cumulative_iou": ratio(sums["intersection"], sums["union"]),
            "mean_iou": ratio(sums["iou"], sums["items"]),
            "no_target_accuracy": np.where(any_none, ratio(sums["none_found"], sums["none"]), 0.0),
            "target_accuracy": np.where(any_none, ratio(sums["target_found"], sums["target"]), 0.0),
        }
        return scores | {f"precision_{at}": ratio(sums[at], sums["target"]) for at in ("at_70", "at_80", "at_90")}
