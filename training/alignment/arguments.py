"""What a run's config becomes for TRL: keyword arguments; and which keys are not the user's to set, with what to set instead."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from math import ceil, lcm
from typing import Any, Literal

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from agent.errors import ConfigError
from training.alignment.config import AlignmentConfig

_LAUNCH = "accelerate launch --config_file with a file of training/configs/accelerate"
EVERY_RUN = {
    "output_dir": "run.output or --output",
    "seed": "run.seed or --seed",
    "data_seed": "run.seed",
    "use_cpu": "nothing: a GPU is used where there is one",
    "bf16": "model.dtype",
    "fp16": "model.dtype",
    "report_to": "nothing: TensorBoard files are in the run folder",
    "push_to_hub": "nothing: best/ is a folder that huggingface_hub uploads",
    "resume_from_checkpoint": "--resume",
    "log_level": "nothing: clinalign says what happens",
    "disable_tqdm": "nothing: clinalign says what happens",
    "logging_strategy": "nothing: every step is logged",
    "logging_steps": "nothing: every step is logged",
    "load_best_model_at_end": "nothing: the best checkpoint by gold becomes best/",
    "metric_for_best_model": "nothing: the best checkpoint by gold becomes best/",
    "greater_is_better": "nothing: the best checkpoint by gold becomes best/",
    "eval_strategy": "gold.every",
    "eval_steps": "gold.every",
    "do_eval": "gold.every",
    "eval_on_start": "nothing: the model is judged before training too",
    "eval_delay": "gold.every",
    "save_strategy": "gold.every",
    "save_steps": "gold.every",
    "save_only_model": "nothing: a checkpoint holds all that resuming needs",
    "save_total_limit": "run.keep_checkpoints",
    "remove_unused_columns": "nothing: the reward reads the rubric from its column",
    "ignore_data_skip": "nothing: a resumed run goes on where it was",
    "restore_callback_states_from_checkpoint": "nothing: gold.jsonl holds them",
    "fsdp": _LAUNCH,
    "fsdp_config": _LAUNCH,
    "deepspeed": _LAUNCH,
}
"""Keys of TRL's configs that clinalign sets itself, and what to set instead."""

GRPO_ONLY = {
    "use_vllm": "run.vllm",
    "vllm_mode": "run.vllm",
    "num_generations_eval": "gold.generations",
    "reward_weights": "nothing: there is one reward",
    "log_completions": "nothing: completions may repeat a patient's words, and are written nowhere",
    "sync_ref_model": "nothing: no checkpoint holds the moving reference, so that a run could not be resumed",
    "auto_find_batch_size": "grpo.per_device_train_batch_size",
    "use_transformers_continuous_batching": "run.vllm; it would round the weights that are trained to 16 bits",
    "use_transformers_paged": "run.vllm; it would round the weights that are trained to 16 bits",
}
SFT_ONLY = {
    "completion_only_loss": "nothing: only the answer is learnt",
    "assistant_only_loss": "nothing: only the answer is learnt",
    "dataset_text_field": "warm_start.files",
}
LORA_ONLY = {
    "task_type": "nothing: it is a language model's",
    "inference_mode": "nothing: adapters are trained",
    "base_model_name_or_path": "model.path",
}
REFUSED_VALUES = {
    ("lr_scheduler_type", "reduce_lr_on_plateau"): (
        'follows a held-out loss, which is not computed; use "cosine", "linear" or "constant_with_warmup"'
    ),
}
"""Values that TRL's configs take and no run of ours could use, and what to use instead."""
EVAL_BATCH = 8
"""Held-out completions at once on each process, unless grpo.per_device_eval_batch_size says more."""

Generation = Literal["colocate", "server", "off"]


def check_section(
    name: str, given: Mapping[str, Any], *, known: Mapping[str, Any], reserved: Mapping[str, str]
) -> None:
    """Refuse a key that is unknown, with one that is near, or another section's, with which; and a value of another type.

    `known`: keys with their types.
    """
    for key in given:
        if key in reserved or key.startswith(("hub_", "push_to_hub")):
            raise ConfigError(f"{name}.{key} is not set here; use {reserved.get(key, EVERY_RUN['push_to_hub'])}")
        if key not in known:
            near = get_close_matches(key, [one for one in known if one not in reserved], n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"unknown key {name}.{key}{meant}")
        for (refused, value), why in REFUSED_VALUES.items():
            if (key, given[key]) == (refused, value):
                raise ConfigError(f"{name}.{key} = {value!r}: {why}")
        _check_value(f"{name}.{key}", given[key], known[key])


def _check_value(key: str, value: Any, kind: Any) -> None:
    """Refuse what the type doesn't take; TRL's and peft's classes check nothing, and fail in the middle of a run."""
    try:
        adapter = TypeAdapter(kind)
    except PydanticSchemaGenerationError:  # a class of the library, which a file can't hold
        return
    try:
        taken = adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{key} = {value!r}: {error.errors()[0]['msg']}") from error
    if isinstance(value, str) and isinstance(taken, int | float):
        raise ConfigError(f"{key} = {value!r}: should be a number; leave the quotes out")


