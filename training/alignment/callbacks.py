"""What happens between steps: the judgement is recorded, signals are heeded, one line tells how it goes.

Imports transformers; `training/grpo.py` imports it when a run begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.alignment.checkpoints import last_whole, step_of
from training.alignment.durations import in_words
from training.alignment.gold import GoldPoint, GoldWatch, append_point
from training.alignment.interrupts import Interrupts

if TYPE_CHECKING:
    from training.alignment.trainer import ExactTrainer

RECENT = 20
"""Steps whose mean time foretells the rest."""


class GoldRecord(TrainerCallback):
    """Writes each judgement to gold.jsonl, tells it, and ends the run when patience does."""

    def __init__(self, watch: GoldWatch, folder: Path, echo: Callable[[str], None]) -> None:
        self._watch = watch
        self._folder = folder
        self._echo = echo
        self._told = len(watch.warnings)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Take what the trainer has just added to the watch."""
        point = self._watch.points[-1]
        control.should_training_stop = control.should_training_stop or self._watch.should_stop
        if not state.is_world_process_zero:
            return
        append_point(self._folder, point)
        is_best = self._watch.best is point
        told = "none" if point.gold is None else f"{point.gold:.3f}"
        self._echo(
            f"step {point.step}: gold {told} over {point.n} questions{', the best so far' if is_best else ''}"
            f"{_beside(point)}"
        )
        for warning in self._watch.warnings[self._told :]:
            self._echo(f"warning: {warning}")
        self._told = len(self._watch.warnings)


class StepEnd(TrainerCallback):
    """Sets the order of an epoch, keeps the random state of each step, and heeds signals where a checkpoint is exact."""

    def __init__(self, interrupts: Interrupts, *, block: int) -> None:
        self._interrupts = interrupts
        self._block = block
        self.trainer: ExactTrainer

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Reach the sampler on every process; after a resume accelerate wraps it too deep for transformers."""
        if self.trainer.order:
            self.trainer.order.set_epoch(int(state.epoch))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End the run after this step if a signal came and the next step would generate."""
        if state.global_step % self._block:
            return
        self.trainer.remember_step()
        self._heed(control)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Heed a signal that came during a judgement."""
        self._heed(control)

    def _heed(self, control: TrainerControl) -> None:
        if self._interrupts.came_anywhere():
            control.should_save = True
            control.should_training_stop = True


class Progress(TrainerCallback):
    """One line per step."""

    def __init__(self, watch: GoldWatch, cost: Callable[[], float], echo: Callable[[str], None]) -> None:
        self._watch = watch
        self._cost = cost
        self._echo = echo
        self._times: deque[float] = deque(maxlen=RECENT)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Tell the step that was just logged; judgements and the end have lines of their own."""
        if not logs or "loss" not in logs or not state.is_world_process_zero:
            return
        self._times.append(logs.get("step_time") or 0.0)
        self._echo(self._line(state, logs))

    def _line(self, state: TrainerState, logs: dict[str, Any]) -> str:
        seconds = sum(self._times) / len(self._times)
        reward = logs.get("reward")
        best = self._watch.best
        parts = [
            f"step {state.global_step}/{state.max_steps}",
            "reward none" if reward is None else f"reward {reward:.3f}",
            f"without reward {logs['reward/none']:.0%}" if logs.get("reward/none") else "",
            f"gold {best.gold:.3f} at {best.step}" if best else "",
            f"length {logs.get('completions/mean_length', 0):.0f}",
            f"{seconds:.1f} s/step",
            f"judge {self._cost():.2f}" if self._cost() else "",
            f"{in_words((state.max_steps - state.global_step) * seconds)} to go",
        ]
        return "  ".join(part for part in parts if part)


def tensorboard(folder: Path, trainer: Any) -> list[TrainerCallback]:
    """Return what writes the curves for TensorBoard, in the first process, where it is installed."""
    if not (trainer.is_world_process_zero() and find_spec("tensorboard")):
        return []
    from torch.utils.tensorboard import SummaryWriter

    checkpoint = last_whole(folder)  # whose later steps a resumed run writes again
    again = step_of(checkpoint) + 1 if checkpoint else None
    return [Curves(SummaryWriter(str(folder / "tensorboard"), purge_step=again))]


class Curves(TrainerCallback):
    """Numbers for TensorBoard; transformers' own callback warns of each that a step doesn't have."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write what was logged."""
        for name, value in (logs or {}).items():
            if isinstance(value, int | float):
                place = f"gold/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}"
                self._writer.add_scalar(place, value, state.global_step)
        self._writer.flush()


def _beside(point: GoldPoint) -> str:
    """Tell how the reward's judge differs from gold, where that is known."""
    found = point.disagreement
    if found is None or found.whole.share is None:
        return ""
    return f"; the reward's judge differs in {found.whole.share:.0%} of {found.whole.known:,} verdicts"
