"""A config becomes a trained model: SFT if asked for, then GRPO on rubric rewards, judged on held-out questions. Imports trl.

What TRL's trainer lacks for exact resume is in `training/alignment/trainer.py`, what surrounds it in `running.py`; here the parts
are put together.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from agent.config import Settings
from agent.errors import ConfigError
from training.alignment import arguments
from training.alignment.config import AlignmentConfig
from training.alignment.gold import GoldPoint, GoldWatch, read_points
from training.alignment.interrupts import Interrupts
from training.alignment.quiet import quieten
from training.alignment.reward_guard import RewardFunction, RewardGuard
from training.alignment.run_folder import check_folder
from training.alignment.running import Echo, TrainingEnd, begin, check_plan, finish, go, open_data, open_reward_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from training.alignment.datasets import AlignmentData
    from training.alignment.trainer import ExactTrainer
    from training.reward import RubricReward

__all__ = ["GoldPoint", "RewardFunction", "TrainingEnd", "check_keys", "grpo_config", "train"]

Wrap = Callable[[RewardFunction], RewardFunction]
WARM_START = "warm-start"


def check_keys(config: AlignmentConfig) -> None:
    """Refuse keys of grpo, lora and sft that TRL and peft don't know, or that other sections set. Raises ConfigError."""
    from peft import LoraConfig
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.sft_config import SFTConfig

    def check(name: str, given: dict[str, Any] | None, kind: Any, own: dict[str, str]) -> None:
        types = get_type_hints(kind)
        known = {field.name: types[field.name] for field in fields(kind) if field.init}
        arguments.check_section(name, given or {}, known=known, reserved=own)

    check("grpo", config.grpo, GRPOConfig, arguments.EVERY_RUN | arguments.GRPO_ONLY)
    check("lora", config.lora, LoraConfig, arguments.LORA_ONLY)
    if config.warm_start:
        check("warm_start.sft", config.warm_start.sft, SFTConfig, arguments.EVERY_RUN | arguments.SFT_ONLY)


def grpo_config(config: AlignmentConfig, *, rehearse: bool = False) -> GRPOConfig:
    """Return TRL's own config of a run; ConfigError when TRL, or exact resuming, doesn't take it.

    `rehearse`: also where the GPU that the config asks for isn't there.
    """
    import torch
    from trl.trainer.grpo_config import GRPOConfig

    has_gpu = torch.cuda.is_available()
    has_vllm = find_spec("vllm") is not None
    generation = "off" if rehearse else arguments.generation_by(config, has_gpu=has_gpu, has_vllm=has_vllm)
    try:
        args = GRPOConfig(**arguments.grpo_arguments(config, has_gpu=has_gpu, generation=generation))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"grpo: {error}") from error
    arguments.check_block(_block(args), config.gold.every)
    arguments.check_deadline(config, args.ddp_timeout)
    return args


def train(
    config: AlignmentConfig,
    settings: Settings,
    *,
    resume: bool = False,
    wrap: Wrap = lambda reward: reward,
    echo: Echo = print,
) -> TrainingEnd:
    """Train and return what came of it; `wrap` puts something around the reward, for experiments.

    Raises ConfigError or InputError before any step. A signal, or a reward that gives up, ends the run with a checkpoint.
    """
    from training.alignment.policy import base_model, open_tokenizer, token_counter
    from training.alignment.warm_start import check_answers

    quieten()
    check_keys(config)
    check_answers(config)
    args = grpo_config(config)
    is_first = args.process_index == 0
    if is_first:  # another that comes late would find what the first has begun
        check_folder(config.run.output, resume=resume)
    echo = echo if is_first else lambda _: None
    with args.main_process_first(local=False):  # machines share the run's folder
        model = base_model(config)
        tokenizer = open_tokenizer(model)
        data = open_data(config, args, token_counter(tokenizer, config))
        check_plan(config, data, model)
        begin(config, data, processes=args.world_size, is_first=is_first, resume=resume, echo=echo)
    model = _warm_started(config, model, tokenizer, data, echo)
    # Once more: accelerate and DeepSpeed go by the last arguments that were made, which may have been SFT's.
    args = grpo_config(config)
    with Interrupts(processes=args.world_size) as interrupts:
        reward = open_reward_of(config, settings, args, model, tokenizer)
        try:
            guard = RewardGuard(wrap(reward), waiting=interrupts.waiting, watched=reward.watched)
            trainer = build_trainer(config, args, data, (model, tokenizer), guard)
            add_callbacks(trainer, config, interrupts, reward, echo)
            stop = go(trainer, interrupts, every=config.gold.every)
        finally:
            reward.close()
    return finish(config, data, trainer, stop, model=model, totals=reward.totals.as_dict())


