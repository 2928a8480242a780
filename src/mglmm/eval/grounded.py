"""Metrics of grounded captions: how well the masks behind an answer's phrases match those of the truth.

Inputs are one mask and one phrase per `[SEG]` (see `pairs_of`) and a table of text similarities, so nothing here
needs a text encoder. The `Official...` class reproduces the GLaMM / MGLMM evaluators, quirks included, named as in
`docs/evaluation.md`; the plain class follows the definitions and does not depend on any order.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mglmm import masks
from mglmm.eval.tally import Numbers, RowMetric, ratio
from mglmm.masks import CocoRle
from mglmm.schema import GroundedText, Segment, UserError

try:
    from scipy.optimize import linear_sum_assignment
except ModuleNotFoundError as error:
    raise UserError("scoring needs scipy: pip install 'mglmm[eval]'") from error

MATCH_IOU = 0.5
MATCH_SIMILARITY = 0.5
"""A truth and a predicted phrase match from these on, both inclusive. Source: GLaMM, Rasheed et al., CVPR 2024, 5.1."""


def pairs_of(answer: GroundedText, segments: Sequence[Segment]) -> tuple[list[str], list[CocoRle]]:
    """Phrase and mask of every `[SEG]` of an answer in reading order; a phrase with several masks is repeated.

    Raises:
        KeyError: the answer names a segment that is not among `segments`.
    """
    rles = {segment.id: segment.rle.to_coco() for segment in segments}
    phrases = [phrase for phrase, span in zip(answer.phrases, answer.spans, strict=True) for _ in span.segment_ids]
    return phrases, [rles[segment_id] for segment_id in answer.segment_ids]


def iou_table(truth: Sequence[CocoRle], predicted: Sequence[CocoRle]) -> np.ndarray:
    """float64[G, P]: IoU of every truth with every predicted mask; NaN where both are empty (0 / 0)."""
    table = masks.iou_matrix(truth, predicted)
    if truth and predicted:
        table[np.ix_(masks.areas(truth) == 0, masks.areas(predicted) == 0)] = np.nan
    return table


def official_mean_iou(table: np.ndarray) -> float:
    """Mean IoU of one image as the official evaluators take it; `table` float64[G, P] of `iou_table`.

    Quirks: G7 pairs are drawn greedily by highest IoU while it is above 0 (ties: first in row-major order with the
    predictions as rows); the mean runs over the pairs alone, so neither missed nor false masks cost anything; no pair
    gives 0, and so does any NaN left when it is met.

    >>> official_mean_iou(np.array([[0.9, 0.0], [0.8, 0.0]]))
    0.9
    """
    left = table.T.copy()
    ious = []
    while left.size and (best := left.max()) > 0:
        row, column = np.unravel_index(left.argmax(), left.shape)
        ious.append(best)
        left[row, :] = 0
        left[:, column] = 0
    return float(np.mean(ious)) if ious else 0.0


def official_matches(table: np.ndarray, similarity: np.ndarray) -> list[tuple[int, int]]:
    """(truth, predicted) pairs that the official recall counts, in the order it finds them.

    Quirks: G8 the pair of highest IoU is taken; if its IoU or its text similarity is below the threshold, the search
    *stops*, so that later admissible pairs are lost. Two empty masks (NaN) come first and pass the IoU test.
    G9 `similarity` has a row per truth and a column per predicted *phrase*, which need not be as many as the masks.

    Raises:
        IndexError: a pair is reached that has no phrase.
    """
    left = table.copy()
    found: list[tuple[int, int]] = []
    while left.size:
        i, j = (int(k) for k in np.unravel_index(left.argmax(), left.shape))
        if left[i, j] < MATCH_IOU or similarity[i, j] < MATCH_SIMILARITY:
            break
        found.append((i, j))
        left[i, :] = 0
        left[:, j] = 0
    return found


def maximum_matching(admissible: np.ndarray) -> list[tuple[int, int]]:
    """(row, column) pairs, one-to-one and as many as possible; `admissible` bool[G, P].

    Columns are tried in order and never lose their partner again, so the first k columns hold as many pairs as they
    can, for every k.

    Source: augmenting paths; Kuhn, The Hungarian method, 1955.

    >>> maximum_matching(np.array([[True, True], [True, False]]))
    [(1, 0), (0, 1)]
    """
    row_of: dict[int, int] = {}
    column_of: dict[int, int] = {}

    def _augment(column: int, seen: set[int]) -> bool:
        for row in np.flatnonzero(admissible[:, column]).tolist():
            if row in seen:
                continue
            seen.add(row)
            if row not in column_of or _augment(column_of[row], seen):
                column_of[row], row_of[column] = column, row
                return True
        return False

    for column in range(admissible.shape[1]):
        _augment(column, set())
    return [(row_of[column], column) for column in sorted(row_of)]


def assignment(gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (int64[K] each) of the one-to-one assignment of largest total `gain` (float64[G, P])."""
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return rows, columns


