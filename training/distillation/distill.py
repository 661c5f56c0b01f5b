"""The steps of a distillation, in order: read, embed, classify, cluster, gather; then, of candidates, merge, order and measure.

Between the two halves stands who words the principles: a model on the batch (`job.py`), or nobody, and medoids stand for clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from agent.detectors import load_thresholds
from principles_store.embedding import Embedder, Vectors
from principles_store.library import Library
from training.distillation.candidates import Candidate, medoid_candidates
from training.distillation.clock import Clock
from training.distillation.clusters import Cluster, cluster_criteria, default_count
from training.distillation.coverage import STRICT, Voice, covered, greedy_order, likeness_to
from training.distillation.evidence import Evidence, Split, read_evidence, split_evidence
from training.distillation.figures import Figures, Measured, Share, measure
from training.distillation.kept_vectors import KeptVectors
from training.distillation.material import Material, gather
from training.distillation.merging import Conflict, find_conflicts, merge_candidates
from training.distillation.scenario_keys import label_conversations

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What is to be distilled, and how."""

    files: Sequence[Path]
    any_status: bool = False
    clusters: int | None = None
    """None: `default_count`."""
    held_out: float = 0.2
    seed: int = 0
    sizes: Sequence[int] = (20, 50, 119)
    """At which baselines are measured."""
    size: int | None = None
    """Principles of the library that is written; None: at the knee."""


@dataclass(frozen=True)
class Workbench:
    """What principles are made from."""

    request: Request
    evidence: Evidence
    split: Split
    vectors: Vectors
    clusters: Sequence[Cluster]
    materials: Sequence[Material]
    embedder: Embedder
    threshold: float
    """From which cosine on two criteria are the same, as the library's own paraphrases say (agent/thresholds.json)."""
    clock: Clock = field(default_factory=Clock)

    @property
    def measured(self) -> Measured:
        on = self.split.held_out if len(self.split.held_out) else self.split.inside
        return Measured(self.evidence, self.vectors, self.split.inside, on)


@dataclass(frozen=True)
class Distilled:
    """The principles, and what is known of them."""

    ordered: tuple[Candidate, ...]
    """Each next one adds most; any first N are a library of N."""
    size: int
    """Of the library that is written."""
    merged: Sequence[tuple[str, str]]
    """Id of a near-duplicate, and of what it went into."""
    conflicts: Sequence[Conflict]
    figures: Sequence[Figures]
    """At the library's own threshold, and at the strict one."""
    compared: dict[str, dict[str, Share]]
    """Other libraries: threshold -> coverage."""

    @property
    def library(self) -> tuple[Candidate, ...]:
        return self.ordered[: self.size]


def prepare(
    request: Request,
    embedder: Embedder,
    *,
    cache: Path,
    classifier_cache: Path | None = None,
    tell: Tell = lambda _: None,
    clock: Clock | None = None,
) -> Workbench:
    """Do everything that needs no model; what is encoded or classified is kept below `cache`."""
    clock = clock or Clock()
    evidence = read_evidence(request.files, any_status=request.any_status)
    split = split_evidence(evidence, request.held_out, seed=request.seed)
    tell(f"{len(evidence.criteria):,} criteria of {len(evidence.rubrics):,} rubrics")
    clock.lap("read")
    kept = KeptVectors(embedder, cache, tell=lambda done, total: tell(f"encoded {done:,} of {total:,} new criteria"))
    vectors = kept.encode(evidence.texts)
    clock.lap("encode")
    labels = label_conversations(
        evidence.rubrics,
        embedder,
        cache=cache,
        classifier_cache=classifier_cache,
        tell=lambda done, total: tell(f"classified {done:,} of {total:,} new conversations"),
    )
    clock.lap("classify")
    count = request.clusters or default_count(len(split.inside))
    clusters = cluster_criteria(vectors, evidence.signs, split.inside, count=count, seed=request.seed)
    clock.lap("cluster")
    materials = gather(evidence, clusters, labels)
    clock.lap("gather")
    tell(f"{len(clusters):,} clusters")
    threshold = load_thresholds(embedder.id).same_criterion
    return Workbench(request, evidence, split, vectors, clusters, materials, kept, threshold, clock)


def distil(bench: Workbench, worded: Sequence[Candidate] | None, compare: Sequence[Library] = ()) -> Distilled:
    """Merge, order and measure the candidates; None: the clusters' medoids."""
    clock = bench.clock
    clock.start()
    medoids = medoid_candidates(bench.materials)
    candidates = medoids if worded is None else list(worded)
    kept, merged = merge_candidates(candidates, bench.clusters, bench.embedder)
    ordered, voices = _ordered(bench, kept)
    beside = _ordered(bench, medoids)[1] if worded is not None else []
    clock.lap("merge and order")
    request, measured = bench.request, bench.measured
    figures = [
        measure(measured, voices, beside, request.sizes, threshold, seed=request.seed)
        for threshold in (bench.threshold, STRICT)
    ]
    clock.lap("measure")
    size = min(request.size or figures[0].knee, len(ordered))
    statements = bench.embedder.encode([each.principle.statement for each in ordered[:size]])
    conflicts = find_conflicts(ordered[:size], statements, bench.evidence, bench.vectors, bench.split.inside)
    clock.lap("conflicts")
    compared = {library.source: _coverage_of(bench, library) for library in compare}
    return Distilled(tuple(ordered), size, merged, conflicts, figures, compared)


def voices_of(candidates: Sequence[Candidate], embedder: Embedder) -> list[Voice]:
    """Return what each principle says, its statement first; a medoid's criterion is its statement, and counts once."""
    told = [_signed_texts(candidate) for candidate in candidates]
    vectors = embedder.encode([text for texts in told for text in texts])
    bounds = np.cumsum([0, *map(len, told)])
    rows = [vectors[start:end] for start, end in pairwise(bounds.tolist())]
    return [Voice(own, list(texts.values())) for own, texts in zip(rows, told, strict=True)]


def _signed_texts(candidate: Candidate) -> dict[str, int]:
    principle = candidate.principle
    texts = {principle.statement: 1 if principle.polarity == "do" else -1}
    return texts | {c.text: 1 if c.points > 0 else -1 for c in principle.criteria if c.text != principle.statement}


def _ordered(bench: Workbench, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Voice]]:
    voices = voices_of(candidates, bench.embedder)
    likeness = likeness_to(voices, bench.vectors, bench.evidence.signs, bench.split.inside)
    order = greedy_order(likeness, bench.threshold)
    return [candidates[number] for number in order], [voices[number] for number in order]


def _coverage_of(bench: Workbench, library: Library) -> dict[str, Share]:
    candidates = [Candidate(principle, (), is_abstracted=True) for principle in library]
    likeness = bench.measured.likeness(voices_of(candidates, bench.embedder))
    return {str(t): bench.measured.share(covered(likeness, t)) for t in (bench.threshold, STRICT)}
