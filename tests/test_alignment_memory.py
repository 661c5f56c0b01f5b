"""Memory before a run: models are counted exactly, the estimate is near what TRL takes, and what there is is read right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alignment_rows import config_of
from model_shapes import QWEN3_4B, QWEN3_30B_A3B, folder_of
from peak_memory import config_json, peak_of

from agent.errors import ConfigError
from training.alignment.memory import MemoryEstimate, as_parts, estimate, kv_bytes, vllm_least
from training.alignment.model_shape import ModelShape, read_shape
from training.alignment.precision import optimizer_bytes
from training.alignment.sharding import Kind, Sharding

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
TINY = ModelShape(
    kind="qwen3", parameters=1_000_000, adapters=0, largest_layer=100_000, outer=200_000, layers=8, hidden=64, heads=4,
    key_heads=2, head_size=16, feed_forward=128, experts_per_token=0, vocabulary=1000, context_tokens=4096,
)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "parameters", "outside"),
    [
        (QWEN3_4B, 4_022_468_096, 151_936 * 2560 + 2560),
        (QWEN3_30B_A3B, 30_532_122_624, 2 * 151_936 * 2048 + 2048),
    ],
)
def test_public_models_have_their_published_parameters(
    tmp_path: Path, config: dict[str, Any], parameters: int, outside: int
) -> None:
    shape = read_shape(folder_of(tmp_path / "model", config))

    assert (shape.parameters, shape.trained, shape.outer) == (parameters, parameters, outside)
    assert shape.largest_layer * shape.layers + shape.outer == parameters


@pytest.mark.parametrize("experts", [False, True])
@pytest.mark.parametrize("lora", [None, {"r": 4, "target_modules": ATTENTION}, {"r": 4}])
def test_counts_are_those_of_the_model_that_is_trained(
    tmp_path: Path, experts: bool, lora: dict[str, Any] | None
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    config = config_json(experts)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    whole = sum(parameter.numel() for parameter in model.parameters())
    if lora is not None:
        model = get_peft_model(model, LoraConfig(**{"target_modules": "all-linear", **lora, "task_type": "CAUSAL_LM"}))

    shape = read_shape(folder_of(tmp_path / "model", config), lora)

    assert shape.parameters == whole
    assert shape.trained == sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def test_adapters_on_experts_are_not_forgotten(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", QWEN3_30B_A3B)

    everywhere, attention = (
        read_shape(folder, {"r": 32, "target_modules": names}) for names in ("all-linear", ATTENTION)
    )

    assert (everywhere.trained, attention.trained) == (1_993_015_296, 26_738_688)


@pytest.mark.parametrize(
    ("config", "lora", "message"),
    [
        (None, None, "no config.json"),
        ({"model_type": "no-such-model"}, None, "model.path: .* is no model of transformers"),
        ({"model_type": "vit"}, None, "model.path: .* generates no text"),
        (QWEN3_4B, {"target_modules": ["nowhere"]}, "lora: Target modules .*nowhere.* not found"),
        (QWEN3_4B, {"no_such_key": 1}, "lora: .*no_such_key"),
    ],
)
def test_what_is_no_model_is_refused(
    tmp_path: Path, config: dict[str, Any] | None, lora: dict[str, Any] | None, message: str
) -> None:
    folder = folder_of(tmp_path / "model", config or {})
    if config is None:
        (tmp_path / "model" / "config.json").unlink()

    with pytest.raises(ConfigError, match=message):
        read_shape(folder, lora)


def estimated(shape: ModelShape = TINY, gpus: int = 1, sharding: Sharding | None = None, **grpo: Any) -> MemoryEstimate:
    own = {name: grpo.pop(name) for name in ("gold", "lora", "model", "run") if name in grpo}
    return estimate(
        config_of("x", grpo=grpo, **({"run": {"output": "x", "vllm": "off"}} | own)), shape, gpus, sharding=sharding
    )


def test_all_weights_take_sixteen_bytes_and_their_copy_for_arithmetic() -> None:
    found = estimated()

    assert (found.weights, found.gradients, found.optimizer) == (4_000_000, 4_000_000, 8_000_000)
    assert found.gathered == 2_000_000


def test_lora_leaves_the_base_in_its_own_precision() -> None:
    found = estimated(replace(TINY, adapters=10_000), lora={"r": 4})

    assert (found.weights, found.lora, found.gradients, found.optimizer) == (2_000_000, 40_000, 40_000, 80_000)
    assert found.gathered == 0


@pytest.mark.parametrize(
    ("kind", "weights", "gradients", "optimizer"),
    [
        ("ddp", 4_000_000, 8_000_000, 8_000_000),
        ("fsdp", 1_000_000, 1_000_000, 2_000_000),
        ("zero1", 2_000_000, 2_000_000, 3_000_000),
        ("zero2", 2_000_000, 500_000, 3_000_000),
        ("zero3", 500_000, 500_000, 3_000_000),
    ],
)
def test_four_processes_hold_their_parts(kind: Kind, weights: int, gradients: int, optimizer: int) -> None:
    found = estimated(gpus=4, sharding=Sharding(kind, 4))

    assert (found.weights, found.gradients, found.optimizer) == (weights, gradients, optimizer)


def test_fsdp_holds_whole_gradients_unless_they_are_shared_out_after_each_batch() -> None:
    each = {"accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}}}

    def gradients(**grpo: Any) -> int:
        return estimated(gpus=4, sharding=Sharding("fsdp", 4), **grpo).gradients

    assert gradients() == gradients(gradient_accumulation_steps=8, **each) == 1_000_000
    assert gradients(gradient_accumulation_steps=8) == 5_000_000


def test_what_is_offloaded_is_not_on_the_device() -> None:
    found = estimated(gpus=4, sharding=Sharding("zero3", 4, offloads_optimizer=True, offloads_weights=True))

    assert (found.weights, found.optimizer) == (0, 0) and found.gradients > 0


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ({}, {"per_device_train_batch_size": 16}),
        ({}, {"max_completion_length": 1024}),
        ({}, {"gradient_checkpointing": False}),
        ({}, {"activation_checkpointing": False}),
        ({"optim": "adamw_8bit"}, {}),
        ({}, {"model": {"path": "x", "attention": "eager"}}),
        ({"model": {"path": "x", "attention": "flash_attention_2"}}, {}),
        ({"steps_per_generation": 1}, {"steps_per_generation": 64}),
    ],
)
def test_what_takes_more_is_estimated_at_more(smaller: dict[str, Any], larger: dict[str, Any]) -> None:
    assert estimated(**smaller).total < estimated(**larger).total


def test_vllm_takes_its_share_and_gives_it_back_when_it_sleeps() -> None:
    run = {"output": "x", "vllm": "colocate"}

    awake = estimated(run=run, vllm_gpu_memory_utilization=0.5)
    asleep = estimated(run=run, vllm_gpu_memory_utilization=0.5, vllm_enable_sleep_mode=True)

    assert awake.vllm == asleep.vllm == 40 << 30
    assert (awake.learning - asleep.learning, awake.generating) == (40 << 30, asleep.generating)
    assert awake.kv_cache == 0


VLLM = {"output": "x", "vllm": "colocate"}


def test_held_out_completions_are_passed_once_more_where_vllm_is_corrected_for() -> None:
    one, eight = (estimated(run=VLLM, per_device_eval_batch_size=number).held_out for number in (2, 16))

    assert eight > 7 * one > 0
    assert eight == estimated(run=VLLM, per_device_eval_batch_size=15, gold={"generations": 2}).held_out
    assert estimated(run=VLLM, vllm_importance_sampling_correction=False).held_out == estimated().held_out == 0
    assert estimated(steps_per_generation=2).held_out > 0  # completions older than the model


def test_many_held_out_completions_can_be_what_takes_most() -> None:
    found = estimated(run=VLLM, per_device_train_batch_size=1, num_generations=2, per_device_eval_batch_size=64)

    assert found.total == found.judging > max(found.learning, found.generating)


def test_vllm_needs_the_weights_and_one_sequence() -> None:
    config = config_of(
        "x", grpo={"vllm_tensor_parallel_size": 2, "max_completion_length": 904}, data={"max_prompt_tokens": 1096}
    )

    assert kv_bytes(TINY, 2000) == 2 * 8 * 32 * 2000 * 2
    assert vllm_least(config, TINY) == (2_000_000 + 2_048_000) // 2 + (3 << 29)


@pytest.mark.parametrize(
    ("name", "size"),
    [("adamw_torch_fused", 8), ("adamw_8bit", 2), ("paged_adamw_8bit", 2), ("adamw_torch_4bit", 1), ("sgd", 0),
     ("lion_32bit", 4), ("paged_lion_8bit", 1), ("never_heard_of", 8)],
)  # fmt: skip
def test_optimizers_are_told_by_their_names(name: str, size: float) -> None:
    assert optimizer_bytes(name, 4) == size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experts", "lora", "checkpointing", "prompt"),
    [(False, None, True, 128), (True, None, False, 128), (False, {"r": 8, "target_modules": "all-linear"}, True, 384)],
)
def test_the_estimate_is_near_the_peak_of_a_real_step(
    tmp_path: Path, experts: bool, lora: dict[str, Any] | None, checkpointing: bool, prompt: int
) -> None:
    grpo = {
        "per_device_train_batch_size": 8,
        "num_generations": 8,
        "max_completion_length": 128,
        "gradient_checkpointing": checkpointing,
        "optim": "adamw_torch",
    }
    model = {"path": folder_of(tmp_path / "model", config_json(experts)), "dtype": "float32"}
    config = config_of("x", grpo=grpo, lora=lora, model=model, data={"max_prompt_tokens": prompt})

    found = estimate(config, read_shape(config.model.path, lora), 0).total

    assert 0.75 < found / peak_of(experts=experts, lora=lora, prompt=prompt, grpo=grpo) < 1.5


def test_the_parts_add_up() -> None:
    parts = as_parts(estimated())

    assert parts["total"] == max(parts["learning"], parts["generating"], parts["judging"])
    assert parts["learning"] == sum(parts[name] for name in list(parts)[:10] if name != "kv_cache")
