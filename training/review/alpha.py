"""Krippendorff's α: agreement beyond chance between any number of people who need not all have rated everything.

Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), repository.upenn.edu/asc_papers/43. Its interval here
is a bootstrap over clusters of units, as criteria of one record are no independent evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.bootstrap import cluster_counts, interval

_SAMPLES, _BLOCK = 1000, 100
_FEWEST_CLUSTERS = 10
"""Below, an interval would claim more than so few can show."""

Floats = NDArray[np.float64]
Distance = Callable[[Any, Any], float]


def nominal(first: object, second: object) -> float:
    """Return how far two names are apart: not at all, or one."""
    return float(first != second)


def squared(first: float, second: float) -> float:
    """Return how far two numbers on an interval scale are apart."""
    return float(first - second) ** 2


@dataclass(frozen=True)
class Alpha:
    """An α, and what it rests on."""

    value: float | None
    """1: full agreement; 0: what chance would give; None: nothing to compare, or everybody always said the same."""
    low: float | None
    high: float | None
    """Of the 95 % interval; None for fewer than ten clusters."""
    units: int
    """That two or more people rated."""
    values: int
    """Ratings of these."""

    @property
    def told(self) -> str:
        """In words: the value, its interval and n."""
        if self.value is None:
            return f"none (n = {self.units:,})"
        bracket = "" if self.low is None or self.high is None else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.value:.2f}{bracket} (n = {self.units:,})"


class Ratings:
    """Ratings from a fixed set of values, added cluster by cluster; kept are their sums only."""

    def __init__(self, values: Sequence[Hashable], distance: Distance) -> None:
        self._place = {value: number for number, value in enumerate(values)}
        self._distance = np.array([[distance(one, other) for other in values] for one in values])
        self._counts: list[Floats] = []
        self._observed: list[float] = []
        self._units = 0

    def add(self, units: Iterable[Sequence[Hashable]]) -> None:
        """Take the units of one cluster, each with the values that it was given; those with fewer than two say nothing."""
        total, observed = np.zeros(len(self._place)), 0.0
        for unit in units:
            if len(unit) > 1:
                counts = np.bincount([self._place[value] for value in unit], minlength=len(self._place)).astype(float)
                total += counts
                observed += float(counts @ self._distance @ counts) / (len(unit) - 1)
                self._units += 1
        if total.any():
            self._counts.append(total)
            self._observed.append(observed)

    def alpha(self, *, seed: int = 0) -> Alpha:
        """Return α of all that was added, with a seeded interval."""
        if not self._counts:
            return Alpha(None, None, None, 0, 0)
        counts, observed = np.stack(self._counts), np.array(self._observed)
        (value,) = self._alphas(counts.sum(axis=0)[None], observed.sum()[None])
        clusters = len(counts)
        bounds = None
        if clusters >= _FEWEST_CLUSTERS and not np.isnan(value):
            drawn = (cluster_counts(clusters, _BLOCK, seed + start) for start in range(0, _SAMPLES, _BLOCK))
            weights = (block.astype(np.float64) for block in drawn)
            bounds = interval(np.concatenate([self._alphas(block @ counts, block @ observed) for block in weights]))
        low, high = bounds or (None, None)
        return Alpha(None if np.isnan(value) else float(value), low, high, self._units, int(counts.sum()))

    def _alphas(self, counts: Floats, observed: Floats) -> Floats:
        """Return α of each sample, (samples,), from counts of values (samples, values); NaN where all values are one."""
        n = counts.sum(axis=1)
        expected = np.einsum("sv,vw,sw->s", counts, self._distance, counts) / (n - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(expected > 0, 1 - observed / expected, np.nan)
