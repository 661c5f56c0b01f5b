"""What a cascade of a small judge saves at a stated agreement: by criterion, by answer, by lot, and at its own bounds."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from training.judge_distillation.cascading import at_bounds, by_answer, by_criterion, by_lot

RANDOM = np.random.default_rng(0)
MET = RANDOM.random(400) < 0.4
CHANCES = np.clip(MET * 0.3 + RANDOM.random(400) * 0.7, 0, 1)
ANSWERS = np.arange(400) // 8


def test_the_cascades_kappa_is_that_of_its_verdicts():
    curve = by_criterion(CHANCES, MET)
    surest = np.argsort(-np.abs(CHANCES - 0.5), kind="stable")[:100]
    said = MET.copy()
    said[surest] = CHANCES[surest] >= 0.5

    assert curve.kappa_at(0.25) == pytest.approx(cohen_kappa_score(MET, said))
    assert curve.kappa_at(0) == 1
    assert curve.kappa_at(1) == pytest.approx(cohen_kappa_score(MET, CHANCES >= 0.5))


def test_whole_answers_are_kept_together():
    curve = by_answer(CHANCES, MET, ANSWERS)
    surest = max(range(50), key=lambda name: np.abs(CHANCES[name == ANSWERS] - 0.5).mean())
    said = np.where(surest == ANSWERS, CHANCES >= 0.5, MET)

    assert len(curve.shares) == 51
    assert curve.kappas[1] == pytest.approx(cohen_kappa_score(MET, said))


def test_by_lot_less_is_kept_at_the_same_kappa():
    sure, lot = by_criterion(CHANCES, MET), by_lot(CHANCES, MET)

    assert 0 < lot.kept_at(0.8) < sure.kept_at(0.8) < 1
    assert lot.kappa_at(1) == pytest.approx(sure.kappa_at(1))
    assert lot.kappa_at(lot.kept_at(0.8)) == pytest.approx(0.8, abs=0.002)


@pytest.mark.parametrize(("kappa", "kept"), [(-1.0, 1.0), (1.01, 0.0)])
def test_everything_or_nothing_is_kept_at_the_ends(kappa, kept):
    assert by_criterion(CHANCES, MET).kept_at(kappa) == kept


def test_at_its_bounds_a_cascade_keeps_what_is_known():
    verdicts = np.where(ANSWERS < 10, (CHANCES >= 0.5).astype(float), np.nan)
    found = at_bounds(verdicts, MET, ANSWERS)

    assert (found.criteria, found.answers) == (0.2, 0.2)
    assert found.kappa == pytest.approx(cohen_kappa_score(MET, np.where(ANSWERS < 10, CHANCES >= 0.5, MET)))
