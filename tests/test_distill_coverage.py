"""Coverage, the order in which principles are taken, the knee, and the keys: arithmetic."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.distillation.clusters import cluster_criteria, default_count
from training.distillation.coverage import Voice, covered, curve, greedy_order, knee, likeness_to, worth
from training.distillation.scenario_keys import scenario_key, value_shares

AXES = np.eye(3, dtype=np.float32)


def likeness(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, dtype=np.float16)


def test_only_texts_of_the_same_sign_count() -> None:
    voices = [Voice(AXES[[0, 1]], [1, -1])]
    found = likeness_to(voices, AXES[[0, 0, 1, 1]], np.array([1, -1, 1, -1], dtype=np.int8))
    assert found.tolist() == [[1, 0, 0, 1]]


def test_a_principle_without_a_text_of_the_sign_accounts_for_nothing() -> None:
    assert likeness_to([Voice(AXES[[0]], [-1])], AXES[[0]], np.array([1], dtype=np.int8)).tolist() == [[-1]]


def test_a_principle_is_as_near_as_its_nearest_text() -> None:
    voices = [Voice(AXES[[0]], [1]), Voice(AXES[[1, 2]], [1, 1])]
    found = likeness_to(voices, AXES, np.ones(3, dtype=np.int8))
    assert found.tolist() == [[1, 0, 0], [0, 1, 1]]


def test_without_principles_nothing_is_covered() -> None:
    assert not covered(likeness_to([], AXES, np.ones(3, dtype=np.int8)), 0.5).any()


@pytest.mark.parametrize(("cosine", "expected"), [(0.53, 0.0), (0.54, 0.5), (0.72, 0.75), (0.90, 1.0), (0.99, 1.0)])
def test_worth_is_half_for_the_threshold_and_half_for_nearness(cosine: float, expected: float) -> None:
    assert worth(likeness([[cosine]]), 0.54)[0, 0] == pytest.approx(expected, abs=0.003)


def test_the_first_taken_is_worth_most_and_the_useless_come_last() -> None:
    rows = [[0, 0, 0, 0.1], [0.9, 0.9, 0, 0], [0.9, 0.9, 0.9, 0], [0, 0, 0, 0.9]]
    assert greedy_order(likeness(rows), 0.5)[:2] == [2, 3]
    assert sorted(greedy_order(likeness(rows), 0.5)) == [0, 1, 2, 3]


tables = st.lists(st.lists(st.floats(0, 1), min_size=6, max_size=6), min_size=1, max_size=6)


@given(tables)
def test_the_greedy_order_is_that_of_looking_at_every_gain(rows: list[list[float]]) -> None:
    table = likeness(rows)
    best, gains = np.zeros(6, dtype=np.float32), []
    for number in greedy_order(table, 0.5):
        left = [float(np.maximum(worth(row, 0.5) - best, 0).sum()) for row in table]
        gains.append((float(np.maximum(worth(table[number], 0.5) - best, 0).sum()), max(left)))
        best = np.maximum(best, worth(table[number], 0.5))
    assert all(gain == pytest.approx(most, abs=1e-5) for gain, most in gains)


@given(tables, st.integers(1, 3))
def test_a_prefix_is_worth_63_per_cent_of_the_best_library_of_its_size(rows: list[list[float]], size: int) -> None:
    table = worth(likeness(rows), 0.5)
    size = min(size, len(rows))
    order = greedy_order(likeness(rows), 0.5)[:size]
    best = max(table[list(chosen)].max(axis=0).sum() for chosen in combinations(range(len(rows)), size))
    assert table[order].max(axis=0).sum() >= (1 - 1 / np.e) * best - 1e-5


@given(tables)
def test_a_curve_never_falls_and_ends_at_the_whole_coverage(rows: list[list[float]]) -> None:
    table = likeness(rows)
    shares = curve(table, range(len(rows)), 0.5)
    assert shares == sorted(shares)
    assert shares[-1] == covered(table, 0.5).mean()


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([], 0), ([0.4], 1), ([0.5, 0.8, 0.82, 0.84], 2), ([0.9, 0.91, 0.92, 0.93, 0.94], 1), ([0.0, 0.0], 1)],
)
def test_the_knee_is_where_more_adds_little(shares: list[float], expected: int) -> None:
    assert knee(shares) == expected


@pytest.mark.parametrize(("criteria", "clusters"), [(1, 1), (80, 10), (2_000, 250), (80_000, 1_000)])
def test_clusters_grow_with_the_criteria_up_to_a_bound(criteria: int, clusters: int) -> None:
    assert default_count(criteria) == clusters


def test_clusters_hold_one_sign_and_every_criterion_once() -> None:
    draw = np.random.default_rng(1)
    vectors = np.repeat(AXES, 8, axis=0) + draw.normal(0, 0.01, (24, 3)).astype(np.float32)
    signs = np.array([1, -1] * 12, dtype=np.int8)
    among = np.arange(2, 24)
    clusters = cluster_criteria(vectors, signs, among, count=6, seed=0)
    assert sorted(np.concatenate([cluster.members for cluster in clusters]).tolist()) == among.tolist()
    assert all((signs[cluster.members] == cluster.sign).all() for cluster in clusters)
    assert all(len({member // 8 for member in cluster.members.tolist()}) == 1 for cluster in clusters)


def test_copies_of_one_text_are_one_cluster() -> None:
    vectors = np.repeat(AXES[:1], 10, axis=0)
    clusters = cluster_criteria(vectors, np.ones(10, dtype=np.int8), np.arange(10), count=5, seed=0)
    assert [len(cluster.members) for cluster in clusters] == [10]


def labels(urgency: str, expertise: str = "layperson") -> dict[str, str]:
    rest = {"uncertainty": "none", "task": "simple-question", "setting": "setting-irrelevant"}
    return {"urgency": urgency, "expertise": expertise, **rest}


def test_a_key_names_what_is_more_common_behind_it_than_anywhere() -> None:
    everywhere = [labels("emergent")] * 2 + [labels("non-emergent")] * 8
    key = scenario_key([labels("emergent")] * 3 + [labels("non-emergent")], value_shares(everywhere))
    assert (key.dimension, key.scenarios) == ("urgency", ("emergent",))
    assert key.shares["emergent"] == 0.75


def test_a_key_names_as_many_values_as_most_conversations_share() -> None:
    everywhere = [labels("emergent")] + [labels("non-emergent")] * 9
    mixed = [labels("emergent"), labels("conditionally-emergent")]
    assert scenario_key(mixed, value_shares(everywhere)).scenarios == ("emergent", "conditionally-emergent")
