"""Which keys a config may hold, what becomes of them, and what is refused before any step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.errors import ConfigError
from training.alignment.arguments import check_block, generation_by, grpo_arguments, model_arguments, steps_per_block
from training.alignment.config import AlignmentConfig
from training.grpo import check_keys, grpo_config

BASE: dict[str, Any] = {"run": {"output": "run"}, "model": {"path": "tiny"}, "data": {"files": ["shipped"]}}
SMALL = {"num_generations": 2, "per_device_train_batch_size": 4}


def config(**sections: Any) -> AlignmentConfig:
    return AlignmentConfig(source=Path("x.toml"), **(BASE | sections))


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"grpo": {"learning_rat": 1}}, r"unknown key grpo\.learning_rat; did you mean learning_rate\?"),
        ({"grpo": {"qqq": 1}}, r"unknown key grpo\.qqq$"),
        ({"grpo": {"output_dir": "x"}}, r"grpo\.output_dir is not set here; use run\.output or --output"),
        ({"grpo": {"seed": 1}}, r"use run\.seed or --seed"),
        ({"grpo": {"use_vllm": True}}, r"use run\.vllm"),
        ({"grpo": {"eval_steps": 5}}, r"use gold\.every"),
        ({"grpo": {"save_total_limit": 5}}, r"use run\.keep_checkpoints"),
        ({"grpo": {"bf16": True}}, r"use model\.dtype"),
        ({"grpo": {"hub_token": "x"}}, r"grpo\.hub_token is not set here"),
        ({"grpo": {"log_completions": True}}, r"patient's words"),
        ({"grpo": {"use_transformers_continuous_batching": True}}, r"use run\.vllm; it would round"),
        ({"grpo": {"fsdp": "full_shard"}}, r"use accelerate launch --config_file with a file of training/configs/acc"),
        ({"grpo": {"fsdp_config": {}}}, r"use accelerate launch"),
        ({"grpo": {"deepspeed": "zero3.json"}}, r"use accelerate launch"),
        ({"grpo": {"lr_scheduler_type": "reduce_lr_on_plateau"}}, r'lr_scheduler_type = .* use "cosine", "linear"'),
        ({"warm_start": {"sft": {"lr_scheduler_type": "reduce_lr_on_plateau"}}}, r'use "cosine"'),
        ({"grpo": {"learning_rate": "fast"}}, r"grpo\.learning_rate = 'fast': Input should be a valid number"),
        ({"grpo": {"learning_rate": "1e-6"}}, r"leave the quotes out"),
        ({"grpo": {"max_steps": 1.5}}, r"grpo\.max_steps = 1\.5: Input should be a valid integer"),
        ({"lora": {"rank": 8}}, r"unknown key lora\.rank"),
        ({"lora": {"lora_alph": 8}}, r"did you mean lora_alpha\?"),
        ({"lora": {"task_type": "CAUSAL_LM"}}, r"lora\.task_type is not set here"),
        (
            {"warm_start": {"sft": {"max_lenght": 8}}},
            r"unknown key warm_start\.sft\.max_lenght; did you mean max_length\?",
        ),
        ({"warm_start": {"sft": {"output_dir": "x"}}}, r"use run\.output"),
    ],
)
def test_a_key_that_is_unknown_or_anothers_is_refused_with_what_to_do(sections: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_keys(config(**sections))


def test_what_transformers_writes_into_a_table_does_not_change_the_run() -> None:
    tables = {
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
        "model_init_kwargs": {"config": {}},
    }
    ours = config(grpo=SMALL | tables)
    given = grpo_arguments(ours, has_gpu=False, generation="off")
    given["accelerator_config"]["gradient_accumulation_kwargs"]["num_steps"] = 2  # as its Trainer does
    given["model_init_kwargs"]["config"]["use_cache"] = False
    assert {name: ours.grpo[name] for name in tables} == {
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
        "model_init_kwargs": {"config": {}},
    }


def test_trls_and_pefts_own_keys_are_taken() -> None:
    check_keys(config(grpo=SMALL | {"epsilon_high": 0.28, "beta": 0.0}, lora={"r": 8, "lora_dropout": 0.1}))


@pytest.mark.parametrize(
    ("grpo", "told"),
    [
        (SMALL | {"generation_batch_size": 5}, "grpo: generation_batch_size"),
        ({"num_generations": 1}, "grpo: GRPO requires at least 2 generations"),
        (
            SMALL | {"ddp_timeout": 700},
            r"reward\.deadline_seconds = 600 must be at most half of grpo\.ddp_timeout \(700\)",
        ),
    ],
)
def test_values_that_trl_or_the_deadline_do_not_take_are_refused(grpo: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        grpo_config(config(grpo=grpo), rehearse=True)


@pytest.mark.parametrize(("accumulation", "slices", "block"), [(1, 1, 1), (4, 4, 1), (8, 4, 1), (1, 2, 2), (2, 8, 4)])
def test_completions_are_generated_anew_after_so_many_steps(accumulation: int, slices: int, block: int) -> None:
    assert steps_per_block(accumulation=accumulation, per_generation=slices, iterations=1) == block


def test_steps_that_never_end_with_a_generation_are_refused() -> None:
    with pytest.raises(ConfigError, match="6 would do"):
        steps_per_block(accumulation=2, per_generation=3, iterations=1)


def test_checkpoints_in_the_middle_of_a_generation_are_refused_with_what_would_do() -> None:
    with pytest.raises(ConfigError, match=r"gold\.every = 50 must be a multiple of 4.* 52 would do"):
        check_block(4, 50)


@pytest.mark.parametrize(
    ("asked", "has_gpu", "has_vllm", "found"),
    [
        ("auto", True, True, "colocate"),
        ("auto", True, False, "off"),
        ("auto", False, True, "off"),
        ("off", True, True, "off"),
        ("server", True, True, "server"),
    ],
)
def test_who_generates(asked: str, has_gpu: bool, has_vllm: bool, found: str) -> None:
    assert generation_by(config(run={"output": "x", "vllm": asked}), has_gpu=has_gpu, has_vllm=has_vllm) == found


@pytest.mark.parametrize(
    ("has_gpu", "has_vllm", "told"),
    [(False, True, "needs a GPU"), (True, False, r"pip install 'clinalign\[train-vllm\]'")],
)
def test_vllm_where_it_can_not_run_is_refused(has_gpu: bool, has_vllm: bool, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        generation_by(config(run={"output": "x", "vllm": "colocate"}), has_gpu=has_gpu, has_vllm=has_vllm)


@pytest.mark.parametrize(
    ("sections", "dtype"),
    [({}, "float32"), ({"lora": {}}, "bfloat16"), ({"grpo": {"model_init_kwargs": {"dtype": "bfloat16"}}}, "bfloat16")],
    ids=["trained weights", "fixed weights", "as the user says"],
)
def test_weights_that_are_trained_are_kept_whole(sections: dict[str, Any], dtype: str) -> None:
    assert model_arguments(config(**sections))["dtype"] == dtype


@pytest.mark.parametrize(("generations", "batch"), [(1, 8), (3, 9), (8, 8), (16, 16)])
def test_judgements_take_whole_questions_at_a_time(generations: int, batch: int) -> None:
    found = grpo_arguments(config(gold={"generations": generations}), has_gpu=False, generation="off")
    assert found["per_device_eval_batch_size"] == batch
