"""Agreement figures, checked against scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from evals.statistics import accuracy, cohen_kappa, f1, macro_f1, precision, recall

LABELS = ("a", "b", "c")
PAIRS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=30)


@given(PAIRS)
def test_accuracy_and_f1_are_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    expected = metrics.f1_score(truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0)
    assert accuracy(truth, predicted) == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert macro_f1(truth, predicted) == pytest.approx(expected)


@given(PAIRS, st.sampled_from(LABELS))
def test_figures_of_one_label_are_scikit_learns(pairs: list[tuple[str, str]], label: str) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    options: dict[str, Any] = {"labels": [label], "average": "macro", "zero_division": 0}
    assert f1(truth, predicted, label) == pytest.approx(metrics.f1_score(truth, predicted, **options))
    expected = None if label not in truth else pytest.approx(metrics.recall_score(truth, predicted, **options))
    assert recall(truth, predicted, label) == expected
    expected = None if label not in predicted else pytest.approx(metrics.precision_score(truth, predicted, **options))
    assert precision(truth, predicted, label) == expected


@given(PAIRS)
def test_kappa_is_scikit_learns_and_none_where_chance_explains_all(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    kappa = cohen_kappa(truth, predicted)
    if len({*truth, *predicted}) == 1:
        assert kappa is None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert kappa == pytest.approx(metrics.cohen_kappa_score(truth, predicted))


def test_labels_may_be_true_false_and_none() -> None:
    assert accuracy([True, None], [True, False]) == 0.5
    assert recall([True, None], [True, None], None) == 1.0


@pytest.mark.parametrize("figure", [accuracy, macro_f1, cohen_kappa])
@pytest.mark.parametrize(("truth", "predicted"), [([], []), (["a"], []), (["a"], ["a", "b"])])
def test_empty_or_unequal_input_is_an_error(
    figure: Callable[[Sequence[str], Sequence[str]], float | None], truth: list[str], predicted: list[str]
) -> None:
    with pytest.raises(ValueError, match=f"got {len(truth)} and {len(predicted)}"):
        figure(truth, predicted)


@pytest.mark.parametrize("figure", [recall, precision, f1])
def test_unequal_input_is_an_error_for_one_label(
    figure: Callable[[Sequence[str], Sequence[str], str], float | None],
) -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        figure(["a", "a"], ["a"], "a")
