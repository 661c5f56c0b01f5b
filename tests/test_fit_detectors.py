"""Fitting the critic's thresholds: what they promise holds on the samples they are fitted to."""

import json

import pytest

from agent.detectors import THRESHOLDS
from principles_store.index import Index
from principles_store.shared_embedding import EmbeddingMemory
from training.fit_detectors import (
    MIN_MAPPING_PRECISION,
    MIN_PRECISION,
    MeaningThresholds,
    Sample,
    cross_validated,
    fit_mapping,
    fit_meaning,
    predict,
    samples,
)

FITTED = MeaningThresholds(touches=0.4, lead=0.2, lean=0.0, absent=0.3)


@pytest.mark.parametrize(
    ("nearest", "lead", "verdict"),
    [
        (0.5, 0.2, "met"),
        (0.5, 0.19, "unknown"),
        (0.5, -0.01, "unmet"),
        (0.39, 0.5, "unknown"),
        (0.29, 0.5, "unmet"),
    ],
)
def test_a_sentence_is_judged_as_the_critic_would(nearest: float, lead: float, verdict: str) -> None:
    assert predict(Sample("p", "holds", nearest, lead), FITTED) == verdict


def test_met_is_as_precise_as_asked_on_the_fitted_samples(index: Index) -> None:
    rows = samples(index)
    fitted = fit_meaning(rows)
    met = [row for row in rows if predict(row, fitted) == "met"]
    assert len(met) > 50
    assert sum(row.truth == "holds" for row in met) / len(met) >= MIN_PRECISION


def test_every_sample_is_judged_once_by_thresholds_of_other_principles(index: Index) -> None:
    rows = samples(index)
    assert len(cross_validated(rows)) == len(rows)


def test_a_paraphrase_finds_its_criterion_as_precisely_as_asked(index: Index) -> None:
    threshold, precision, recall = fit_mapping(index)
    assert precision >= MIN_MAPPING_PRECISION
    assert 0.4 <= threshold < 0.95
    assert recall > 0.3


def test_the_shipped_thresholds_belong_to_the_shipped_library(index: Index, embedder: EmbeddingMemory) -> None:
    shipped = json.loads(THRESHOLDS.read_text(encoding="utf-8"))
    assert shipped["library_hash"] == index.library.content_hash
    assert shipped["embedder"] == embedder.id
    assert shipped["thresholds"] == {**fit_meaning(samples(index))._asdict(), "same_criterion": fit_mapping(index)[0]}
