import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm import masks
from mglmm.eval.grounded import (
    GroundedMasks,
    OfficialGroundedMasks,
    assigned_ious,
    iou_table,
    maximum_matching,
    official_matches,
    official_mean_iou,
    pairs_of,
)
from mglmm.eval.text_similarity import LexicalSimilarity
from mglmm.schema import GroundedText, Rle, Segment, Span
from tests.eval.strategies import SIZE, answers

SIMILARITY = LexicalSimilarity()


def scored(metric, truth, predicted):
    metric.update(iou_table(truth[0], predicted[0]), SIMILARITY.table(truth[1], predicted[1]))
    return metric.compute()


@given(answers(min_size=1), answers(), st.randoms())
def test_order_of_masks_changes_nothing(truth, predicted, random):
    before = scored(GroundedMasks(), truth, predicted)
    rows, columns = list(range(len(truth[0]))), list(range(len(predicted[0])))
    random.shuffle(rows)
    random.shuffle(columns)
    moved_truth = [[part[k] for k in rows] for part in truth]
    moved_predicted = [[part[k] for k in columns] for part in predicted]
    after = scored(GroundedMasks(), moved_truth, moved_predicted)
    # another assignment of equal total may add up in another order
    assert after == {name: pytest.approx(value, rel=0, abs=1e-12) for name, value in before.items()}


@given(answers(min_size=1))
def test_perfect_is_one(truth):
    assert set(scored(GroundedMasks(), truth, truth).values()) == {1.0}


@given(answers(min_size=1))
def test_empty_is_zero(truth):
    assert set(scored(GroundedMasks(), truth, ([], [], [])).values()) == {0.0}


@given(answers(min_size=1), answers(min_size=1))
def test_a_false_mask_never_helps(truth, predicted):
    before = scored(GroundedMasks(), truth, predicted)
    blank = masks.encode(np.zeros(SIZE, dtype=bool))
    after = scored(GroundedMasks(), truth, ([*predicted[0], blank], [*predicted[1], "a boat"]))
    for name in ("mean_iou", "mask_recall", "mask_precision", "mask_f1"):
        assert after[name] <= before[name]


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
def test_matching_is_one_to_one_and_as_large_as_can_be(rows):
    admissible = np.array(rows)
    pairs = maximum_matching(admissible)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(admissible[pair] for pair in pairs)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    assert len(pairs) == (maximum_bipartite_matching(csr_array(admissible.astype(int))) >= 0).sum()


def test_assignment_of_largest_total():
    assert assigned_ious(np.array([[0.9, 0.8], [0.8, 0.0]])).tolist() == [0.8, 0.8]
    assert assigned_ious(np.array([[np.nan, 0.2]])).tolist() == [0.2]
    assert assigned_ious(np.zeros((2, 0))).tolist() == [0, 0]


def test_official_search_stops_at_the_first_text_mismatch():
    table = np.array([[0.9, 0.0], [0.0, 0.8]])
    similarity = np.array([[0.1, 0.0], [0.0, 1.0]])
    assert official_matches(table, similarity) == []
    corrected = maximum_matching((table >= 0.5) & (similarity >= 0.5))
    assert corrected == [(1, 1)]


def test_official_mean_leaves_out_what_has_no_partner():
    assert official_mean_iou(np.array([[0.6], [0.0], [0.0]])) == 0.6
    assert official_mean_iou(np.zeros((0, 2))) == 0.0
    assert official_mean_iou(np.array([[0.9, np.nan]])) == 0.0


def test_two_recalls_where_a_phrase_is_missing():
    metric = OfficialGroundedMasks()
    metric.update(np.ones((1, 1)), np.ones((1, 1)))
    metric.update(np.ones((1, 1)), np.ones((1, 0)))  # a mask without a phrase: the official matcher dies
    found = metric.compute()
    assert found["mask_recall_parallel"] == 1.0
    assert found["mask_recall_serial"] == 0.5


def test_image_without_truth():
    mask = masks.encode(np.ones(SIZE, dtype=bool))
    nothing, false = iou_table([], []), iou_table([], [mask])
    assert GroundedMasks().update(nothing, np.zeros((0, 0))) == 1.0
    assert GroundedMasks().update(false, np.zeros((0, 1))) == 0.0
    metric = GroundedMasks()
    metric.update(nothing, np.zeros((0, 0)))
    assert math.isnan(metric.compute()["mask_recall"])


def test_similarity_must_fit_the_masks():
    with pytest.raises(ValueError, match=r"\[1, 2\].*\[1, 1\]"):
        GroundedMasks().update(np.ones((1, 1)), np.ones((1, 2)))


def test_pairs_repeat_a_phrase_with_several_masks():
    segments = [Segment(id=k, rle=Rle.from_mask(np.arange(6).reshape(2, 3) == k), label="x") for k in range(3)]
    answer = GroundedText(
        text="cars and a tree",
        spans=(Span(start=0, end=4, segment_ids=(2, 0)), Span(start=9, end=15, segment_ids=(1,))),
    )
    phrases, rles = pairs_of(answer, segments)
    assert phrases == ["cars", "cars", "a tree"]
    assert rles == [segments[k].rle.to_coco() for k in (2, 0, 1)]
