"""Graded rows become the folder of a small judge: split by conversation, fine-tuned, calibrated, exported.

The one importer of transformers' Trainer beside `training/grpo.py`; the parts are in `training/judge_distillation/`. A training
that was killed at any moment is gone on with by the same call, and ends in the same folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ClinAlignError, ConfigError
from agent.small_judge.reading import PairReader
from principles_store.embedding import Embedder, load_embedder
from principles_store.shared_embedding import EmbeddingMemory
from training.alignment.checkpoints import STATE, checkpoint_at, delete_after, last_whole, step_of
from training.alignment.interrupts import Interrupts
from training.alignment.quiet import quieten
from training.alignment.randomness import randomness_of_its_own
from training.judge_distillation.base import Base, open_base
from training.judge_distillation.batches import LengthBatches, collated, predict_logits
from training.judge_distillation.checks import check_labels
from training.judge_distillation.course import course_of, is_over
from training.judge_distillation.device import Computing, computing_of
from training.judge_distillation.finishing import Trained, finish
from training.judge_distillation.material import Material, divide, read_material
from training.judge_distillation.options import DistilOptions
from training.judge_distillation.report import Course, DistilReport
from training.judge_distillation.rows import read_labels
from training.judge_distillation.trainer import JudgeTrainer, class_weights
from training.judge_distillation.work_folder import begin, clear, disk_faults, end, finished, held_alone

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerState, TrainingArguments

__all__ = ["DistilOptions", "DistilReport", "DistillationStopped", "distil", "predict_logits"]

Echo = Callable[[str], None]
NEEDED = ("accelerate",)
"""What transformers' trainer wants beside the packages that are always there."""
WARM_UP = 0.1
"""Share of the steps in which the learning rate rises; then it falls to nothing."""
WEIGHT_DECAY = 0.01


class DistillationStopped(ClinAlignError):  # noqa: N818  # no failure: it ends as it should
    """A signal ended the training, with a checkpoint; the same call goes on."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def distil(
    files: Sequence[Path],
    output: Path,
    options: DistilOptions,
    *,
    progress: Echo = lambda line: None,
    fresh: bool = False,
) -> DistilReport:
    """Train a small judge on graded rows and return what came of it; a folder of the same rows and options is returned as it is.

    `progress` hears a line now and then. `fresh`: whatever judge is in `output` is replaced.
    Raises ConfigError or InputError before any step, and DistillationStopped on Ctrl+C and SIGTERM.
    """
    check_installed()
    quieten()
    computing = computing_of(options)
    base = open_base(options.base, options.layout)
    labels = read_labels(files)
    check_labels(labels)
    division = divide(labels, options)
    embedder = EmbeddingMemory(load_embedder(threads=options.threads))
    reader = _reader(base, embedder, options)
    identity = {"digest": labels.digest, "base": base.name, "options": options.as_dict()}
    with held_alone(output), disk_faults(output), computing.threads(), randomness_of_its_own(options.seed):
        if fresh:
            clear(output)
        if done := finished(output, identity):
            end(output)
            return DistilReport(output, done.name, done.facts, is_new=False)
        work = begin(output, identity)
        material = read_material(division, reader, work, progress)
        model, course = _trained(base, material, options, computing, work, progress)
        trained = Trained(model, base, labels, division, material, course, options, embedder.id)
        report = finish(output, trained, progress)
        end(output)
    return report


def check_installed() -> None:
    """Refuse to begin where the extra `train` isn't installed, or where several processes would do the same."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ConfigError(
            f"training needs more packages ({', '.join(missing)} missing): pip install 'clinalign[train]'"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("a small judge is trained by one process; run the command without accelerate or torchrun")


def _reader(base: Base, embedder: Embedder, options: DistilOptions) -> PairReader:
    try:
        return PairReader(base.tokenizer(), embedder, options.layout)
    except ValueError as error:
        raise ConfigError(f"{base.folder}: {error}") from error


def _trained(
    base: Base, material: Material, options: DistilOptions, computing: Computing, work: Path, echo: Echo
) -> tuple[PreTrainedModel, Course]:
    """Return the model of the best evaluation, in float32, trained from the last checkpoint on if there is one."""
    from training.judge_distillation.rhythm import Rhythm

    with Interrupts() as interrupts:
        trainer = _trainer(base, material, options, computing, work)
        trainer.add_callback(Rhythm(trainer.batches, interrupts, echo))
        state = _go(trainer, work, echo)
    if interrupts.signal is not None:
        raise DistillationStopped(
            f"{interrupts.signal.name} after step {state.global_step:,} of {state.max_steps:,}; run the same command again: "
            "it goes on",
            128 + interrupts.signal,
        )
    course = course_of(state)
    return base.model(weights=checkpoint_at(work, course.best_step), device=computing.device), course


def _go(trainer: JudgeTrainer, work: Path, echo: Echo) -> TrainerState:
    """Train from the last whole checkpoint to the end and return the state; there may be nothing left to do."""
    from transformers import TrainerState

    checkpoint = last_whole(work)
    delete_after(work, step_of(checkpoint) if checkpoint else 0)  # cut short; they come again
    if checkpoint:
        echo(f"going on after step {step_of(checkpoint):,}")
        state: TrainerState = TrainerState.load_from_json(str(checkpoint / STATE))
        if is_over(state):
            return state
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer.state


def _trainer(base: Base, material: Material, options: DistilOptions, computing: Computing, work: Path) -> JudgeTrainer:
    """Return transformers' trainer with what ours adds."""
    from transformers import PrinterCallback, ProgressCallback, Trainer

    class PairTrainer(JudgeTrainer, Trainer):
        """A trainer of cross-encoders."""

    trainer = PairTrainer(
        model=base.model(),
        args=_arguments(options, computing, work),
        data_collator=collated,
        train_dataset=material.train,
    )
    trainer.batches = LengthBatches(material.train, batch=options.batch, seed=options.seed)
    trainer.held, trainer.computing = material.held, computing
    trainer.weights = class_weights(material.train)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _arguments(options: DistilOptions, computing: Computing, work: Path) -> TrainingArguments:
    from transformers import TrainingArguments

    args = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch,
        learning_rate=options.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=WARM_UP,  # below 1: a share of the steps
        weight_decay=WEIGHT_DECAY,
        bf16=computing.low_precision,
        use_cpu=computing.device == "cpu",
        seed=options.seed,
        eval_strategy="no",  # rhythm.py says when
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=computing.device == "cuda",
    )
    args._n_gpu = min(args.n_gpu, 1)  # several would make another batch of it
    return args