def grpo_arguments(config: AlignmentConfig, *, has_gpu: bool, generation: Generation) -> dict[str, Any]:
    """Return the keyword arguments of trl.GRPOConfig; copies of the config's tables, as transformers writes into what it gets."""
    generations = config.gold.generations
    given = deepcopy(config.grpo)
    eval_batch = given.pop("per_device_eval_batch_size", EVAL_BATCH)
    shared = {**_shared(config, given, has_gpu=has_gpu), "model_init_kwargs": model_arguments(config)}
    return shared | {
        "per_device_eval_batch_size": ceil(eval_batch / generations) * generations,
        "num_generations_eval": generations,
        "eval_strategy": "steps",
        "eval_steps": config.gold.every,
        "save_strategy": "steps",
        "save_steps": config.gold.every,
        "logging_steps": 1,
        "use_vllm": generation != "off",
        **({"vllm_mode": generation} if generation != "off" else {}),
        **({"shuffle_dataset": False} if config.data.streaming else {}),
    }


def sft_arguments(config: AlignmentConfig, *, has_gpu: bool) -> dict[str, Any]:
    """Return the keyword arguments of trl.SFTConfig."""
    given = deepcopy(config.warm_start.sft) if config.warm_start else {}
    return _shared(config, given, has_gpu=has_gpu) | {
        "output_dir": str(config.run.output / "warm-start.part"),
        "model_init_kwargs": model_arguments(config),
        "save_strategy": "no",
        "eval_strategy": "no",
        "completion_only_loss": True,
    }


def model_arguments(config: AlignmentConfig) -> dict[str, Any]:
    """Return how the weights are loaded; grpo.model_init_kwargs wins.

    Weights that are trained stay in float32, and only their arithmetic is in model.dtype: a learning rate of 1e-6 is lost in
    bfloat16's eight bits. Under LoRA they are fixed, and lie in model.dtype.
    """
    dtype = config.model.dtype if config.lora is not None else "float32"
    attention = {"attn_implementation": config.model.attention} if config.model.attention else {}
    return {"dtype": dtype, **attention, **deepcopy(config.grpo.get("model_init_kwargs", {}))}


def generation_by(config: AlignmentConfig, *, has_gpu: bool, has_vllm: bool) -> Generation:
    """Return who generates; ConfigError when vLLM is asked for where it can't run."""
    asked = config.run.vllm
    if asked == "auto":
        return "colocate" if has_gpu and has_vllm else "off"
    if asked != "off" and not has_gpu:
        raise ConfigError(f'run.vllm = "{asked}" needs a GPU, and there is none; set "auto" or "off"')
    if asked != "off" and not has_vllm:
        raise ConfigError(
            f'run.vllm = "{asked}" needs vllm: pip install \'clinalign[train-vllm]\'; or set "auto" or "off"'
        )
    return asked


def steps_per_block(*, accumulation: int, per_generation: int, iterations: int) -> int:
    """Return after how many steps completions are generated anew: where a checkpoint can be resumed from exactly.

    ConfigError when the two never fall together.
    """
    slices = per_generation * iterations
    if slices % accumulation and accumulation % slices:
        raise ConfigError(
            f"grpo.steps_per_generation x num_iterations ({slices}) must be a multiple or a divisor of "
            f"grpo.gradient_accumulation_steps ({accumulation}), else no checkpoint can be resumed exactly; "
            f"{lcm(slices, accumulation)} would do"
        )
    return max(1, slices // accumulation)


def check_block(block: int, every: int) -> None:
    """Refuse checkpoints in the middle of the steps that share their completions."""
    if every % block:
        raise ConfigError(
            f"gold.every = {every} must be a multiple of {block}, the steps that share their completions "
            f"(grpo.steps_per_generation x num_iterations / gradient_accumulation_steps); {ceil(every / block) * block} would do"
        )


def check_deadline(config: AlignmentConfig, timeout: float) -> None:
    """Refuse a deadline of the judge that the other processes would not live to see."""
    if config.reward.deadline_seconds > timeout / 2:
        raise ConfigError(
            f"reward.deadline_seconds = {config.reward.deadline_seconds:g} must be at most half of grpo.ddp_timeout "
            f"({timeout:g}); lower it, or set grpo.ddp_timeout"
        )


def _shared(config: AlignmentConfig, given: Mapping[str, Any], *, has_gpu: bool) -> dict[str, Any]:
    return {
        **given,
        "output_dir": str(config.run.output),
        "seed": config.run.seed,
        "use_cpu": not has_gpu,
        "bf16": config.model.dtype == "bfloat16",
        "fp16": config.model.dtype == "float16",
        "report_to": "none",
        "disable_tqdm": True,
    }
