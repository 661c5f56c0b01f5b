"""How well a small judge's probabilities and verdicts agree with the labels: overall, by polarity, by axis, and against coverage.

Kappa and macro-F1 are evals.statistics'; what knows nothing of probabilities is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.rubric import VerdictValue
from agent.small_judge.calibration import Calibration, Polarity
from evals.statistics import cohen_kappa, macro_f1
from training.judge_distillation.samples import Sample

Numbers = npt.NDArray[np.floating[Any]]
Booleans = npt.NDArray[np.bool_]
Where = Booleans | slice
_LEAST = 1e-7
"""Probability below which the log loss of one verdict grows no more."""
_BINS = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some criteria with their labels; a figure is None where it is not defined, as agreement without a verdict."""

    n: int
    met: float
    """Share that the labels call met."""
    kappa: float | None
    """Of the likelier verdict on every criterion, unknown or not."""
    macro_f1: float
    """Of the same."""
    auc: float | None
    log_loss: float
    ece: float
    coverage: float
    """Share with a verdict."""
    risk: float | None
    """Share of wrong ones among those."""
    kappa_decided: float | None
    """Of the criteria with a verdict."""
    false_met: float | None
    """Share called met of those that the labels call unmet."""
    false_unmet: float | None
    """Share called unmet of those that the labels call met: of a negative criterion, a fault that was not seen."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What would be wrong if only the surest verdicts were given."""

    confidence: float
    """Probability of the likelier verdict from which one would be given."""
    coverage: float
    risk: float


@dataclass(frozen=True)
class Judged:
    """Criteria with what the judge gives, and what the label says, shape (n,)."""

    probabilities: Numbers
    """Of met."""
    verdicts: npt.NDArray[np.str_]
    mets: Booleans


def judged(logits: Numbers, mets: Booleans, sides: Sequence[Polarity], calibration: Calibration) -> Judged:
    """Return what a judge of this calibration makes of its logits, shape (n,)."""
    kinds = [calibration.of(side) for side in sides]
    chances = [kind.probability(float(logit)) for kind, logit in zip(kinds, logits, strict=True)]
    verdicts: list[VerdictValue] = [kind.verdict(chance) for kind, chance in zip(kinds, chances, strict=True)]
    return Judged(np.array(chances), np.array(verdicts), mets)


def all_figures(logits: Numbers, samples: Sequence[Sample], calibration: Calibration) -> dict[str, Any]:
    """Return the figures of judge.json: overall, by polarity, by axis (of criteria that have one), and the curve."""
    found = judged(logits, mets_of(samples), [sample.side for sample in samples], calibration)
    sides = np.array([sample.side for sample in samples])
    axes = np.array([sample.axis or "" for sample in samples])
    curve = coverage_curve(found.probabilities, found.mets)
    return {
        "overall": asdict(figures(found)),
        "by_polarity": _grouped(found, sides),
        "by_axis": _grouped(found, axes),
        "curve": [asdict(point) for point in curve],
    }


def mets_of(samples: Sequence[Sample]) -> Booleans:
    """Return the labels, shape (len(samples),)."""
    return np.array([sample.met for sample in samples], dtype=bool)


def figures(given: Judged, where: Where = slice(None)) -> Figures:
    """Return the figures of those criteria; ValueError if there are none."""
    chances, verdicts, mets = given.probabilities[where], given.verdicts[where], given.mets[where]
    truth, likelier = mets.tolist(), (chances >= 0.5).tolist()
    decided = verdicts != "unknown"
    called_met = verdicts == "met"
    wrong = decided & (called_met != mets)
    return Figures(
        n=len(mets),
        met=float(mets.mean()),
        kappa=cohen_kappa(truth, likelier),
        macro_f1=macro_f1(truth, likelier),
        auc=auc(chances, mets) if 0 < mets.sum() < len(mets) else None,
        log_loss=log_loss(chances, mets),
        ece=calibration_error(chances, mets),
        coverage=float(decided.mean()),
        risk=_share(wrong[decided]),
        kappa_decided=cohen_kappa(mets[decided].tolist(), called_met[decided].tolist()) if decided.any() else None,
        false_met=_share(called_met[~mets]),
        false_unmet=_share((verdicts == "unmet")[mets]),
    )


def auc(scores: Numbers, mets: Booleans) -> float:
    """Return how often a met criterion has the greater score than an unmet one, ties counted half; ValueError for one class.

    Mann and Whitney's U (1947) over the number of pairs.
    """
    met = int(mets.sum())
    if not 0 < met < len(mets):
        raise ValueError("the area under the curve needs both classes")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((ranks[mets].sum() - met * (met + 1) / 2) / (met * (len(mets) - met)))


def student_quantile(share: float, freedom: int) -> float:
    """Return the quantile of Student's t below which `share` lies, within 1 % from three degrees of freedom on.

    Abramowitz and Stegun 26.7.5.
    """
    z = NormalDist().inv_cdf(share)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def log_loss(probabilities: Numbers, mets: Booleans) -> float:
    """Return the mean of -log of the probability given to the label."""
    given = np.where(mets, probabilities, 1 - probabilities)
    return float(-np.log(np.maximum(given, _LEAST)).mean())


def calibration_error(probabilities: Numbers, mets: Booleans) -> float:
    """Return the expected calibration error in ten bins of equal width (Naeini et al. 2015): |share met - mean probability|."""
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    apart = np.bincount(bins, weights=mets - probabilities, minlength=_BINS)
    return float(np.abs(apart).sum() / len(mets))


def coverage_curve(probabilities: Numbers, mets: Booleans, *, points: int = 10) -> list[CurvePoint]:
    """Return risk against coverage in as many steps, from the surest verdicts to all; ties are given together."""
    confidence = np.maximum(probabilities, 1 - probabilities)
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    wrong = np.cumsum((probabilities >= 0.5)[order] != mets[order])
    curve = []
    for number in range(1, points + 1):
        bound = ranked[max(1, round(number / points * len(ranked))) - 1]
        given = int(np.searchsorted(-ranked, -bound, side="right"))
        curve.append(CurvePoint(float(bound), given / len(ranked), float(wrong[given - 1] / given)))
    return list(dict.fromkeys(curve))


def _grouped(given: Judged, names: npt.NDArray[np.str_]) -> Mapping[str, Any]:
    return {str(name): asdict(figures(given, names == name)) for name in np.unique(names) if name}


def _share(flags: Booleans) -> float | None:
    return float(flags.mean()) if len(flags) else None
