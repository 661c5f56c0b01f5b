"""How a training goes: what the held-out conversations said, which moment was the best, and whether it is over.

All of it stands in transformers' own record, which every checkpoint holds, so that a resumed training knows it, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.judge_distillation.report import Course, Evaluation

if TYPE_CHECKING:
    from transformers import TrainerState

PATIENCE = 2
"""Evaluations in a row that may be no better than the best: one epoch."""


def course_of(state: TrainerState) -> Course:
    """Return all evaluations so far and the step of the one with the greatest AUC, the first of several; 0 if there is none."""
    found = tuple(
        Evaluation(step=int(entry["step"]), epoch=round(entry["epoch"], 3), auc=entry["eval_auc"])
        for entry in state.log_history
        if "eval_auc" in entry
    )
    best = max(found, key=lambda one: one["auc"], default=None)
    return Course(found, best["step"] if best else 0)


def is_over(state: TrainerState) -> bool:
    """Tell whether there is nothing more to train: all steps are done, or patience is at its end."""
    if state.global_step >= state.max_steps > 0:
        return True
    course = course_of(state)
    return sum(one["step"] > course.best_step for one in course.evaluations) >= PATIENCE
