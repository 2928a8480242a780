import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mglmm import masks
from mglmm.eval.average_precision import (
    AveragePrecision,
    OfficialAveragePrecision,
    TruthDetails,
    interpolated,
)
from mglmm.eval.grounded import iou_table
from mglmm.eval.tally import OfficialFailureError
from tests.eval.strategies import SIZE, answers

images = st.lists(st.tuples(answers(min_size=1), answers()), min_size=1, max_size=4)


def corrected(pairs):
    metric = AveragePrecision()
    for truth, predicted in pairs:
        metric.update(truth[0], predicted[0], predicted[2])
    return metric.compute()


@given(images, st.randoms())
def test_no_order_matters(pairs, random):
    moved = []
    for truth, predicted in random.sample(pairs, len(pairs)):
        rows = random.sample(range(len(truth[0])), len(truth[0]))
        columns = random.sample(range(len(predicted[0])), len(predicted[0]))
        moved.append(([[p[k] for k in rows] for p in truth], [[p[k] for k in columns] for p in predicted]))
    assert corrected(moved) == corrected(pairs)


@given(st.lists(answers(min_size=1), min_size=1, max_size=3))
def test_perfect_is_one_and_empty_is_zero(truths):
    assert corrected([(t, t) for t in truths]) == {"ap": 1.0, "ap50": 1.0}
    assert corrected([(t, ([], [], [])) for t in truths]) == {"ap": 0.0, "ap50": 0.0}


@given(images, st.sampled_from([0.1, 0.5, 1.0]))
def test_a_false_mask_never_helps(pairs, score):
    (truth, predicted), *others = pairs
    blank = masks.encode(np.zeros(SIZE, dtype=bool))
    worse = ([*predicted[0], blank], [*predicted[1], ""], [*predicted[2], score])
    before, after = corrected(pairs), corrected([(truth, worse), *others])
    assert after["ap"] <= before["ap"] and after["ap50"] <= before["ap50"]


@given(images, st.integers(0, 4))
def test_merging_shares_gives_the_whole(pairs, cut):
    shares = AveragePrecision(), AveragePrecision()
    for k, (truth, predicted) in enumerate(pairs):
        shares[k >= cut].update(truth[0], predicted[0], predicted[2])
    shares[0].merge(shares[1])
    assert shares[0].compute() == corrected(pairs)


@given(images, st.booleans(), st.data())
def test_a_known_table_changes_nothing(pairs, crowd, data):
    """To the last digit; and a subset is what the metric of these images alone would be."""
    chosen = data.draw(st.lists(st.sampled_from(range(len(pairs))), min_size=1, unique=True))
    known, alone = OfficialAveragePrecision(by_size=True), OfficialAveragePrecision(by_size=True)
    blank = [masks.encode(np.zeros(SIZE, dtype=bool))] * data.draw(st.integers(0, 1))
    for k, ((truth, *_), (predicted, *_)) in enumerate(pairs):
        truth, predicted = [*blank, *truth], [*predicted, *blank]
        details = TruthDetails(list(range(1, len(truth) + 1)), masks.areas(truth).tolist(), [int(crowd)] * len(truth))
        known.update(k, truth, predicted, details, iou_table(truth, predicted))
        if k in chosen:
            alone.update(k, truth, predicted, details)
    if blank or any(pairs[k][1][0] for k in chosen):
        assert known.subset(chosen).coco_stats() == alone.coco_stats()


def cells(*columns):
    mask = np.zeros((4, 40), dtype=bool)
    mask[:, list(columns)] = True
    return masks.encode(mask)


def test_with_different_scores_it_is_the_coco_number():
    """Disjoint masks and no equal scores leave nothing to the order, so both ways must agree."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = [cells(*range(10 * k, 10 * k + 10)) for k in range(4)]
    predicted = [cells(*range(0, 8)), cells(*range(20, 30)), cells(*range(10, 13)), cells(*range(30, 37))]
    scores = [0.9, 0.2, 0.7, 0.4]
    data, results = COCO(), COCO()
    for tool, rles in ((data, truth), (results, predicted)):
        tool.dataset = {
            "images": [{"id": 1, "height": 4, "width": 40}],
            "categories": [{"id": 1, "name": "x"}],
            "annotations": [
                {"id": k + 1, "image_id": 1, "category_id": 1, "segmentation": rle, "iscrowd": 0, "score": s}
                | {"area": float(coco_mask.area(rle)), "bbox": [0, 0, 1, 1]}
                for k, (rle, s) in enumerate(zip(rles, scores, strict=True))
            ],
        }
        tool.createIndex()
    tool = COCOeval(data, results, "segm")
    tool.evaluate()
    tool.accumulate()
    tool.summarize()
    metric = AveragePrecision()
    metric.update(truth, predicted, scores)
    assert metric.compute() == pytest.approx({"ap": tool.stats[0], "ap50": tool.stats[1]}, abs=1e-12)


def test_equal_scores_are_one_operating_point():
    metric = AveragePrecision()
    metric.update([cells(0), cells(1)], [cells(0), cells(2), cells(3), cells(4)])
    # precision 1/4 up to recall 1/2: 51 of 101 recall points
    assert metric.compute()["ap50"] == pytest.approx(0.25 * 51 / 101)


def test_curve_by_hand():
    values = interpolated(np.array([[1, 1, 2]]), np.array([[1, 2, 3]]), num_truth=2)
    assert values == pytest.approx([(51 * 1 + 50 * 2 / 3) / 101])
    assert math.isnan(interpolated(np.zeros((1, 2)), np.ones((1, 2)), num_truth=0)[0])


def test_official_depends_on_order_and_ids():
    truth, good, bad = [cells(0, 1)], cells(0, 1), cells(5)

    def official(predicted, truth_id=1):
        metric = OfficialAveragePrecision()
        metric.update(7, truth, predicted, TruthDetails([truth_id], [8.0], [0]))
        return metric.compute()["ap50"]

    assert official([good, bad]) == pytest.approx(1.0)
    assert official([bad, good]) == pytest.approx(0.5)
    assert official([good], truth_id=0) == 0.0  # G3


def test_official_failures():
    metric = OfficialAveragePrecision()
    metric.update("a", [cells(0)], [])
    with pytest.raises(OfficialFailureError, match="IndexError"):
        metric.compute()
    with pytest.raises(ValueError, match="'a' was added before"):
        metric.update("a", [], [])
    with pytest.raises(ValueError, match="added twice"):
        metric.merge(metric)
