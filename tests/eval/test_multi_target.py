"""Questions with several targets: every mask counts, their order does not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm import masks
from mglmm.eval.segmentation import MultiTargetIoU
from tests.eval.strategies import rles

several = st.lists(rles(), min_size=1, max_size=4)


def scored(*questions):
    metric = MultiTargetIoU()
    for truth, predicted, *ignore in questions:
        metric.update(truth, predicted, *ignore)
    return metric.compute()


@given(several)
def test_perfect_and_empty_answers(truth):
    assert scored((truth, truth)) == {"cumulative_iou": 1.0, "mean_iou": 1.0}
    assert scored((truth, [])) == {"cumulative_iou": 0.0, "mean_iou": 0.0}


def test_nothing_is_not_defined():
    assert all(math.isnan(value) for value in scored().values())
    assert all(math.isnan(value) for value in scored(([], [])).values())
    assert MultiTargetIoU().update([], []) == 1.0


@given(several, st.lists(rles(), max_size=4), st.randoms())
def test_order_of_masks_changes_nothing(truth, predicted, random):
    moved = random.sample(truth, len(truth)), random.sample(predicted, len(predicted))
    assert scored(moved) == pytest.approx(scored((truth, predicted)), abs=1e-12)


@given(several, st.lists(rles(), max_size=3), rles())
def test_a_mask_of_nothing_costs(truth, predicted, false):
    shared = masks.intersection_matrix(truth, [false])
    if shared.any():
        return
    before, after = scored((truth, predicted)), scored((truth, [*predicted, false]))
    assert after["mean_iou"] == before["mean_iou"]
    assert after["cumulative_iou"] <= before["cumulative_iou"]


@given(several, rles())
def test_ignored_pixels_leave_every_mask(truth, ignore):
    left = [masks.subtract(rle, ignore) for rle in truth]
    assert scored((truth, left, ignore)) == pytest.approx(scored((left, left)), nan_ok=True)
    assert scored((truth, left, ignore))["mean_iou"] == 1.0


def test_each_target_needs_its_own_mask():
    left, right = (masks.from_polygons([[x, 0, x + 2, 0, x + 2, 4, x, 4]], (4, 8)) for x in (0, 4))
    both = masks.union([left, right])
    found = scored(([left, right], [both]))
    assert found["mean_iou"] == pytest.approx(0.25)  # half of one target's union, and the other one missed
    assert found["cumulative_iou"] == pytest.approx(8 / (16 + 8))
