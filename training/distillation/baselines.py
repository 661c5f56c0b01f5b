"""What a distilled library has to be better than: criteria picked at random, and the medoids of plain k-means."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from principles_store.embedding import Vectors
from training.distillation.clusters import shares_by_sign
from training.distillation.coverage import Voice, covered, likeness_to
from training.distillation.evidence import Positions

DRAWS = 20
"""Of random criteria; their mean is told."""


def voices_of(vectors: Vectors, signs: NDArray[np.int8], positions: Sequence[int] | Positions) -> list[Voice]:
    """Return criteria as if each were a principle."""
    return [Voice(vectors[[position]], [int(signs[position])]) for position in positions]


def random_coverage(
    vectors: Vectors,
    signs: NDArray[np.int8],
    among: Positions,
    measured: Positions,
    *,
    size: int,
    threshold: float,
    seed: int,
) -> float:
    """Return the mean share of the measured criteria that `size` random ones account for."""
    random = np.random.default_rng(seed)
    shares = []
    for _ in range(DRAWS):
        drawn = random.choice(among, min(size, len(among)), replace=False)
        likeness = likeness_to(voices_of(vectors, signs, drawn), vectors, signs, measured)
        shares.append(covered(likeness, threshold).mean())
    return float(np.mean(shares))


def kmeans_medoids(vectors: Vectors, signs: NDArray[np.int8], among: Positions, *, size: int, seed: int) -> list[int]:
    """Return the criteria nearest to the centres of k-means with k = `size`, both signs by their shares."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    chosen: list[int] = []
    for _, own, count in shares_by_sign(signs, among, size):
        with warnings.catch_warnings(), threadpool_limits(1, "openmp"):  # see clusters.py
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = KMeans(min(count, len(own)), n_init=1, random_state=seed, copy_x=False).fit(vectors[own])
        for label in np.unique(fitted.labels_):
            rows = np.flatnonzero(fitted.labels_ == label)
            chosen.append(int(own[rows[(vectors[own[rows]] @ fitted.cluster_centers_[label]).argmax()]]))
    return chosen