def assigned_ious(table: np.ndarray) -> np.ndarray:
    """float64[G]: IoU of each truth mask with its partner in the one-to-one assignment of largest total IoU; else 0.

    >>> assigned_ious(np.array([[0.9, 0.8], [0.8, 0.0]])).tolist()
    [0.8, 0.8]
    """
    ious = np.zeros(table.shape[0])
    rows, columns = assignment(np.nan_to_num(table))
    ious[rows] = np.nan_to_num(table)[rows, columns]
    return ious


class GroundedMasks(RowMetric):
    """Corrected scores of grounded answers.

    `mean_iou`: one-to-one assignment of largest total IoU, mean over the image's truth masks (a missed one is 0), then
    over images; an image without truth masks scores 1 if nothing is predicted there, else 0.
    `mask_recall`, `mask_precision`, `mask_f1`: over all images, a true positive being a pair with IoU >= 0.5 and text
    similarity >= 0.5; pairs are one-to-one and as many as possible. `mask_f1` is the phrase-mask F1. Precision is 0
    when nothing at all is predicted though there is truth.

    Source: Rasheed et al., GLaMM, CVPR 2024, section 5.1 (mIoU, recall); precision and F1 are ours.
    """

    fields = ("iou", "images", "matched", "truth", "predicted")

    def update(self, ious: np.ndarray, similarity: np.ndarray) -> float:
        """Add one image: the `iou_table` of its masks and the text similarity of their phrases, both float64[G, P].

        Returns its mean IoU.

        Raises:
            ValueError: the two differ in shape.
        """
        if similarity.shape != ious.shape:
            raise ValueError(f"text similarity is {list(similarity.shape)}, but the masks are {list(ious.shape)}")
        num_truth, num_predicted = ious.shape
        iou = float(np.mean(np.sort(assigned_ious(ious)))) if num_truth else float(not num_predicted)
        admissible = (np.nan_to_num(ious) >= MATCH_IOU) & (similarity >= MATCH_SIMILARITY)
        matched = len(maximum_matching(admissible))
        self.add(iou=iou, images=1, matched=matched, truth=num_truth, predicted=num_predicted)
        return iou

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`mean_iou`, `mask_recall`, `mask_precision`, `mask_f1`."""
        nothing_found = (np.asarray(sums["predicted"]) == 0) & (np.asarray(sums["truth"]) > 0)
        return {
            "mean_iou": ratio(sums["iou"], sums["images"]),
            "mask_recall": ratio(sums["matched"], sums["truth"]),
            "mask_precision": np.where(nothing_found, 0.0, ratio(sums["matched"], sums["predicted"])),
            "mask_f1": ratio(2 * np.asarray(sums["matched"]), np.asarray(sums["truth"]) + sums["predicted"]),
        }


class OfficialGroundedMasks(RowMetric):
    """mIoU and mask recall as the GCG / MGSC evaluators compute them (G7, G8).

    G9 two recalls: where phrases and masks of a prediction differ in number, the matcher may die. MGLMM (parallel)
    then drops the image from the denominator too (`mask_recall_parallel`), GLaMM (serial) has already counted its
    truth masks (`mask_recall_serial`).

    Source: MGLMM at d2abee8, `eval/gcg/evaluate.py`, `eval/mgsc/evaluate.py`; GLaMM at e74865f, `eval/gcg/evaluate.py`.
    """

    fields = ("iou", "images", "matched", "truth_parallel", "truth_serial")

    def update(self, ious: np.ndarray, similarity: np.ndarray) -> float:
        """Add one image: the `iou_table` of its masks, float64[G, P], and the text similarity of truth and phrases,
        float64[G, number of predicted phrases].

        Returns its mean IoU.
        """
        num_truth = len(ious)
        try:
            num_matched, num_parallel = len(official_matches(ious, similarity)), num_truth
        except IndexError:
            num_matched, num_parallel = 0, 0
        iou = official_mean_iou(ious)
        self.add(iou=iou, images=1, matched=num_matched, truth_parallel=num_parallel, truth_serial=num_truth)
        return iou

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """`mean_iou`, `mask_recall_parallel`, `mask_recall_serial`."""
        return {
            "mean_iou": ratio(sums["iou"], sums["images"]),
            "mask_recall_parallel": ratio(sums["matched"], sums["truth_parallel"]),
            "mask_recall_serial": ratio(sums["matched"], sums["truth_serial"]),
        }
