"""The arithmetic of the scenario classifier, checked against fitting again and again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from principles_store.kernel_classifier import RIDGE, WIDTH, fit_kernel_classifier, kernel, shares

VALUES = ("red", "green", "blue")


def _exemplars(seed: int, count: int = 20) -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    labels = [*VALUES, *random.choice(VALUES, size=count - 3, p=[0.6, 0.3, 0.1]).tolist()]
    centres = np.eye(3)[[VALUES.index(label) for label in labels]]
    return (centres + random.normal(scale=0.4, size=(count, 3))).astype(np.float32), labels


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000))
def test_held_out_scores_are_those_of_a_fit_without_the_row(seed: int) -> None:
    rows, labels = _exemplars(seed)
    indicator = np.eye(3)[[VALUES.index(label) for label in labels]]
    balance = (len(labels) / 3 / indicator.sum(axis=0))[indicator.argmax(axis=1)]
    bias = (indicator * balance[:, None]).sum(axis=0) / balance.sum()
    held_out = fit_kernel_classifier(rows, labels, VALUES).held_out_scores
    for row in range(len(rows)):
        others = np.arange(len(rows)) != row
        inverse = np.linalg.inv(rbf_kernel(rows[others], gamma=WIDTH) + RIDGE * np.diag(1 / balance[others]))
        expected = rbf_kernel(rows[row : row + 1], rows[others], gamma=WIDTH)[0] @ inverse @ (indicator - bias)[others]
        np.testing.assert_allclose(held_out[row], expected + bias, atol=1e-4)


def test_scores_are_those_of_scikit_learns_ridge() -> None:
    rows, labels = _exemplars(1)
    indicator = np.eye(3)[[VALUES.index(label) for label in labels]]
    balance = (len(labels) / 3 / indicator.sum(axis=0))[indicator.argmax(axis=1)]
    fitted = fit_kernel_classifier(rows, labels, VALUES)
    ridge = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=WIDTH)
    ridge.fit(rows, indicator - fitted.bias, sample_weight=balance)
    ours = np.stack([fitted.scores(row) for row in rows])
    np.testing.assert_allclose(ours, ridge.predict(rows) + fitted.bias, atol=1e-4)


def test_each_value_weighs_the_same_however_often_it_occurs() -> None:
    np.testing.assert_allclose(fit_kernel_classifier(*_exemplars(2), VALUES).bias, 1 / 3, atol=1e-6)


def test_far_from_all_exemplars_the_score_is_the_bias() -> None:
    fitted = fit_kernel_classifier(*_exemplars(3), VALUES)
    np.testing.assert_allclose(fitted.scores(np.full(3, 1000, dtype=np.float32)), fitted.bias, atol=1e-6)


def test_well_apart_groups_are_told_apart_held_out() -> None:
    rows = np.repeat(np.eye(3, dtype=np.float32) * 4, 5, axis=0) + np.linspace(0, 0.1, 15, dtype=np.float32)[:, None]
    labels = [value for value in VALUES for _ in range(5)]
    held_out = fit_kernel_classifier(rows, labels, VALUES).held_out_scores
    assert [VALUES[best] for best in held_out.argmax(axis=1)] == labels


def test_a_value_without_exemplars_scores_nothing() -> None:
    rows, labels = _exemplars(4)
    fitted = fit_kernel_classifier(rows, labels, (*VALUES, "never"))
    assert all(fitted.scores(row)[3] == 0 for row in rows)


def test_a_label_that_is_no_value_is_an_error() -> None:
    rows, labels = _exemplars(5)
    with pytest.raises(ValueError, match="tuple"):
        fit_kernel_classifier(rows, labels, VALUES[:2])


def test_the_kernel_is_gaussian() -> None:
    left, right = _exemplars(6)[0], _exemplars(7)[0]
    np.testing.assert_allclose(kernel(left, right), rbf_kernel(left, right, gamma=WIDTH), atol=1e-5)
    assert kernel(left, left).max() <= 1


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8))
def test_shares_add_up_to_one_and_keep_the_order(scores: list[float]) -> None:
    given_shares = shares(np.array(scores))
    assert given_shares.sum() == pytest.approx(1)
    assert all(given_shares[np.argsort(scores)][:-1] <= given_shares[np.argsort(scores)][1:])
