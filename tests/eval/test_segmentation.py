import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm import masks
from mglmm.eval.segmentation import (
    GeneralizedReferring,
    OfficialReferringIoU,
    ReferringIoU,
    intersection_and_union,
    mask_iou,
    merged,
)
from tests.eval.strategies import SIZE, rles

EMPTY = merged([], SIZE)
maybe_empty = st.one_of(st.just(EMPTY), rles())


def rows(*lines):
    return masks.encode(np.array([[c == "#" for c in line] for line in lines]))


@given(maybe_empty, maybe_empty, st.one_of(st.none(), rles()))
def test_runs_give_what_pixels_give(a, b, ignore):
    kept = ~masks.decode(ignore) if ignore else np.ones(SIZE, dtype=bool)
    first, second = masks.decode(a) & kept, masks.decode(b) & kept
    assert intersection_and_union(a, b, ignore) == ((first & second).sum(), (first | second).sum())


@given(st.lists(st.tuples(maybe_empty, maybe_empty), min_size=1, max_size=6), st.randoms())
def test_order_of_expressions_changes_nothing(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    for metric in (ReferringIoU, GeneralizedReferring):
        one, other = metric(), metric()
        for pair, moved in zip(pairs, shuffled, strict=True):
            one.update(*pair)
            other.update(*moved)
        np.testing.assert_equal(one.compute(), other.compute())


@given(st.lists(rles(), min_size=1, max_size=4))
def test_perfect_and_empty_answers(truths):
    for metric in (ReferringIoU, GeneralizedReferring):
        perfect, empty = metric(), metric()
        for truth in truths:
            assert perfect.update(truth, truth) == 1
            assert empty.update(truth, EMPTY) == 0
        for name, value in perfect.compute().items():
            assert value == 1 or name == "no_target_accuracy", name
        for name, value in empty.compute().items():
            assert value == 0 or name == "no_target_accuracy", name


@given(st.lists(st.tuples(maybe_empty, maybe_empty), min_size=2, max_size=6), st.integers(0, 6))
def test_merging_shares_gives_the_whole(pairs, cut):
    for metric in (ReferringIoU, GeneralizedReferring):
        whole, first, second = metric(), metric(), metric()
        for k, pair in enumerate(pairs):
            whole.update(*pair)
            (first if k < cut else second).update(*pair)
        first.merge(second)
        np.testing.assert_equal(first.compute(), whole.compute())


def test_referring_by_hand():
    metric = ReferringIoU()
    metric.update(rows("##.", "..."), rows("#..", "..."))  # 1 / 2
    metric.update(rows("###", "..."), rows("###", "#.."))  # 3 / 4
    assert metric.compute() == {
        "cumulative_iou": 4 / 6,
        "mean_iou": 0.625,
        "precision_at_50": 1.0,
        "precision_at_70": 0.5,
        "precision_at_90": 0.0,
    }


def test_ignored_pixels_leave_both_masks():
    assert mask_iou(rows("##.", "..."), rows("#..", "..#"), ignore=rows(".##", ".##")) == 1.0


def test_generalized_by_hand():
    metric = GeneralizedReferring()
    target, none = rows("##.", "..."), rows("...", "...")
    metric.update(none, none)  # rightly nothing: IoU 1
    metric.update(none, rows("###", "..."))  # a false mask: IoU 0, union 3
    metric.update(target, rows("#..", "..."))  # IoU 1/2
    metric.update(target, target, said_none=True)  # "not there" blanks the mask: IoU 0, union 2
    assert metric.compute() == {
        "cumulative_iou": 1 / 7,
        "mean_iou": 1.5 / 4,
        "no_target_accuracy": 0.5,
        "target_accuracy": 0.5,
        "precision_at_50": 0.5,
        "precision_at_70": 0.0,
        "precision_at_90": 0.0,
    }


def test_few_pixels_can_count_as_nothing():
    speck = rows("#..", "...")
    assert GeneralizedReferring(min_pixels=2).update(rows("...", "..."), speck) == 1
    assert GeneralizedReferring().update(rows("...", "..."), speck) == 0


def test_nothing_to_divide_by_is_nan():
    for metric in (ReferringIoU(), GeneralizedReferring()):
        assert all(math.isnan(value) for value in metric.compute().values())


def test_official_quirks_that_the_corrected_numbers_do_not_have():
    full, none = rows("##", "##"), rows("..", "..")
    official = OfficialReferringIoU()
    official.update([full, full], [full])  # R2: the missing mask is in no union
    assert official.compute()["cumulative_iou"] == pytest.approx(1.0)
    assert official.compute()["mean_iou"] == pytest.approx(0.5, abs=1e-5)
    blank = OfficialReferringIoU()
    blank.update([none], [none])  # R1: cumulative IoU is 0 although everything is right
    assert blank.compute() == {"cumulative_iou": 0.0, "mean_iou": pytest.approx(1.0, abs=2e-5)}
