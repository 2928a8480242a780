"""What the metrics of a scorer come to: values, confidence intervals, counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from mglmm.eval.scorers import PROTOCOLS, Scorer
from mglmm.eval.tally import OfficialFailureError, RowMetric, intervals

NO_SCORE: Mapping[str, Any] = {"value": None, "interval": [None, None]}
"""How a score that is not defined is written."""


def scores(scorer: Scorer, images: Sequence[int], resamples: int) -> dict[str, Any]:
    """Protocol -> score name -> {"value", "interval"}; "failures": protocol's metrics that have no answer; "counts":
    protocol -> metric -> the sums that its scores are made of.

    `images`: for every answer added, the number of its image (see `tally.intervals`). What is not defined is None.
    """
    result: dict[str, Any] = {protocol: {} for protocol in PROTOCOLS}
    failures: list[str] = []
    counts: dict[str, Any] = {protocol: {} for protocol in PROTOCOLS}
    for protocol, metrics in scorer.metrics.items():
        for metric in metrics:
            try:
                values = metric.compute()
            except OfficialFailureError as failure:
                failures += [str(failure)] if images else []
                continue
            if not images:  # nothing was asked, so no score is defined, whatever an evaluator would print
                values = dict.fromkeys(values, float("nan"))
            if isinstance(metric, RowMetric):
                sums = {field: _defined(value) for field, value in metric.sums().items()}
                counts[protocol][type(metric).__name__] = sums
            spans = intervals(metric, images[: len(metric)], resamples)
            for name, value in values.items():
                low, high = spans.get(name, (float("nan"), float("nan")))
                result[protocol][scorer.score_name(name)] = {
                    "value": _defined(value),
                    "interval": [_defined(low), _defined(high)],
                }
    return result | {"failures": failures, "counts": counts} | scorer.details()


def _defined(value: float) -> float | None:
    return None if value != value else value
