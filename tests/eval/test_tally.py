import numpy as np
import pytest

from mglmm.eval.tally import RowMetric, intervals, ratio


class Share(RowMetric):
    fields = ("hits", "items")

    def update(self, hit):
        self.add(hits=hit, items=1)

    def from_sums(self, sums):
        return {"share": ratio(sums["hits"], sums["items"]), "undefined": ratio(sums["hits"], 0.0)}


def filled(hits):
    metric = Share()
    for hit in hits:
        metric.update(hit)
    return metric


def test_interval_holds_the_value_and_repeats():
    metric = filled([1] * 30 + [0] * 10)
    low, high = intervals(metric, range(40))["share"]
    # the normal approximation: 0.75 +- 1.96 * sqrt(0.75 * 0.25 / 40) = 0.616 .. 0.884
    assert low == pytest.approx(0.616, abs=0.03) and high == pytest.approx(0.884, abs=0.03)
    assert intervals(metric, range(40))["share"] == (low, high)
    assert np.isnan(intervals(metric, range(40))["undefined"]).all()


def test_items_of_one_image_are_drawn_together():
    metric = filled([1, 0] * 20)
    assert intervals(metric, [k // 2 for k in range(40)])["share"] == (0.5, 0.5)


def test_nothing_to_resample():
    assert intervals(Share(), []) == {}
    assert intervals(filled([1]), [0], resamples=0) == {}
    with pytest.raises(ValueError, match="2 image numbers for 1 items"):
        intervals(filled([1]), [0, 1])


def test_a_row_must_hold_every_field():
    with pytest.raises(ValueError, match="hits.*items"):
        Share().add(hits=1)
