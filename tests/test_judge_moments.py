"""Which moment of a small judge's training is taken: the last, unless the held-out conversations surely prefer another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent.small_judge.reading import Pair
from training.judge_distillation.course import course_of, is_over
from training.judge_distillation.moments import auc_by_polarity, aucs_without, is_surely_better
from training.judge_distillation.report import Evaluation
from training.judge_distillation.samples import Sample

ROWS = 20
"""Criteria of a conversation."""


def samples_of(mets: str, sides: str, conversations: str | None = None) -> list[Sample]:
    """Return a sample for each letter; `mets` and `sides` are made of + and -."""
    return [
        Sample(Pair((101, 102), 1, ""), met == "+", "positive" if side == "+" else "negative", None, name)
        for met, side, name in zip(mets, sides, conversations or "c" * len(mets), strict=True)
    ]


@pytest.mark.parametrize(
    ("mets", "sides", "logits", "expected"),
    [
        ("++--", "++++", [3, 2, 1, 0], 1.0),
        ("+-+-", "++--", [1, 0, 9, 8], 1.0),  # overall it would be 0.75
        ("+-+-", "++--", [1, 0, 8, 9], 0.5),
        ("++--", "++--", [1, 0, 8, 9], 0.5),  # nothing to compare
    ],
)
def test_met_and_unmet_are_compared_within_a_polarity(
    mets: str, sides: str, logits: list[float], expected: float
) -> None:
    assert auc_by_polarity(np.array(logits, dtype=np.float32), samples_of(mets, sides)) == expected


def test_each_conversation_is_left_out_once() -> None:
    samples = samples_of("+-+-+-", "++++++", "aabbcc")
    logits = np.array([1, 0, 3, 2, 4, 5], dtype=np.float32)  # c is the wrong way round
    without = aucs_without(logits, samples)
    kept = ([2, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 3])
    assert without == [auc_by_polarity(logits[rows], [samples[row] for row in rows]) for rows in kept]


def test_many_conversations_are_left_out_several_at_once() -> None:
    names = [chr(1000 + number) for number in range(120)]
    samples = samples_of("+-" * 120, "+" * 240, "".join(name * 2 for name in names))
    assert len(aucs_without(np.arange(240, dtype=np.float32), samples)) == 50


def moments(draw: np.random.Generator, conversations: int, gains: tuple[float, float]) -> list[Evaluation]:
    """Return two moments of a judge: the same conversations, hard and easy ones, and how far met lies above unmet at each."""
    mets = draw.random((conversations, ROWS)) < 0.4
    hardness = draw.normal(0, 0.5, (conversations, 1))
    samples = [
        Sample(Pair((101, 102), 1, ""), bool(met), "positive", None, str(row))
        for row, of_conversation in enumerate(mets)
        for met in of_conversation
    ]
    found = []
    for number, gain in enumerate(gains):
        own = draw.normal(0, 0.3, (conversations, 1))  # what a moment happens to be good at
        logits = (mets * (gain + hardness + own) + draw.normal(0, 1, mets.shape)).ravel().astype(np.float32)
        auc, without = auc_by_polarity(logits, samples), aucs_without(logits, samples)
        found.append(Evaluation(step=number, epoch=0.5, auc=auc, without=without))
    return found


@pytest.mark.parametrize(
    ("conversations", "gains", "least", "most"),
    [
        (6, (0.8, 0.8), 0.0, 0.12),
        (40, (0.8, 0.8), 0.0, 0.12),
        (40, (1.2, 0.8), 0.9, 1.0),
    ],
)
def test_a_moment_is_surely_better_in_few_cases_of_chance_and_in_most_where_it_is(
    conversations: int, gains: tuple[float, float], least: float, most: float
) -> None:
    draw = np.random.default_rng(0)
    told = [is_surely_better(*moments(draw, conversations, gains)) for _ in range(100)]
    assert least <= np.mean(told) <= most


def test_two_conversations_prove_nothing() -> None:
    one, other = (Evaluation(step=0, epoch=0.5, auc=auc, without=[auc, auc]) for auc in (0.9, 0.5))
    assert not is_surely_better(one, other)


SURE, UNSURE = (0.0, 0.0, 0.0), (-0.1, 0.0, 0.1)
"""How far the figures without a conversation lie from the whole."""


@pytest.mark.parametrize(
    ("aucs", "spread", "step", "over", "taken"),
    [
        ([], SURE, 0, False, 0),
        ([0.6], SURE, 5, False, 5),
        ([0.6, 0.5], SURE, 10, False, 5),
        ([0.6, 0.5, 0.55], SURE, 15, True, 5),
        ([0.6, 0.5, 0.6], SURE, 15, False, 15),
        ([0.5, 0.6, 0.5], SURE, 15, False, 10),
        ([0.5, 0.6, 0.7, 0.8], SURE, 20, True, 20),
        ([0.6, 0.5, 0.55], UNSURE, 15, False, 15),
        ([0.6, 0.5, 0.5, 0.55], UNSURE, 20, True, 20),
    ],
)
def test_the_last_moment_is_taken_and_training_goes_on_unless_another_is_surely_better(
    aucs: list[float], spread: tuple[float, ...], step: int, over: bool, taken: int
) -> None:
    from transformers import TrainerState

    log: list[Any] = [
        {
            "step": 5 * number,
            "epoch": number / 2,
            "eval_auc": auc,
            "eval_auc_without": [auc + apart * number for apart in spread],
        }
        for number, auc in enumerate(aucs, start=1)
    ]
    state = TrainerState(global_step=step, max_steps=20, log_history=[{"loss": 1.0, "step": 1}, *log])
    assert (is_over(state), course_of(state).best_step) == (over, taken)
