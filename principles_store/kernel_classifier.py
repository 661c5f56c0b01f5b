"""Kernel ridge classification with closed-form leave-one-out scores: small data, no training loop, nothing random.

Some hundred labelled rows are fitted in milliseconds, so nothing fitted has to be shipped: editing an exemplar is all it
takes to change the classifier. Sources: Rifkin, Yeo & Poggio, "Regularized least-squares classification" (2003); for the
leave-one-out formula Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), section 5.4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

WIDTH = 0.5
"""Gamma of the Gaussian kernel exp(-gamma |a - b|²)."""
RIDGE = 0.2
"""Both chosen by `python -m training.scenario_grid`."""


@dataclass(frozen=True)
class KernelClassifier:
    """A fitted classifier for one set of values."""

    values: tuple[str, ...]
    rows: Matrix
    """Features of the exemplars, shape (N, F)."""
    weights: Matrix
    """Shape (N, V)."""
    bias: Matrix
    """Shape (V,)."""
    held_out_scores: Matrix
    """Each exemplar's scores when fitted without it, shape (N, V)."""

    @cached_property
    def _squares(self) -> Matrix:
        """Squared length of every exemplar, shape (N,): the larger part of a kernel's cost, and always the same."""
        squares: Matrix = (self.rows**2).sum(axis=1)
        return squares

    def scores(self, row: Matrix) -> Matrix:
        """Return the regression on each value's indicator, about 0..1, shape (V,)."""
        return self.scores_by(self.nearness(row))

    def nearness(self, row: Matrix) -> Matrix:
        """Return the kernel of a row with every exemplar, shape (N,); classifiers on the same exemplars may share it."""
        nearness: Matrix = kernel(row[None, :], self.rows, self._squares)[0]
        return nearness

    def scores_by(self, nearness: Matrix) -> Matrix:
        """Return the scores of a row whose nearness to the exemplars is known."""
        scores: Matrix = nearness @ self.weights + self.bias
        return scores


def fit_kernel_classifier(rows: Matrix, labels: Sequence[str], values: tuple[str, ...]) -> KernelClassifier:
    """Fit the indicators of `values`, each value weighing the same however often it occurs."""
    target = np.array([values.index(label) for label in labels])
    indicator = np.eye(len(values))[target]
    balance = (len(target) / len(values) / np.maximum(1, indicator.sum(axis=0)))[target]
    inverse = np.linalg.inv(kernel(rows, rows).astype(np.float64) + RIDGE * np.diag(1 / balance))
    bias = (indicator * balance[:, None]).sum(axis=0) / balance.sum()
    weights = inverse @ (indicator - bias)
    held_out = indicator - weights / np.diag(inverse)[:, None]
    return KernelClassifier(
        values, rows, weights.astype(np.float32), bias.astype(np.float32), held_out.astype(np.float32)
    )


def kernel(left: Matrix, right: Matrix, right_squares: Matrix | None = None) -> Matrix:
    """Return the Gaussian kernel of all pairs of rows, shape (len(left), len(right))."""
    if right_squares is None:
        right_squares = (right**2).sum(axis=1)
    squares = (left**2).sum(axis=1)[:, None] + right_squares[None, :] - 2 * left @ right.T
    result: Matrix = np.exp(-WIDTH * np.maximum(squares, 0))
    return result


def shares(scores: Matrix, sharpness: float = 4.0) -> Matrix:
    """Return scores as shares that add up to 1 (softmax)."""
    powers = np.exp(sharpness * (scores - scores.max(axis=-1, keepdims=True)))
    result: Matrix = powers / powers.sum(axis=-1, keepdims=True)
    return result
