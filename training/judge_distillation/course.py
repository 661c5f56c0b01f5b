"""How a training goes: what the held-out conversations said, which moment is taken, and whether it is over.

All of it stands in transformers' own record, which every checkpoint holds, so that a resumed training knows it, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from training.judge_distillation.moments import is_surely_better
from training.judge_distillation.report import Course, Evaluation

if TYPE_CHECKING:
    from transformers import TrainerState

PATIENCE = 2
"""Evaluations in a row, surely worse than the best, that end a training: one epoch."""


def course_of(state: TrainerState) -> Course:
    """Return all evaluations so far, and the step of the model to take if training ended now; 0 if there is none."""
    found = tuple(
        Evaluation(
            step=int(entry["step"]),
            epoch=round(entry["epoch"], 3),
            auc=entry["eval_auc"],
            without=entry["eval_auc_without"],
        )
        for entry in cast(list[dict[str, Any]], state.log_history)
        if "eval_auc" in entry
    )
    if not found:
        return Course((), 0, 0)
    greatest = max(found, key=lambda one: one["auc"])
    taken = greatest if is_surely_better(greatest, found[-1]) else found[-1]
    return Course(found, greatest["step"], taken["step"])


def is_over(state: TrainerState) -> bool:
    """Tell whether there is nothing more to train: all steps are done, or patience is at its end."""
    if state.global_step >= state.max_steps > 0:
        return True
    course = course_of(state)
    last = [one for one in course.evaluations if one["step"] > course.greatest_step][-PATIENCE:]
    greatest = next((one for one in course.evaluations if one["step"] == course.greatest_step), None)
    return len(last) == PATIENCE and greatest is not None and all(is_surely_better(greatest, one) for one in last)
