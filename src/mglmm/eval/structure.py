"""Scores that only answers made of masks, phrases and parts have: is the tree right, is anything made up."""

from collections.abc import Mapping, Sequence

import numpy as np

from mglmm import masks
from mglmm.eval.grounded import MATCH_IOU, MATCH_SIMILARITY, linear_sum_assignment
from mglmm.eval.tally import Numbers, RowMetric, ratio
from mglmm.masks import CocoRle

CONTAINED = 0.8
"""From this share of its pixels on, a mask is a part of another. Source: ours."""


def parents_of(rles: Sequence[CocoRle]) -> list[int | None]:
    """Each mask's parent by containment: the smallest larger mask that holds it; None for a whole.

    For predictions that name no parents. Of two equally large masks neither is the other's parent.

    Source: ours; the mask tree of MGLMM, section 3.

    >>> whole, part = (masks.encode(np.array([row])) for row in ([True, True, False], [True, False, False]))
    >>> parents_of([part, whole])
    [1, None]
    """
    areas = masks.areas(rles)
    holds = (masks.containment_matrix(rles, rles) >= CONTAINED) & (areas[None, :] > areas[:, None])
    return [int(np.flatnonzero(row)[areas[row].argmin()]) if row.any() else None for row in holds]


class MaskTree(RowMetric):
    """Structural score of mask trees: is the parent of each matched mask right.

    Masks are matched one-to-one by largest total IoU, those from 0.5 on. A matched mask is right when both it and its
    partner are wholes, or when its parent's mask is matched with the mask of its partner's parent. `parent_accuracy`:
    share of the matched masks that are right; `tree_precision`, `tree_recall` and `tree_f1`: right masks over all
    predicted, over all true ones, and over both.

    Source: ours.
    """

    fields = ("right", "matched", "truth", "predicted")

    def update(
        self,
        truth: Sequence[CocoRle],
        truth_parents: Sequence[int | None],
        predicted: Sequence[CocoRle],
        parents: Sequence[int | None],
    ) -> float:
        """Add one image; parents are positions among the masks of the same side, None for a whole. Returns its F1.

        Raises:
            ValueError: masks and parents differ in number.
        """
        for rles, given in ((truth, truth_parents), (predicted, parents)):
            if len(rles) != len(given):
                raise ValueError(f"there are {len(rles)} masks and {len(given)} parents")
        # sorted, so that equal totals of IoU are decided by the masks and not by their order
        rows, columns = (sorted(_lineages(*side)) for side in ((truth, truth_parents), (predicted, parents)))
        table = masks.iou_matrix([truth[k] for _, k in rows], [predicted[k] for _, k in columns])
        # a mask that meets nothing must not decide between equal totals either
        meeting = np.flatnonzero(table.any(axis=0))
        columns, table = [columns[j] for j in meeting], table[:, meeting]
        pairs = [
            (i, j)
            for i, j in zip(*linear_sum_assignment(table, maximize=True), strict=True)
            if table[i, j] >= MATCH_IOU
        ]
        matched = [(rows[i][0], columns[j][0]) for i, j in pairs]
        partners = {(row[0], column[0]) for row, column in matched} | {("", "")}
        right = sum((row[1], column[1]) in partners for row, column in matched)
        self.add(right=right, matched=len(matched), truth=len(truth), predicted=len(predicted))
        return 2 * right / (len(truth) + len(predicted)) if truth or predicted else 1.0

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`parent_accuracy`, `tree_precision`, `tree_recall`, `tree_f1`; the first is 0 if nothing is matched."""
        right, truth, predicted = (np.asarray(sums[name]) for name in ("right", "truth", "predicted"))
        there = np.where(truth > 0, 0.0, np.nan)
        return {
            "parent_accuracy": np.where(np.asarray(sums["matched"]) > 0, ratio(right, sums["matched"]), there),
            "tree_precision": np.where(predicted > 0, ratio(right, predicted), there),
            "tree_recall": ratio(right, truth),
            "tree_f1": ratio(2 * right, truth + predicted),
        }


class Hallucination(RowMetric):
    """Masks of things that are not there. Lower is better.

    A mask is hallucinated if its phrase is like the name of nothing in the image (text similarity below 0.5), wherever
    the mask lies. `hallucination_rate`: share of the predicted masks; `hallucinated_images`: share of the images with
    at least one. An answer without masks hallucinates nothing.

    Source: ours; the two shares are those of CHAIR, Rohrbach et al., Object Hallucination in Image Captioning, 2018.
    """

    fields = ("hallucinated", "masks", "with_any", "images")

    def update(self, similarity: np.ndarray, judged: np.ndarray | None = None) -> float:
        """Add one image; returns the share of its masks that is hallucinated.

        `similarity` float64[N, P]: the names of all that is known to be there x the phrase of each predicted mask.
        `judged` bool[P]: the masks to look at, where absence is certain for some names alone; None: all.
        """
        absent = similarity.max(axis=0, initial=-np.inf) < MATCH_SIMILARITY
        looked_at = np.ones_like(absent) if judged is None else judged
        hallucinated, num_masks = int((absent & looked_at).sum()), int(looked_at.sum())
        self.add(hallucinated=hallucinated, masks=num_masks, with_any=hallucinated > 0, images=1)
        return hallucinated / num_masks if num_masks else 0.0

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`hallucination_rate`, `hallucinated_images`."""
        no_mask = (np.asarray(sums["masks"]) == 0) & (np.asarray(sums["images"]) > 0)
        return {
            "hallucination_rate": np.where(no_mask, 0.0, ratio(sums["hallucinated"], sums["masks"])),
            "hallucinated_images": ratio(sums["with_any"], sums["images"]),
        }


def _lineages(rles: Sequence[CocoRle], parents: Sequence[int | None]) -> list[tuple[tuple[str, ...], int]]:
    """For each mask its run lengths, those of its parent and so on, ending with "", and its position.

    Raises:
        ValueError: the parents form a cycle.
    """
    lines = []
    for start in range(len(rles)):
        line: list[str] = []
        node: int | None = start
        while node is not None:
            if len(line) == len(rles):
                raise ValueError(f"the parents of mask {start} form a cycle")
            line.append(rles[node]["counts"])
            node = parents[node]
        lines.append(((*line, ""), start))
    return lines
