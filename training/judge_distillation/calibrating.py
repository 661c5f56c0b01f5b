"""From held-out logits to a calibration: Platt's scaling per polarity, and the bounds within which a verdict stays unknown.

What the bounds promise, and to whom: of the verdicts given on conversations like the held-out ones, about `risk` or fewer are
wrong. There are four kinds of verdict, met and unmet of positive and of negative criteria; one bound of confidence serves them all,
since their probabilities are calibrated. Three things keep that honest where there is little to go by: the share of wrong verdicts
must keep the risk at its upper bound and not only as counted; verdicts on one conversation, which are right and wrong together,
count as fewer than they are (the effective sample size of Korn and Graubard 1998); and a kind of verdict is given only if at least
`MIN_OF_KIND` held-out ones are within the bound, whose share of wrong ones keeps the risk as counted. Of some twenty bounds the one
that gives most verdicts is taken, which flatters a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, lgamma, log

import numpy as np
import numpy.typing as npt

from agent.small_judge.calibration import SIDES, Calibration, Polarity, SideCalibration
from training.judge_distillation.measures import Booleans, Numbers, student_quantile

MIN_OF_KIND = 20
"""Held-out verdicts: of fewer, even all right ones would say little."""
SURENESS = 0.8
"""Of the upper bound of the risk, one-sided: with a conversation or two more it would not move much."""
BOUNDS = 20
"""Bounds tried: with every verdict a bound of its own, chance would choose among them."""
MIN_SLOPE_Z = 1.64
"""Slope over its standard error: below, the order of logits may be chance, and what was sure would be the commoner verdict."""
_STEPS = 100
_EPSILON = 1e-9
Clusters = npt.NDArray[np.int64]
_Kind = tuple[Polarity, bool]
"""Of a verdict: the criterion's polarity, and whether it says met."""


@dataclass(frozen=True, slots=True)
class _Scaling:
    slope: float
    bias: float
    z: float
    """Slope over its standard error."""


def fit_calibration(
    logits: Numbers, mets: Booleans, sides: Sequence[Polarity], *, conversations: Sequence[str], risk: float
) -> Calibration:
    """Return the calibration for held-out criteria: logits, labels, polarities and conversations, each of length n.

    A polarity of which there is no criterion, or only one class, or whose logits don't tell the classes apart, stays unknown;
    where they tell nothing at all, each criterion has the probability of all.
    """
    kinds, told = np.array(sides), logits.astype(np.float64)
    clusters = np.unique(np.array(conversations), return_inverse=True)[1]
    plain, chances = {}, np.full(len(told), 0.5)
    for side in SIDES:
        rows = kinds == side
        plain[side], is_told = _scaled(told[rows], mets[rows])
        if is_told:
            chances[rows] = [plain[side].probability(logit) for logit in told[rows].tolist()]
    least, given = _bound(chances, mets, kinds, clusters, risk)
    positive, negative = (_within(plain[side], side, least, given) for side in SIDES)
    return Calibration(positive, negative, risk)


def _scaled(logits: Numbers, mets: Booleans) -> tuple[SideCalibration, bool]:
    """Return a polarity's scaling, and whether its logits tell anything."""
    if not len(logits):
        return SideCalibration(1.0, 0.0, None, None), False
    scaling = _platt(logits, mets)
    if scaling.slope <= 0 or mets.all() or not mets.any():
        return SideCalibration(0.0, _log_odds(mets), None, None), False
    return SideCalibration(scaling.slope, scaling.bias, None, None), scaling.z >= MIN_SLOPE_Z


def _within(plain: SideCalibration, side: Polarity, least: float, given: frozenset[_Kind]) -> SideCalibration:
    """Return a polarity's calibration with the bound, for those of its verdicts that are given."""
    return replace(
        plain,
        unmet_to=1 - least if (side, False) in given else None,
        met_from=least if (side, True) in given else None,
    )


def _platt(logits: Numbers, mets: Booleans) -> _Scaling:
    """Return slope and bias of the greatest likelihood, by Newton's steps, for labels drawn a little towards each other.

    Platt 1999, "Probabilistic outputs for support vector machines", with his targets (N+ + 1) / (N+ + 2) and 1 / (N- + 2), which
    keep the slope finite where the classes don't overlap.
    """
    met, unmet = int(mets.sum()), int((~mets).sum())
    targets = np.where(mets, (met + 1) / (met + 2), 1 / (unmet + 2))
    middle, spread = float(logits.mean()), float(logits.std()) or 1.0
    inputs = np.stack([(logits - middle) / spread, np.ones_like(logits)], axis=1)  # (n, 2)
    weights = np.zeros(2)
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        curvature = _curvature(inputs, chances)
        step = np.linalg.solve(curvature, inputs.T @ (targets - chances))
        weights = weights + step * min(
            1.0, 4 / float(np.abs(step).max() or 1.0)
        )  # no leap beyond where it is convex enough
        if float(np.abs(step).max()) < 1e-10:
            break
    error = float(np.sqrt(np.linalg.inv(curvature)[0, 0]))
    slope = float(weights[0]) / spread
    return _Scaling(slope, float(weights[1]) - slope * middle, float(weights[0]) / error)


