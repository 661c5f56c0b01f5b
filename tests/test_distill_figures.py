"""Merging, intervals, the plot, and the figures on the development data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from distilling import bench_of

from principles_store.principle import Principle
from principles_store.shared_embedding import EmbeddingMemory
from training.distillation.candidates import Candidate, medoid_candidates
from training.distillation.distill import Request, Workbench, distil, prepare
from training.distillation.figures import KMEANS, RANDOM
from training.distillation.merging import merge_candidates
from training.distillation.plot import coverage_plot


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, embedder: EmbeddingMemory) -> Workbench:
    return bench_of(tmp_path_factory.mktemp("bench"), embedder, clusters=6)


def worded(bench: Workbench, *statements: str) -> list[Candidate]:
    """Return candidates of the first clusters, all `do`, with these statements."""
    found = []
    for number, (candidate, statement) in enumerate(zip(medoid_candidates(bench.materials), statements, strict=False)):
        entry = candidate.principle.model_dump() | {"id": f"p{number}", "statement": statement, "polarity": "do"}
        entry["criteria"][0]["text"] = f"{statement} ({number})"
        found.append(Candidate(Principle.model_validate(entry), (number,), is_abstracted=True))
    return found


def test_near_duplicates_become_one_with_all_their_clusters(bench: Workbench) -> None:
    both = worded(bench, "Tell the reader to call an ambulance.", "Tell the reader to call an ambulance at once.")
    kept, merged = merge_candidates(both, bench.clusters, bench.embedder)
    assert [each.clusters for each in kept] == [(0, 1)]
    assert merged == [("p1", "p0")]


def test_different_rules_stay_apart(bench: Workbench) -> None:
    both = worded(bench, "Tell the reader to call an ambulance.", "Keep a short answer short.")
    kept, merged = merge_candidates(both, bench.clusters, bench.embedder)
    assert len(kept) == 2 and merged == []


def test_a_do_and_an_avoid_are_never_merged(bench: Workbench) -> None:
    one, other = worded(bench, "Recommend an antibiotic.", "Recommend an antibiotic.")
    avoid = replace(other, principle=other.principle.model_copy(update={"polarity": "avoid"}))
    assert len(merge_candidates([one, avoid], bench.clusters, bench.embedder)[0]) == 2


def test_an_interval_holds_its_share_and_that_of_everything_is_a_point(bench: Workbench) -> None:
    measured = bench.measured
    hits = np.arange(len(measured.on)) % 2 == 0
    share, whole = measured.share(hits), measured.share(np.ones_like(hits))
    assert share.low is not None and share.high is not None and share.low <= share.share <= share.high
    assert (whole.share, whole.low, whole.high) == (1, 1, 1)
    assert measured.share(hits, hits).share == 0


def test_the_written_library_is_no_larger_than_asked_for(bench: Workbench) -> None:
    for size in (1, 3, 99):
        distilled = distil(replace(bench, request=replace(bench.request, size=size)), None)
        assert len(distilled.library) == min(size, len(distilled.ordered))


def test_the_plot_tells_its_curves_to_those_who_cant_see_it() -> None:
    drawn = coverage_plot({"held out": [0.1, 0.25]}, knee=1, points={"random": [(2, 0.2)]}, title="Coverage")
    assert "<desc>held out: 25.0% at 2; knee at 1</desc>" in drawn
    assert drawn.count("<circle") == 2 and "knee 1" in drawn


@pytest.mark.data
@pytest.mark.slow
def test_on_real_rubrics_few_principles_account_for_more_than_k_means_and_chance(
    dev_data: Path, tmp_path: Path, embedder: EmbeddingMemory
) -> None:
    request = Request([dev_data / "healthbench_dev.jsonl.gz"], any_status=True)
    found = distil(prepare(request, embedder, cache=tmp_path), None)
    for figures in found.figures:
        smallest = figures.at[0]
        assert smallest.held_out.share > smallest.beside[KMEANS]
        assert all(at.held_out.share > at.beside[RANDOM] for at in figures.at)