def build_trainer(
    config: AlignmentConfig,
    args: GRPOConfig,
    data: AlignmentData,
    policy: tuple[str, PreTrainedTokenizerBase],
    guard: RewardGuard,
) -> ExactTrainer:
    """Return TRL's trainer with what ours adds."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    from training.alignment.sampler import endless
    from training.alignment.trainer import ExactTrainer

    class RubricTrainer(ExactTrainer, GRPOTrainer):
        """GRPO on rubric rewards, exactly resumable."""

    rows: Any = data.train
    model, tokenizer = policy
    trainer = RubricTrainer(
        model=model,
        reward_funcs=guard,
        args=args,
        train_dataset=endless(rows, seed=args.seed) if config.data.streaming else rows,
        eval_dataset=data.gold,
        processing_class=tokenizer,
        peft_config=_lora(config),
    )
    trainer.guard = guard
    trainer.keep = config.run.keep_checkpoints
    trainer.watch = GoldWatch(patience=config.gold.patience, min_gain=config.gold.min_gain)
    for point in read_points(config.run.output):  # none but of a resumed run
        trainer.watch.add(point)
    return trainer


def add_callbacks(
    trainer: ExactTrainer, config: AlignmentConfig, interrupts: Interrupts, reward: RubricReward, echo: Echo
) -> None:
    """Have the run recorded, told and ended."""
    from transformers import PrinterCallback, ProgressCallback

    from training.alignment.callbacks import GoldRecord, Progress, StepEnd, tensorboard

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    step_end = StepEnd(interrupts, block=_block(trainer.args))
    step_end.trainer = trainer
    gold_record = GoldRecord(trainer.watch, config.run.output, echo)
    progress = Progress(trainer.watch, lambda: reward.totals.train.spent.cost + reward.totals.gold.spent.cost, echo)
    for callback in (step_end, gold_record, progress, *tensorboard(config.run.output, trainer)):
        trainer.add_callback(callback)


def _warm_started(
    config: AlignmentConfig, model: str, tokenizer: PreTrainedTokenizerBase, data: AlignmentData, echo: Echo
) -> str:
    """Return the folder of the model after supervised training, which is done once; the model itself without warm_start."""
    if config.warm_start is None:
        return model
    from accelerate.utils.memory import clear_device_cache

    folder = config.run.output / WARM_START
    if not folder.exists():
        _warm_start(_sft_trainer(config, model, tokenizer, data), folder, echo)
        clear_device_cache(garbage_collection=True)  # there is no room for its weights and moments beside GRPO's
    return str(folder)


def _warm_start(trainer: SFTTrainer, folder: Path, echo: Echo) -> None:
    """Learn the answers, and save what came of it whole or not at all."""
    from training.alignment.export import replacing_folder

    trainer.train()
    if trainer.is_world_process_zero():
        echo(f"warm start: {trainer.state.global_step} steps of supervised training")
    with replacing_folder(folder) if trainer.args.should_save else nullcontext(folder) as new:
        trainer.save_model(str(new))
    shutil.rmtree(str(trainer.args.output_dir), ignore_errors=True)
    trainer.accelerator.wait_for_everyone()


def _sft_trainer(
    config: AlignmentConfig, model: str, tokenizer: PreTrainedTokenizerBase, data: AlignmentData
) -> SFTTrainer:
    import torch
    from transformers import PrinterCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from training.alignment.datasets import without_bars
    from training.alignment.warm_start import answers

    try:
        args = SFTConfig(**arguments.sft_arguments(config, has_gpu=torch.cuda.is_available()))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"warm_start.sft: {error}") from error
    rows = [{"prompt": prompt, "completion": [answer]} for prompt, answer in answers(config, data.gold["prompt"])]
    with without_bars():
        trainer = SFTTrainer(
            model=model,
            args=args,
            train_dataset=data.gold.from_list(rows),  # so that datasets is imported in one place
            processing_class=tokenizer,
        )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _lora(config: AlignmentConfig) -> Any:
    if config.lora is None:
        return None
    from peft import LoraConfig

    try:
        return LoraConfig(**{"target_modules": "all-linear", **deepcopy(config.lora), "task_type": "CAUSAL_LM"})
    except (ValueError, TypeError) as error:
        raise ConfigError(f"lora: {error}") from error


def _block(args: Any) -> int:
    return arguments.steps_per_block(
        accumulation=args.gradient_accumulation_steps,
        per_generation=args.steps_per_generation,
        iterations=args.num_iterations,
    )
