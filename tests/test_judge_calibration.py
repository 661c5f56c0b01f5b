"""Calibration and figures of a small judge: probabilities that mean what they say, bounds that keep the risk, or none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as reference_log_loss
from sklearn.metrics import roc_auc_score

from agent.small_judge.calibration import Calibration, Polarity, SideCalibration
from agent.small_judge.reading import Pair
from training.judge_distillation.calibrating import MIN_OF_KIND, fit_calibration, risk_bound
from training.judge_distillation.measures import (
    Judged,
    all_figures,
    auc,
    calibration_error,
    coverage_curve,
    figures,
    judged,
    log_loss,
)
from training.judge_distillation.samples import Sample

NEVER = SideCalibration(1.0, 0.0, None, None)


def drawn(seed: int, conversations: int, *, effect: float = 0.0, slope: float = 2.0, bias: float = -0.5) -> Any:
    """Return logits, labels and conversations: ten verdicts each; `effect`: how far those of one conversation lean one way."""
    draw = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(conversations), 10)
    logits = draw.normal(0, 1, len(clusters))
    odds = slope * logits + bias + draw.normal(0, effect, conversations)[clusters]
    return logits, draw.random(len(clusters)) < 1 / (1 + np.exp(-odds)), [str(one) for one in clusters]


def fitted(logits: Any, mets: Any, conversations: Sequence[str], *, risk: float = 0.2) -> SideCalibration:
    sides: list[Polarity] = ["positive"] * len(logits)
    return fit_calibration(logits, mets, sides, conversations=conversations, risk=risk).positive


def test_the_scaling_is_that_of_a_logistic_regression() -> None:
    logits, mets, conversations = drawn(0, 400)
    found = fitted(logits, mets, conversations)
    reference = LogisticRegression(C=1e9, tol=1e-10).fit(logits[:, None], mets)
    assert found.slope == pytest.approx(reference.coef_[0, 0], rel=0.01)
    assert found.bias == pytest.approx(reference.intercept_[0], rel=0.02)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 0.0), (1e3, -5e4)])
def test_probabilities_do_not_depend_on_the_scale_of_logits(scale: float, shift: float) -> None:
    logits, mets, conversations = drawn(1, 40)
    plain, moved = fitted(logits, mets, conversations), fitted(logits * scale + shift, mets, conversations)
    assert moved.probability(0.7 * scale + shift) == pytest.approx(plain.probability(0.7), abs=1e-5)
    assert moved.met_from == pytest.approx(plain.met_from, abs=1e-4)


def test_each_polarity_has_a_calibration_of_its_own() -> None:
    logits, mets, conversations = drawn(2, 100)
    sides: list[Polarity] = ["positive", "negative"] * 500
    shifted = np.where(np.array(sides) == "negative", logits + 3, logits)
    found = fit_calibration(shifted, mets, sides, conversations=conversations, risk=0.2)
    assert found.positive.probability(0.0) == pytest.approx(found.negative.probability(3.0), abs=0.06)
    assert found.risk == 0.2


def test_classes_that_are_told_apart_without_a_fault_keep_a_finite_slope() -> None:
    mets = np.arange(60) % 2 == 0
    found = fitted(np.where(mets, 5.0, -5.0), mets, [str(number) for number in range(60)])
    assert math.isfinite(found.slope)
    assert 0.9 < found.probability(5.0) < 1
    assert (found.verdict(found.probability(5.0)), found.verdict(found.probability(-5.0))) == ("met", "unmet")


@pytest.mark.parametrize("met", [True, False])
def test_a_polarity_of_one_class_stays_unknown(met: bool) -> None:
    found = fitted(np.linspace(-3, 3, 200), np.full(200, met), [str(number) for number in range(200)])
    assert (found.unmet_to, found.met_from) == (None, None)
    assert (found.probability(0.0) > 0.9) == met


def test_a_polarity_without_criteria_stays_unknown() -> None:
    logits, mets, conversations = drawn(3, 20)
    found = fit_calibration(logits, mets, ["positive"] * len(logits), conversations=conversations, risk=0.2)
    assert found.negative == NEVER


def test_logits_that_say_the_opposite_give_everyone_the_share_of_all() -> None:
    logits, mets, conversations = drawn(4, 40)
    found = fitted(-logits, mets, conversations)
    assert found.probability(-9.0) == found.probability(9.0) == pytest.approx(mets.mean(), abs=0.01)
    assert (found.unmet_to, found.met_from) == (None, None)


def test_logits_that_are_all_equal_are_taken() -> None:
    _, mets, conversations = drawn(4, 40)
    assert fitted(np.zeros(len(mets)), mets, conversations).met_from is None


def test_nothing_is_given_where_the_order_may_be_chance_though_one_word_would_nearly_always_be_right() -> None:
    draw = np.random.default_rng(13)  # whose order is better than chance by one standard error
    mets = draw.random(400) < 0.05
    found = fitted(draw.normal(0, 1, 400), mets, [str(number) for number in range(400)])
    assert found.slope > 0.2
    assert (found.unmet_to, found.met_from) == (None, None)


def test_fewer_verdicts_than_a_kind_needs_are_never_enough() -> None:
    mets = np.arange(2 * MIN_OF_KIND - 2) % 2 == 0
    found = fitted(np.where(mets, 5.0, -5.0), mets, [str(number) for number in range(len(mets))])
    assert (found.unmet_to, found.met_from) == (None, None)


def test_a_smaller_risk_gives_fewer_verdicts() -> None:
    logits, mets, conversations = drawn(6, 200)
    found = [fitted(logits, mets, conversations, risk=risk) for risk in (0.05, 0.1, 0.2, 0.3)]
    bounds = [(1.0 if one.met_from is None else one.met_from, one.unmet_to or 0.0) for one in found]
    assert all(a[0] >= b[0] and a[1] <= b[1] for a, b in pairwise(bounds))
    assert bounds[0] != bounds[-1]


def test_no_verdict_is_given_that_is_likelier_wrong() -> None:
    logits, mets, conversations = drawn(7, 200, bias=-3)
    found = fitted(logits, mets, conversations, risk=0.45)
    assert found.unmet_to is not None
    assert found.unmet_to <= 0.5 <= (found.met_from or 1.0)


def test_verdicts_of_a_single_conversation_are_never_enough() -> None:
    right = np.zeros(500, dtype=bool)
    assert risk_bound(right, np.zeros(500, dtype=np.int64)) == pytest.approx(0.8)
    assert risk_bound(right, np.arange(500) % 2) < 0.01


def test_verdicts_of_one_conversation_that_go_wrong_together_count_as_fewer() -> None:
    apart, together = np.arange(200) % 10 == 0, np.arange(200) // 20 == 0
    clusters = np.arange(200) // 20
    assert apart.sum() == together.sum()
    assert risk_bound(together, clusters) > risk_bound(apart, clusters) > apart.mean()


@pytest.mark.parametrize(
    ("wrong", "size", "bound"), [(0, 20, 1 - 0.2 ** (1 / 20)), (20, 20, 1.0), (5, 50, float(beta.ppf(0.8, 6, 45)))]
)
def test_the_bound_is_clopper_and_pearsons_for_independent_verdicts(wrong: int, size: int, bound: float) -> None:
    flags = np.arange(size) < wrong
    assert risk_bound(flags, np.arange(size)) == pytest.approx(bound, abs=1e-6)


@pytest.mark.parametrize(("conversations", "above"), [(12, 0.3), (40, 0.16), (100, 0.1)])
def test_the_risk_is_kept_on_other_conversations(conversations: int, above: float) -> None:
    """What docs/small-judge.md says of it; `above`: share of the judges whose true risk is greater than asked for."""
    logits, mets, _ = drawn(999, 3000, effect=0.8)
    risks = []
    for seed in range(60):
        found = fitted(*drawn(seed, conversations, effect=0.8))
        verdicts = np.array([found.verdict(found.probability(float(logit))) for logit in logits])
        given = verdicts != "unknown"
        if given.any():
            risks.append(float(((verdicts == "met") != mets)[given].mean()))
    assert len(risks) > 50
    assert 0.14 < np.mean(risks) < 0.185
    assert np.mean(np.array(risks) > 0.2) < above


def test_a_kind_of_verdict_that_is_too_often_wrong_is_never_given() -> None:
    draw = np.random.default_rng(3)
    logits = draw.normal(0, 1, 2000)
    mets = draw.random(2000) < np.where(logits > 0, 0.65, 0.02)  # what is unmet is told well, what is met is not
    found = fitted(logits, mets, [str(number) for number in range(2000)], risk=0.1)
    assert found.unmet_to is not None
    assert found.met_from is None


def test_both_polarities_share_the_risk() -> None:
    """Few verdicts of one polarity alone would not do; beside those of the other they may be given."""
    logits, mets, conversations = drawn(6, 24)
    is_few = np.arange(len(logits)) % 4 == 0
    sides: list[Polarity] = ["negative" if few else "positive" for few in is_few]
    alone = fitted(logits[is_few], mets[is_few], np.array(conversations)[is_few].tolist())
    found = fit_calibration(logits, mets, sides, conversations=conversations, risk=0.2)
    assert (alone.unmet_to, alone.met_from) == (None, None)
    assert found.negative.unmet_to == found.positive.unmet_to is not None


@pytest.mark.parametrize("decimals", [1, 6])
def test_the_area_under_the_curve_is_sklearns_with_and_without_ties(decimals: int) -> None:
    logits, mets, _ = drawn(8, 30)
    scores = np.round(logits, decimals)
    assert auc(scores, mets) == pytest.approx(roc_auc_score(mets, scores))


def test_the_area_under_the_curve_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both classes"):
        auc(np.array([0.1, 0.2]), np.array([True, True]))


def test_the_log_loss_is_sklearns() -> None:
    chances = np.array([0.1, 0.9, 0.5, 0.7])
    mets = np.array([False, True, True, False])
    assert log_loss(chances, mets) == pytest.approx(reference_log_loss(mets, chances))
    assert math.isfinite(log_loss(np.array([0.0]), np.array([True])))


def test_the_calibration_error_is_the_distance_of_share_and_probability() -> None:
    chances = np.array([0.82] * 4 + [0.11] * 6)
    mets = np.array([True, True, True, False] + [False] * 6)
    assert calibration_error(chances, mets) == pytest.approx((4 * abs(0.75 - 0.82) + 6 * 0.11) / 10)


def test_the_curve_goes_from_the_surest_verdicts_to_all() -> None:
    chances = np.array([0.99, 0.02, 0.9, 0.2, 0.6, 0.55, 0.54, 0.47, 0.51, 0.5])
    mets = np.array([True, False, True, False, False, True, False, True, True, False])
    found = coverage_curve(chances, mets)
    assert [point.coverage for point in found] == pytest.approx([0.1 * number for number in range(1, 11)])
    assert (found[0].risk, found[3].risk, found[4].risk) == pytest.approx((0, 0, 0.2))
    assert all(a.confidence >= b.confidence for a, b in pairwise(found))


def test_equal_confidence_is_given_together() -> None:
    found = coverage_curve(np.array([0.9, 0.1, 0.9, 0.1]), np.array([True, True, True, False]))
    assert [(point.coverage, point.risk) for point in found] == [(1.0, 0.25)]


def test_figures_count_errors_among_verdicts_given() -> None:
    verdicts = np.array(["met", "met", "unmet", "unmet", "unknown", "unknown"])
    mets = np.array([True, False, True, False, True, False])
    found = figures(Judged(np.array([0.9, 0.8, 0.2, 0.1, 0.6, 0.4]), verdicts, mets))
    assert (found.n, found.met, found.coverage, found.risk) == (6, 0.5, pytest.approx(4 / 6), 0.5)
    assert (found.false_met, found.false_unmet) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert found.kappa == pytest.approx(1 / 3)
    assert found.kappa_decided == 0


def test_figures_that_are_not_defined_are_none() -> None:
    found = figures(Judged(np.array([0.6, 0.7]), np.array(["unknown"] * 2), np.array([True, True])))
    assert (found.auc, found.risk, found.kappa_decided, found.false_met) == (None, None, None, None)
    assert found.coverage == 0


def test_all_figures_are_told_apart_by_polarity_and_axis() -> None:
    side = SideCalibration(1.0, 0.0, 0.2, 0.8)
    pair = Pair((1, 2), 1, "")
    samples = [
        Sample(pair, met, "positive" if number % 2 else "negative", axis, "one")
        for number, (met, axis) in enumerate([(True, "accuracy"), (False, None), (True, None), (False, "accuracy")])
    ]
    found = all_figures(np.array([3.0, -3.0, 3.0, 3.0]), samples, Calibration(side, side, 0.2))
    assert (found["overall"]["n"], found["overall"]["risk"]) == (4, 0.25)
    assert {name: part["n"] for name, part in found["by_polarity"].items()} == {"negative": 2, "positive": 2}
    assert {name: part["risk"] for name, part in found["by_axis"].items()} == {"accuracy": 0.5}
    assert found["curve"][-1]["coverage"] == 1


def test_verdicts_are_the_calibrations_own() -> None:
    kinds = Calibration(SideCalibration(1.0, 0.0, 0.4, 0.6), NEVER, 0.2)
    found = judged(np.array([2.0, 0.0, -2.0, 9.0]), np.ones(4, dtype=bool), [*["positive"] * 3, "negative"], kinds)
    assert found.verdicts.tolist() == ["met", "unknown", "unmet", "unknown"]
