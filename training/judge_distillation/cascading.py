"""What a cascade saves: the small judge gives the verdicts it is surest of, the reference judge the others.

The reference stands for the LLM, and agrees with itself completely; an LLM that is asked twice does not. So a cascade's κ with it
is what the cascade gives away, at best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evals.agreement.measures import UNKNOWN, measures
from training.judge_distillation.baselines import Booleans, Floats

Integers = npt.NDArray[np.int64]
_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Curve:
    """κ of the cascade against the share that the small judge keeps, from nothing to everything."""

    shares: Floats
    kappas: Floats

    def kept_at(self, kappa: float) -> float:
        """Return the largest share up to which κ stays at least as asked for throughout."""
        fallen = np.flatnonzero(~(self.kappas >= kappa))
        return float(self.shares[fallen[0] - 1] if len(fallen) and fallen[0] else 0.0 if len(fallen) else 1.0)

    def kappa_at(self, share: float) -> float:
        """Return κ where the small judge keeps a share."""
        return float(np.interp(share, self.shares, self.kappas))


@dataclass(frozen=True, slots=True)
class AtBounds:
    """A cascade at the judge's own bounds."""

    criteria: float
    """Share that the small judge keeps: what is saved where each criterion is a call."""
    answers: float
    """Share of answers of which it keeps all: what is saved where an answer is a call."""
    kappa: float


def by_criterion(chances: Floats, met: Booleans) -> Curve:
    """Return the curve where the criteria that the judge is surest of are kept first."""
    order = np.argsort(-_sureness(chances), kind="stable")
    return _curve(_moved(chances, met)[order], met, np.arange(1, len(met) + 1))


def by_answer(chances: Floats, met: Booleans, answers: Integers) -> Curve:
    """Return the curve where whole answers are kept, those first that it is surest of on average; shares are of answers."""
    sureness = _sureness(chances)
    names = np.unique(answers)
    means = np.array([sureness[answers == name].mean() for name in names])
    ordered = names[np.argsort(-means, kind="stable")]
    rows = [np.flatnonzero(answers == name) for name in ordered]
    return _curve(_moved(chances, met)[np.concatenate(rows)], met, np.cumsum([len(found) for found in rows]))


def by_lot(chances: Floats, met: Booleans) -> Curve:
    """Return the curve where what is kept is drawn by lot; of the expected counts."""
    small = counted(met, (chances >= 0.5).astype(float))
    reference = counted(met, met.astype(float))
    shares = np.linspace(0, 1, _STEPS + 1)
    counts = reference + shares[:, None, None] * (small - reference)
    return Curve(shares, measures(counts, "left out")["kappa"])


def at_bounds(verdicts: Floats, met: Booleans, answers: Integers) -> AtBounds:
    """Return what a cascade keeps and what is left of κ; `verdicts` are 1 met, 0 unmet, NaN unknown, which the reference gives."""
    known = ~np.isnan(verdicts)
    kappa = float(measures(counted(met, np.where(known, verdicts, met)), "left out")["kappa"])
    whole = np.mean([known[answers == name].all() for name in np.unique(answers)])
    return AtBounds(float(known.mean()), float(whole), kappa)


def _sureness(chances: Floats) -> Floats:
    return np.abs(chances - 0.5)


def _moved(chances: Floats, met: Booleans) -> Floats:  # (n, 2, 3)
    """Return what each criterion changes in the counts when the small judge's verdict takes the reference's place."""
    wrong = (chances >= 0.5) != met
    changes = np.zeros((len(met), 2, 3))
    rows = np.flatnonzero(wrong)
    truth = met[rows].astype(int)
    changes[rows, truth, truth] = -1
    changes[rows, truth, 1 - truth] = 1
    return changes


def _curve(changes: Floats, met: Booleans, ends: Integers) -> Curve:
    """Return the curve of changes that are made one after the other, read off after each of `ends`."""
    counts = counted(met, met.astype(float)) + np.concatenate([np.zeros((1, 2, 3)), changes.cumsum(axis=0)[ends - 1]])
    shares = np.arange(len(counts)) / (len(counts) - 1)
    return Curve(shares, measures(counts, "left out")["kappa"])


def counted(met: Booleans, said: Floats) -> Floats:
    """Return how often verdicts (1 met, 0 unmet, NaN unknown) meet the reference's, shape (2, 3), as `measures` takes it."""
    counts = np.zeros((2, 3))
    np.add.at(counts, (met.astype(int), np.where(np.isnan(said), UNKNOWN, said).astype(int)), 1)
    return counts