def _log_odds(mets: Booleans) -> float:
    met = int(mets.sum())
    return log((met + 1) / (len(mets) - met + 1))


def _curvature(inputs: Numbers, chances: Numbers) -> Numbers:
    """Return the information matrix, (2, 2), with so much more that logits that are all equal have a slope of zero."""
    information: Numbers = inputs.T @ (inputs * (chances * (1 - chances))[:, None]) + 1e-9 * np.eye(2)
    return information


def _bound(
    chances: Numbers, mets: Booleans, kinds: npt.NDArray[np.str_], clusters: Clusters, risk: float
) -> tuple[float, frozenset[_Kind]]:
    """Return the confidence from which on verdicts are given, and which are, so that most are given and the risk is kept.

    `chances`: that a criterion is met, (n,), 0.5 where nothing is told. The verdict is the likelier one: no other is ever given.
    """
    said = chances > 0.5
    sure, wrong = np.maximum(chances, 1 - chances), said != mets
    order = np.argsort(-sure, kind="stable")
    order = order[sure[order] > 0.5]
    ranked, most = sure[order], 0
    least, given = 1.0, frozenset[_Kind]()
    for number in range(1, BOUNDS + 1):
        size = round(number / BOUNDS * len(order))
        if size < MIN_OF_KIND:
            continue
        size = int(np.searchsorted(-ranked, -ranked[size - 1], side="right"))  # equal ones get one verdict
        inside = order[:size]
        kept = {
            (side, value): rows
            for side in SIDES
            for value in (True, False)
            if len(rows := inside[(kinds[inside] == side) & (said[inside] == value)]) >= MIN_OF_KIND
            and wrong[rows].mean() <= risk
        }
        rows = np.concatenate([*kept.values(), np.empty(0, dtype=np.int64)])
        if len(rows) > most and risk_bound(wrong[rows], clusters[rows]) <= risk:
            outside = float(ranked[size]) if size < len(ranked) else 0.5
            most, least, given = len(rows), (float(ranked[size - 1]) + outside) / 2, frozenset(kept)
    return least, given


def risk_bound(wrong: Booleans, clusters: Clusters) -> float:
    """Return the upper bound of the share of wrong verdicts, at `SURENESS`, by Clopper and Pearson's for a sample of clusters.

    Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data": the binomial bound of as many independent verdicts as say the same, fewer still where few conversations tell how
    far verdicts go together. Both are rounded against the judge.
    """
    share, groups = float(wrong.mean()), len(np.unique(clusters))
    doubt = (
        (student_quantile(SURENESS, len(wrong) - 1) / student_quantile(SURENESS, groups - 1)) ** 2
        if groups > 1
        else 1.0
    )
    independent = max(1, floor(len(wrong) * doubt / _design_effect(wrong, clusters) + _EPSILON))
    return _clopper_pearson(min(ceil(share * independent - _EPSILON), independent), independent)


def _design_effect(wrong: Booleans, clusters: Clusters) -> float:
    """Return the variance of the share over that of independent verdicts; never below 1, and 1 where there is none to see.

    Verdicts of a single conversation count as one: nothing shows how far they go together.
    """
    share, size = float(wrong.mean()), len(wrong)
    members = np.unique(clusters, return_inverse=True)[1]
    groups = int(members.max()) + 1
    if groups == 1:
        return float(size)
    if share in (0.0, 1.0):
        return 1.0
    surplus = np.bincount(members, weights=wrong - share)  # wrong verdicts of a cluster beyond its part, (groups,)
    variance = float((surplus**2).sum()) * groups / (groups - 1) / size**2
    return max(1.0, variance / (share * (1 - share) / (size - 1)))


def _clopper_pearson(wrong: int, size: int) -> float:
    """Return the share at which so few wrong ones of `size` would have been a chance of 1 - SURENESS."""
    if wrong >= size:
        return 1.0
    counts = np.arange(wrong + 1)
    ways = np.array([lgamma(size + 1) - lgamma(count + 1) - lgamma(size - count + 1) for count in counts.tolist()])
    low, high = wrong / size, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        tail = float(np.exp(ways + counts * np.log(middle) + (size - counts) * np.log1p(-middle)).sum())
        low, high = (middle, high) if tail > 1 - SURENESS else (low, middle)
    return high
