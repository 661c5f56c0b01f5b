"""What happens between steps: when the held-out conversations are asked, when a checkpoint is written, what a person sees.

Imports transformers; `training/small_judge.py` imports it when a training begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.alignment.interrupts import Interrupts
from training.judge_distillation.batches import LengthBatches
from training.judge_distillation.course import course_of, is_over
from training.judge_distillation.pace import Pace

SAVE_EVERY = 200
"""Steps: a few minutes on two cores."""
FEWEST_STEPS = 40
"""Between two evaluations: half an epoch of few rows is over before anything is learned, and patience with it."""


class Rhythm(TrainerCallback):
    """Evaluates each half epoch, later where rows are few, saves then and between, and ends a training that gets no better."""

    def __init__(self, batches: LengthBatches, interrupts: Interrupts, echo: Callable[[str], None]) -> None:
        self._batches, self._interrupts, self._echo = batches, interrupts, echo
        self._pace = Pace("step", echo)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock."""
        self._pace = Pace("step", self._echo, done=state.global_step)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Choose the order of the epoch."""
        self._batches.epoch = int(state.epoch or 0)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ask for what is due; what is logged is told."""
        gap = max(len(self._batches) / 2, FEWEST_STEPS)
        is_last = state.global_step == state.max_steps
        control.should_evaluate = is_last or state.global_step // gap > (state.global_step - 1) // gap
        control.should_save = control.should_evaluate or state.global_step % SAVE_EVERY == 0
        control.should_log = self._pace.is_due
        self._heed(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Tell the step that was just logged; evaluations have lines of their own."""
        if logs and "loss" in logs:
            self._pace(state.global_step, state.max_steps, f"loss {logs['loss']:.3f}")

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Tell the evaluation, and end the training if it was the last that patience has."""
        course = course_of(state)
        last = course.evaluations[-1]
        praise = ", the greatest so far" if course.greatest_step == last["step"] else ""
        steps = f"step {last['step']:,}/{state.max_steps:,}"
        self._echo(f"{steps}  epoch {last['epoch']:.1f}  AUC {last['auc']:.3f} on held-out conversations{praise}")
        control.should_training_stop = control.should_training_stop or is_over(state)
        self._heed(control)

    def _heed(self, control: TrainerControl) -> None:
        if self._interrupts.signal is not None:
            control.should_save = True
            control.should_training_stop = True
