"""What every metric here is: one row of numbers per item, and scores that are functions of the rows' sums.

Keeping the rows (a few numbers an item, never a mask) makes metrics mergeable across processes, independent of the
order of the items, and gives the scores of any part of the items and bootstrap confidence intervals for free.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from math import fsum
from typing import ClassVar, Protocol, Self

import numpy as np

Numbers = np.ndarray | float
"""A float64[B] array over bootstrap resamples, or one float."""


class OfficialFailureError(Exception):
    """The authors' own evaluator dies on this input, with an exception called `official_type`."""

    def __init__(self, official_type: str, why: str) -> None:
        super().__init__(f"the official evaluator dies with {official_type}: {why}")
        self.official_type = official_type


class Metric(Protocol):
    """What the runner needs of a metric. `update` differs from one to the next, but adds exactly one item."""

    def __len__(self) -> int:
        """Number of items added."""
        ...

    def merge(self, other: Self) -> None:
        """Append the items of `other` (another process's share)."""
        ...

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these items alone, by their places in the order of adding."""
        ...

    def compute(self) -> dict[str, float]:
        """Score name -> value; NaN where it is not defined (nothing to divide by).

        Raises:
            OfficialFailureError: the official evaluator has no answer to this input.
        """
        ...

    def resample(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Score name -> float64[B] for B resamples; `counts` int64[B, N]: how often each item is drawn."""
        ...


class RowMetric:
    """Base of metrics whose scores follow from sums over items.

    A subclass names its `fields`, adds one row in its own `update`, and turns sums into scores in `from_sums`.
    """

    fields: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, **values: float) -> None:
        """Append one item's row; the names must be exactly `fields`."""
        if values.keys() != set(self.fields):
            raise ValueError(f"row holds {sorted(values)}, the metric has {sorted(self.fields)}")
        self.rows.append(tuple(float(values[name]) for name in self.fields))

    def merge(self, other: Self) -> None:
        """Append the items of `other`."""
        self.rows.extend(other.rows)

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these items alone."""
        part = copy(self)
        part.rows = [self.rows[k] for k in items]
        return part

    def compute(self) -> dict[str, float]:
        """Score name -> value. Sums are exact (`math.fsum`), so the order of the items changes no digit."""
        return {name: float(value) for name, value in self.from_sums(self.sums()).items()}

    def sums(self) -> dict[str, float]:
        """Field -> its sum over the items."""
        return {name: fsum(row[k] for row in self.rows) for k, name in enumerate(self.fields)}

    def resample(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Score name -> float64[B]; `counts` int64[B, N]."""
        sums = counts @ np.asarray(self.rows, dtype=np.float64).reshape(len(self.rows), len(self.fields))
        scores = self.from_sums({name: sums[:, k] for k, name in enumerate(self.fields)})
        return {name: np.asarray(value, dtype=np.float64) for name, value in scores.items()}

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Scores from the sums of the fields; works on floats and on arrays alike."""
        raise NotImplementedError


def ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    """`numerator / denominator`, NaN where the denominator is 0 (the score is not defined).

    >>> float(ratio(1.0, 4.0)), float(ratio(1.0, 0.0))
    (0.25, nan)
    """
    below = np.asarray(denominator, dtype=np.float64)
    return np.asarray(numerator, dtype=np.float64) / np.where(below == 0, np.nan, below)


def intervals(
    metric: Metric, images: Sequence[int], resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Score name -> (low, high): percentile bootstrap over images, `level` of the mass; NaN where not defined.

    `images[i]` is the number of the image that item i asks about: the items of one image are drawn together, since
    they are not independent. Resamples in which a score is not defined are left out for that score. Deterministic in
    `seed`.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    if len(images) != len(metric):
        raise ValueError(f"{len(images)} image numbers for {len(metric)} items")
    if not len(metric) or not resamples:
        return {}
    cluster = np.unique(np.asarray(images), return_inverse=True)[1]
    num_images = int(cluster.max()) + 1
    rng = np.random.default_rng(seed)
    chance = np.full(num_images, 1.0 / num_images)
    chunks: dict[str, list[np.ndarray]] = {}
    for start in range(0, resamples, 50):  # chunks bound the memory of the counts
        counts = rng.multinomial(num_images, chance, size=min(50, resamples - start))
        for name, values in metric.resample(counts[:, cluster]).items():
            chunks.setdefault(name, []).append(values)
    return {name: _percentiles(np.concatenate(parts), level) for name, parts in chunks.items()}


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)
