"""A run from its beginning, new or resumed, to its end: what is refused, what is trained, what is left in the folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.config import Settings
from agent.errors import ConfigError
from principles_store.conversation import Message
from training.alignment.checkpoints import STATE, checkpoint_at, last_whole, step_of
from training.alignment.config import AlignmentConfig
from training.alignment.gold import GoldPoint
from training.alignment.interrupts import Interrupts
from training.alignment.manifest import now, write_manifest
from training.alignment.run_folder import check_same, holds_run, resumed_from
from training.alignment.stopping import TrainingStopped

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from training.alignment.datasets import AlignmentData
    from training.alignment.trainer import ExactTrainer
    from training.reward import RubricReward

Echo = Callable[[str], None]
BEST = "best"
STOPPED_BY_REWARD = 3
"""Exit code."""


@dataclass(frozen=True, slots=True)
class TrainingEnd:
    """What came of a run."""

    folder: Path
    best: Path
    """A plain transformers folder; not there yet when the run was stopped before its end."""
    best_step: int
    """0: no checkpoint was better than the model before training, which is what `best` holds."""
    steps: int
    stopped_because: str
    gold: tuple[GoldPoint, ...]
    exit_code: int = 0
    """3: the reward ended the run; 130, 143: a signal did. Such a run can be resumed."""
    is_first: bool = True
    """Whether this is the process that speaks."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why training ended."""

    because: str
    exit_code: int = 0


def open_data(config: AlignmentConfig, args: Any, count_tokens: Callable[[Sequence[Message]], int]) -> AlignmentData:
    """Return the questions; ConfigError when they are fewer than one generation takes: TRL would make no step at all.

    `args`: TRL's GRPOConfig.
    """
    from training.alignment.datasets import open_datasets
    from training.alignment.refusals import too_few_questions

    data = open_datasets(config, count_tokens=count_tokens, cache=config.run.output / "data")
    needed = int(args.generation_batch_size or 0) // int(args.num_generations or 1)
    if refusal := too_few_questions(config, data.counts.train, needed):
        raise ConfigError(refusal)
    return data


def open_reward_of(
    config: AlignmentConfig, settings: Settings, args: Any, model: str, tokenizer: PreTrainedTokenizerBase
) -> RubricReward:
    """Return the reward of this process; `args`: TRL's GRPOConfig."""
    from training.alignment.policy import end_tokens
    from training.reward import open_reward

    return open_reward(
        config,
        settings,
        config.run.output,
        end_tokens=end_tokens(model, tokenizer),
        world_size=args.world_size,
        rank=args.process_index,
    )


def check_plan(config: AlignmentConfig, data: AlignmentData, model: str) -> None:
    """Refuse what a dry run would: too little memory or disk."""
    from training.alignment.model_shape import read_shape
    from training.alignment.plan import make_plan

    if refusals := make_plan(config, data, read_shape(model, config.lora)).refusals:
        raise ConfigError(f"{config.source}: {'; '.join(refusals)}; --dry-run shows the whole plan")


def begin(
    config: AlignmentConfig, data: AlignmentData, *, processes: int, is_first: bool, resume: bool, echo: Echo
) -> None:
    """Note what run it is, or refuse to go on with another; the first process alone writes."""
    folder = config.run.output
    if resume and holds_run(folder):
        check_same(folder, config, data.digest, processes=processes)
    if is_first:
        folder.mkdir(parents=True, exist_ok=True)
        if resume:
            resumed_from(folder, echo=echo)
        write_manifest(config, data.counts, data.digest, folder, processes=processes)


def go(trainer: ExactTrainer, interrupts: Interrupts, *, every: int) -> Stop:
    """Train from the last checkpoint to the end, and return why it ended."""
    from training.alignment.last_judgement import judge_and_go_on

    checkpoint = last_whole(Path(str(trainer.args.output_dir)))
    step = step_of(checkpoint) if checkpoint else 0
    is_judged = any(point.step == step for point in trainer.watch.points)
    has_steps_left = checkpoint is None or _has_steps_left(checkpoint)
    trainer.args.eval_on_start = not is_judged and (step % every == 0 or not has_steps_left)
    try:
        if checkpoint and not trainer.args.eval_on_start and (trainer.watch.should_stop or not has_steps_left):
            trainer.state = type(trainer.state).load_from_json(str(checkpoint / STATE))
        elif checkpoint and trainer.args.eval_on_start:
            judge_and_go_on(trainer, checkpoint)
        else:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except TrainingStopped as error:
        trainer.save_last_step()
        if interrupts.signal is None:
            return Stop(str(error), STOPPED_BY_REWARD)
    return _stop(trainer, interrupts)


def finish(
    config: AlignmentConfig,
    data: AlignmentData,
    trainer: ExactTrainer,
    stop: Stop,
    *,
    model: str,
    totals: dict[str, Any],
) -> TrainingEnd:
    """Write best/, manifest, curves and card; of a run that was stopped the manifest alone."""
    folder, watch = config.run.output, trainer.watch
    best_step = watch.best.step if watch.best else trainer.state.global_step
    end = TrainingEnd(
        folder,
        folder / BEST,
        best_step,
        trainer.state.global_step,
        stop.because,
        tuple(watch.points),
        stop.exit_code,
        trainer.is_world_process_zero(),
    )
    if end.is_first:
        if not end.exit_code:
            _export(config, end, model)
        write_manifest(
            config,
            data.counts,
            data.digest,
            folder,
            processes=trainer.args.world_size,
            ended=now(),
            best_step=best_step,
            steps=end.steps,
            stopped_because=stop.because,
            judges=totals,
            warnings=watch.warnings,
        )
        _show(folder)
    trainer.accelerator.wait_for_everyone()
    return end


def _has_steps_left(checkpoint: Path) -> bool:
    """Tell whether a checkpoint isn't a run's last; from that, transformers would train a step more."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return bool(state["global_step"] < state["max_steps"])


def _stop(trainer: ExactTrainer, interrupts: Interrupts) -> Stop:
    if interrupts.signal is not None:
        return Stop(interrupts.signal.name, 128 + interrupts.signal)
    if trainer.watch.should_stop:
        return Stop("gold has not improved")
    return Stop("all steps are done")


def _export(config: AlignmentConfig, end: TrainingEnd, model: str) -> None:
    from training.alignment.export import export_best

    source = checkpoint_at(end.folder, end.best_step) if end.best_step else _folder_of(model)
    export_best(source, model, end.best, dtype=config.model.dtype)


def _folder_of(model: str) -> Path:
    """Return where the files of a model lie."""
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model, local_files_only=True))


def _show(folder: Path) -> None:
    from training.alignment.card import write_card
    from training.alignment.curves import draw_curves

    draw_curves(folder)
    write_card(folder)
