"""The figures of a distillation: coverage inside and held out by size, beside what any library should beat, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evals.bootstrap import cluster_counts
from principles_store.embedding import Vectors
from training.distillation.baselines import kmeans_medoids, random_coverage, voices_of
from training.distillation.coverage import Likeness, Voice, covered, curve, knee, likeness_to
from training.distillation.evidence import Evidence, Positions

SAMPLES = 1_000
"""Of the bootstrap, over conversations."""
MOST_SIZE = 300
"""Where the curve ends, and with it the knee."""
MEDOIDS, KMEANS, RANDOM = "medoids of the same clusters", "medoids of plain k-means", "criteria at random"
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Share:
    """A share of criteria, or a difference of two; its 95 % interval over conversations, if there are at least two."""

    share: float
    low: float | None
    high: float | None
    n: int
    """Criteria."""
    conversations: int


@dataclass(frozen=True)
class AtSize:
    """What a library of one size accounts for."""

    size: int
    inside: float
    held_out: Share
    statements: float
    """Held out, by the statements alone, without the principles' criteria."""
    beside: Mapping[str, float]
    """Held out, of each baseline."""
    over_kmeans: Share
    """Held out, statements and criteria, less plain k-means of the same size."""


@dataclass(frozen=True)
class Figures:
    """Everything at one threshold."""

    threshold: float
    inside: Sequence[float]
    """By size, from 1."""
    held_out: Sequence[float]
    knee: int
    """Of `held_out`."""
    at: Sequence[AtSize]


@dataclass(frozen=True)
class Measured:
    """The criteria that are measured on: those held out, or all where nothing is held out."""

    evidence: Evidence
    vectors: Vectors
    inside: Positions
    on: Positions
    _kmeans: dict[tuple[int, int], Likeness] = field(default_factory=dict, init=False, repr=False)

    def likeness(self, voices: Sequence[Voice], *, inside: bool = False) -> Likeness:
        """Return how near voices come to the measured criteria, or to those inside."""
        rows = self.inside if inside else self.on
        return likeness_to(voices, self.vectors, self.evidence.signs, rows)

    def kmeans(self, size: int, seed: int) -> Likeness:
        """Return how near the medoids of k-means come; fitted once for all thresholds."""
        if (size, seed) not in self._kmeans:
            vectors, signs = self.vectors, self.evidence.signs
            chosen = kmeans_medoids(vectors, signs, self.inside, size=size, seed=seed)
            self._kmeans[size, seed] = self.likeness(voices_of(vectors, signs, chosen))
        return self._kmeans[size, seed]

    def share(self, hits: Hits, less: Hits | None = None) -> Share:
        """Return the share of hits, or of `hits` less that of `less`, with its interval."""
        difference = hits.astype(np.float64) - (0 if less is None else less)
        owners = np.unique([self.evidence.rubrics[o].key for o in self.evidence.owners[self.on]], return_inverse=True)[
            1
        ]
        conversations = int(owners.max()) + 1
        bounds: tuple[float | None, float | None] = (None, None)
        if conversations > 1:
            counts = cluster_counts(conversations, SAMPLES, 0)
            sums = counts @ np.bincount(owners, weights=difference)
            low, high = np.quantile(sums / (counts @ np.bincount(owners)), [0.025, 0.975])
            bounds = float(low), float(high)
        return Share(float(difference.mean()), *bounds, len(hits), conversations)


def measure(
    measured: Measured,
    voices: Sequence[Voice],
    medoids: Sequence[Voice],
    sizes: Sequence[int],
    threshold: float,
    *,
    seed: int,
) -> Figures:
    """Return the figures of principles in their order; `medoids`: of the same clusters, in theirs, empty where they are those."""
    inside, held_out = measured.likeness(voices[:MOST_SIZE], inside=True), measured.likeness(voices[:MOST_SIZE])
    statements = measured.likeness([Voice(voice.vectors[:1], voice.signs[:1]) for voice in voices])
    by_medoids = measured.likeness(medoids)
    order = range(len(held_out))
    shares = curve(held_out, order, threshold)
    all_held = measured.likeness(voices)
    at = []
    for size in sorted({min(size, len(voices)) for size in sizes}):
        beside, kmeans = _baselines(measured, by_medoids[:size], size, threshold, seed)
        hits = covered(all_held[:size], threshold)
        at.append(
            AtSize(
                size,
                float(covered(measured.likeness(voices[:size], inside=True), threshold).mean()),
                measured.share(hits),
                float(covered(statements[:size], threshold).mean()),
                beside,
                measured.share(hits, kmeans),
            )
        )
    return Figures(threshold, curve(inside, order, threshold), shares, knee(shares), at)


def _baselines(
    measured: Measured, medoids: Likeness, size: int, threshold: float, seed: int
) -> tuple[dict[str, float], Hits]:
    """Return the coverage of each baseline, and what k-means covers."""
    vectors, signs = measured.vectors, measured.evidence.signs
    kmeans = covered(measured.kmeans(size, seed), threshold)
    drawn = random_coverage(vectors, signs, measured.inside, measured.on, size=size, threshold=threshold, seed=seed)
    beside = {KMEANS: float(kmeans.mean()), RANDOM: drawn}
    return ({MEDOIDS: float(covered(medoids, threshold).mean())} if len(medoids) else {}) | beside, kmeans
