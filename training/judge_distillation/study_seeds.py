"""The study's trainings one by one: what a mean hides, as a judge that six held-out conversations have calibrated badly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from training.judge_distillation.baselines import Booleans, Floats
from training.judge_distillation.measures import auc
from training.judge_distillation.study_results import SERVING, Result
from training.judge_distillation.study_tables import Figure, table

_RISKS = (0.2, 0.25, 0.3)


def seed_table(results: Sequence[Result]) -> str:
    """Return agreement, order and shares decided of each training; positive criteria, since most criteria are."""
    head = (
        "trial",
        "trainings",
        "κ",
        "AUC",
        "AUC positive, held out",
        "AUC positive, tested",
        *(f"decided at {risk:.0%}" for risk in _RISKS),
    )
    figures: list[Figure] = [
        lambda result: result.agreement(result.said(SERVING), "kappa"),
        lambda result: result.auc(SERVING),
        lambda result: _order(result.held.logits, result.held.met, result.held.positive),
        lambda result: _order(result.logits[result.serves], result.met, result.positive),
        *(partial(_decided, risk) for risk in _RISKS),
    ]
    return table("Training by training", head, [(result.trial.name, [result], figures) for result in results])


def _order(logits: Floats, met: Booleans, where: Booleans) -> float | None:
    """Return the AUC of some criteria; None where they are of one class."""
    known = met[where]
    return None if known.all() or not known.any() else auc(logits[where], known)


def _decided(risk: float, result: Result) -> float:
    return float(np.mean(~np.isnan(result.with_risk(risk).sure(SERVING))))
