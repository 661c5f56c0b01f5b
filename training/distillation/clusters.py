"""Criteria that mean much the same, in groups: bisecting k-means on their vectors, what is asked for and penalties apart.

Why this clustering: ward linkage and DBSCAN's kin need all pairs, 25 GB at 80,000 criteria; Lloyd's k-means compares
every criterion with every cluster. Scikit-learn is imported here and in `baselines.py` alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from principles_store.embedding import Vectors
from training.distillation.evidence import Positions

PER_CLUSTER = 8
"""Criteria; as many as let a reader, or a model, see what they have in common."""
MOST_CLUSTERS = 1_000
"""Each costs a model call; beyond, clusters grow."""


@dataclass(frozen=True)
class Cluster:
    """A group of criteria of one sign."""

    members: Positions
    """The nearest to the centre first."""
    sign: int

    @property
    def medoid(self) -> int:
        """The criterion that stands for all."""
        return int(self.members[0])


def default_count(criteria: int) -> int:
    """Return how many clusters to make of so many criteria."""
    return max(1, min(criteria // PER_CLUSTER, MOST_CLUSTERS))


def cluster_criteria(
    vectors: Vectors, signs: NDArray[np.int8], among: Positions, *, count: int, seed: int
) -> list[Cluster]:
    """Return about `count` clusters of the criteria at `among`, the largest first."""
    found = [
        cluster
        for sign, own, clusters in shares_by_sign(signs, among, count)
        for cluster in _cluster(vectors, own, sign, clusters, seed)
    ]
    return sorted(found, key=lambda cluster: (-len(cluster.members), cluster.medoid))


def shares_by_sign(signs: NDArray[np.int8], among: Positions, count: int) -> Iterator[tuple[int, Positions, int]]:
    """Yield each sign with its criteria and its part of `count`, at least 1 where it has any."""
    for sign in (1, -1):
        own = among[signs[among] == sign]
        if len(own):
            yield sign, own, max(1, round(count * len(own) / len(among)))


def _cluster(vectors: Vectors, own: Positions, sign: int, count: int, seed: int) -> Iterator[Cluster]:
    from sklearn.cluster import BisectingKMeans
    from sklearn.exceptions import ConvergenceWarning

    distinct = len(np.unique(vectors[own], axis=0)) if count > len(own) // 2 else len(own)
    with warnings.catch_warnings(), threadpool_limits(1, "openmp"):  # sums of several threads differ from run to run
        warnings.simplefilter("ignore", ConvergenceWarning)  # copies of one text: fewer clusters than asked for
        # It may overwrite these: else there would be two copies of all vectors.
        labels = BisectingKMeans(min(count, distinct), random_state=seed, copy_x=False).fit_predict(vectors[own])
    order = np.argsort(labels, kind="stable")
    bounds = np.flatnonzero(np.diff(labels[order], prepend=-1, append=-1))
    for start, end in pairwise(bounds.tolist()):
        rows = order[start:end]
        points = vectors[own[rows]]
        likeness = points @ points.mean(axis=0)
        yield Cluster(own[rows[np.argsort(-likeness, kind="stable")]], sign)
