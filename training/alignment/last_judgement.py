"""The judgement that a stopped run still owes, which may be its last: by the steps, or by patience.

Imports transformers; `running.go` imports it when a run goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.alignment.checkpoints import STATE, mark_whole, step_of
from training.alignment.gold import GoldWatch

if TYPE_CHECKING:
    from training.alignment.trainer import ExactTrainer


class _LastJudged(Exception):  # noqa: N818  # no failure
    """Leaves transformers' loop, which would train a step more."""


class _LeaveOnceJudged(TrainerCallback):
    def __init__(self, watch: GoldWatch, step: int) -> None:
        self._watch = watch
        self._step = step

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step == self._step and (self._watch.should_stop or self._step >= state.max_steps):
            raise _LastJudged


def judge_and_go_on(trainer: ExactTrainer, checkpoint: Path) -> None:
    """Judge a checkpoint, then train on from it; if it is the last, note the judgement there as if nothing had stopped the run.

    By way of `train`, which alone loads and wraps a model rightly under adapters, FSDP and DeepSpeed.
    """
    trainer.add_callback(_LeaveOnceJudged(trainer.watch, step_of(checkpoint)))  # after the one that records it
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint))
    except _LastJudged:
        if trainer.args.should_save:
            trainer.state.save_to_json(str(checkpoint / STATE))
            mark_whole(checkpoint)
