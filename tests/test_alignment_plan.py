"""A plan before a run: its counts are TRL's, what it refuses it says how to mend, and the shipped configs fit where they say."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from alignment_rows import config_of
from model_shapes import QWEN3_4B, QWEN3_30B_A3B, folder_of

from training.alignment.batches import batches_of
from training.alignment.config import AlignmentConfig, load_config
from training.alignment.datasets import AlignmentData
from training.alignment.device_memory import DeviceMemory
from training.alignment.memory import GIB, MemoryEstimate, as_parts, estimate
from training.alignment.model_shape import ModelShape, read_shape
from training.alignment.plan import Plan, disk_bytes, make_plan
from training.alignment.sharding import Kind, Sharding, read_sharding
from training.alignment.survey import DataCounts

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "training" / "configs"
GPU = DeviceMemory("cuda", int(79.1 * GIB), int(79.6 * GIB), "a GPU of 80 GiB")
SHAPE = ModelShape(
    kind="qwen3", parameters=400_000_000, adapters=0, largest_layer=10_000_000, outer=150_000_000, layers=24, hidden=1024,
    heads=16, key_heads=8, head_size=128, feed_forward=3072, experts_per_token=0, vocabulary=151_936, context_tokens=32_768,
)  # fmt: skip


def data_of(train: int = 1000, gold: int = 64) -> AlignmentData:
    """Return counts without questions; no data set is looked at."""
    counts = DataCounts(train + gold, train, gold, 0, 0, 0, 0, {}, 10.0, 12, 800.0, 150.0, 400)
    nothing: Any = None
    return AlignmentData(nothing, nothing, counts, "ab12")


def plan_of(
    config: AlignmentConfig | None = None, *, train: int = 1000, shape: ModelShape = SHAPE, **options: Any
) -> Plan:
    found = {"device": GPU, "sharding": Sharding(), "free_disk": 1 << 60} | options
    return make_plan(config or config_of("x", run={"output": "x", "vllm": "off"}), data_of(train), shape, **found)


def small(**grpo: Any) -> AlignmentConfig:
    """Return a config for the small shape; `run` and `data` are sections."""
    sections = {name: grpo.pop(name) for name in ("run", "data", "lora", "gold", "reward") if name in grpo}
    return config_of("x", grpo=grpo, **({"run": {"output": "x", "vllm": "off"}} | sections))


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "grpo",
    [
        {},
        {"gradient_accumulation_steps": 4},
        {
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 8,
            "num_generations": 4,
            "num_train_epochs": 2,
        },
        {"gradient_accumulation_steps": 2, "steps_per_generation": 4, "num_iterations": 2, "num_train_epochs": 0.7},
        {"generation_batch_size": 64, "num_generations": 2},
    ],
)
def test_steps_are_those_that_trl_would_make(grpo: dict[str, Any], processes: int) -> None:
    from trl import GRPOConfig
    from trl.trainer.utils import RepeatSampler

    batches = batches_of(small(**grpo), processes)
    args = GRPOConfig("x", use_cpu=True, bf16=False, report_to="none", **grpo) if processes == 1 else None
    repeats = batches.iterations * batches.per_generation
    sampler = RepeatSampler(range(500), batches.group, batches.questions, repeats)
    loaded = len(sampler) // (batches.per_device * batches.per_generation * processes)  # by each process in an epoch
    expected = ceil(grpo.get("num_train_epochs", 3) * ceil(loaded / batches.accumulation))

    assert args is None or (args.generation_batch_size, args.steps_per_generation) == (
        batches.generated,
        batches.per_generation,
    )
    assert batches.steps(500, grpo) == expected


def test_max_steps_win() -> None:
    assert plan_of(small(max_steps=7)).steps == 7


def test_the_judges_bill_is_what_the_counts_say() -> None:
    prices = {"judge": "openai:fake", "price_input": 1.0, "price_output": 2.0}
    plan = plan_of(small(max_steps=100, gold={"every": 40, "generations": 2}, reward=prices))

    assert (plan.completions, plan.judgements) == (800, 4)
    assert (plan.judge.gold_calls, plan.judge.calls) == (4 * 64 * 2, 800 + 512)
    assert plan.judge.input_tokens == 1312 * (850 + 200 + 100 + 150 + 512)
    assert plan.judge.output_tokens == 1312 * 600
    assert plan.judge.cost == pytest.approx((plan.judge.input_tokens + 2 * plan.judge.output_tokens) / 1e6)


def test_a_gold_judge_of_its_own_has_its_own_prices() -> None:
    gold = {"every": 40, "generations": 2, "judge": "openai:other", "price_output": 5.0}
    plan = plan_of(small(max_steps=100, gold=gold, reward={"judge": "openai:fake", "price_input": 1.0}))
    assert plan.judge.cost == pytest.approx((800 * (850 + 200 + 100 + 150 + 512) + 512 * 600 * 5) / 1e6)


def test_a_judge_that_is_no_model_is_no_call() -> None:
    plan = plan_of(small(max_steps=100, reward={"judge": "embedded"}, gold={"judge": "openai:fake"}))
    assert plan.judge.calls == plan.judge.gold_calls == plan.judgements * 64
    alone = plan_of(small(max_steps=100, reward={"judge": "embedded"}))
    assert alone.judge.calls == alone.judge.input_tokens == 0
    assert "no model is called" in alone.as_text()


def test_nothing_is_against_a_run_that_fits() -> None:
    assert plan_of().refusals == ()


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (
            small(gradient_accumulation_steps=64),
            {"train": 50},
            "50 questions to train on, and each generation takes 64; give more questions, or lower grpo.per_device",
        ),
        (
            small(max_completion_length=30_000),
            {},
            r"= 34,096, and the model reads 32,768 tokens; set grpo\.max_completion_length = 28672 or less",
        ),
        (small(data={"max_prompt_tokens": 32_768}), {}, r"set data\.max_prompt_tokens to less than 32768"),
        (
            small(run={"output": "x", "vllm": "colocate"}, vllm_gpu_memory_utilization=0.01),
            {},
            r"vllm_gpu_memory_utilization = 0\.01 gives vLLM 0\.8 GiB, and it needs about .* one sequence; set it to 0\.05",
        ),
        (
            small(run={"output": "x", "vllm": "colocate"}, vllm_max_model_length=4096),
            {},
            r"grpo\.vllm_max_model_length = 4096 is less than .*; set it to 4608",
        ),
        (small(), {"free_disk": GIB}, r"too little disk: about .* at x and 1\.0 GiB are free; set run\.output"),
        (
            small(),
            {"device": DeviceMemory("cuda", GIB, GIB)},
            "too little memory: .*; train with .lora., or take a smaller",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_change(
    config: AlignmentConfig, options: dict[str, Any], message: str
) -> None:
    assert any(re.search(message, refusal) for refusal in plan_of(config, **options).refusals)


@pytest.mark.parametrize("free", [8, 10, 12, 16, 20, 30])
@pytest.mark.parametrize(
    "config",
    [
        small(gradient_checkpointing=False),
        small(per_device_train_batch_size=32, max_completion_length=4096),
        small(run={"output": "x", "vllm": "colocate"}, vllm_gpu_memory_utilization=0.6),
        small(steps_per_generation=2, gradient_accumulation_steps=2, max_completion_length=2048),
    ],
)
def test_a_remedy_is_one(config: AlignmentConfig, free: int) -> None:
    device = DeviceMemory("cuda", free * GIB, free * GIB, "a GPU")
    refused = [one for one in plan_of(config, device=device).refusals if "too little memory" in one]
    for one in refused:
        told = one.partition("; set ")[2]
        changes = tomllib.loads(told.replace(", ", "\n"))["grpo"] if told else {}
        mended = config.model_copy(update={"grpo": config.grpo | changes})
        again = plan_of(mended, device=device)
        assert not told or not any("too little memory" in other for other in again.refusals)
        assert not told or again.batches.completions_per_step == batches_of(config, 1).completions_per_step


SHORT = small(per_device_train_batch_size=1, gradient_accumulation_steps=8, data={"max_prompt_tokens": 512})
TIGHT = DeviceMemory("cuda", 5 * GIB, 5 * GIB, "a small GPU")


@pytest.mark.parametrize(
    ("sharding", "told"),
    [
        (Sharding(), r"train with \[lora\], or take 8 GPUs of 5 GiB by accelerate with FSDP"),
        (
            Sharding("fsdp", 8),
            r"set grpo\.accelerator_config = {gradient_accumulation_kwargs = {sync_each_batch = true}}$",
        ),
    ],
)
def test_what_more_gpus_need_is_told(sharding: Sharding, told: str) -> None:
    (refusal,) = plan_of(SHORT, device=TIGHT, sharding=sharding).refusals

    assert re.search(told, refusal)


def test_processes_on_a_cpu_share_its_memory() -> None:
    machine = DeviceMemory("cpu", 10 * GIB, 12 * GIB, "RAM")

    assert plan_of(device=machine, sharding=Sharding("ddp", 2)).device.free == 5 * GIB


def test_checkpoints_and_the_best_model_take_disk() -> None:
    whole, lora = small(), small(lora={"r": 4})
    adapted = replace(SHAPE, adapters=1_000_000)

    assert disk_bytes(whole, SHAPE, Sharding()) == 4 * 12 * SHAPE.parameters + 2 * SHAPE.parameters
    assert disk_bytes(lora, adapted, Sharding()) == 4 * 12 * 1_000_000 + 2 * SHAPE.parameters


@pytest.mark.parametrize(("kind", "each"), [("ddp", 12), ("fsdp", 16), ("zero2", 16), ("zero3", 16)])
def test_what_writes_the_weights_twice_takes_more_disk(kind: Kind, each: int) -> None:
    assert disk_bytes(small(), SHAPE, Sharding(kind, 2)) == (4 * each + 2) * SHAPE.parameters
    assert plan_of(sharding=Sharding(kind, 2)).disk.needed == (4 * each + 2) * SHAPE.parameters


def test_the_plan_is_json_and_fits_the_width() -> None:
    plan = plan_of(small(gradient_accumulation_steps=64), train=50)
    text = plan.as_text(width=80).splitlines()

    assert json.loads(json.dumps(plan.as_dict()))["refusals"] == list(plan.refusals)
    assert all(len(line) <= 80 for line in text if not line.startswith(("note", "refused")))
    assert text[-1] == f"refused: {plan.refusals[-1]}"


CASES = {
    "qwen3-4b, one GPU": ("qwen3-4b.toml", QWEN3_4B, None, 1),
    "qwen3-4b, two GPUs": ("qwen3-4b.toml", QWEN3_4B, "ddp-2.yaml", 2),
    "qwen3-4b-full, one GPU": ("qwen3-4b-full.toml", QWEN3_4B, None, 1),
    "qwen3-4b-full, two GPUs": ("qwen3-4b-full.toml", QWEN3_4B, "fsdp2-2.yaml", 2),
    "qwen3-30b-a3b, eight GPUs": ("qwen3-30b-a3b.toml", QWEN3_30B_A3B, "fsdp2-8.yaml", 8),
    "qwen3-30b-a3b, sixteen GPUs": ("qwen3-30b-a3b.toml", QWEN3_30B_A3B, "fsdp2-16.yaml", 16),
    "qwen3-30b-a3b, eight GPUs, ZeRO-3": ("qwen3-30b-a3b.toml", QWEN3_30B_A3B, "zero3-8.yaml", 8),
}
COLUMNS = (
    "weights", "lora", "gradients", "optimizer", "gathered", "activations", "logits", "vllm", "overhead", "held_out",
    "learning", "generating", "judging",
)  # fmt: skip


def shipped(name: str, folder: Path) -> tuple[AlignmentConfig, ModelShape, Sharding, MemoryEstimate]:
    file, shape, accelerate, gpus = CASES[name]
    config = load_config(CONFIGS / file)
    found = read_shape(folder_of(folder, shape), config.lora)
    sharding = read_sharding(CONFIGS / "accelerate" / accelerate) if accelerate else Sharding()
    return config, found, sharding, estimate(config, found, gpus, sharding=sharding)


@pytest.mark.parametrize("name", CASES)
def test_a_shipped_config_fits_where_it_says(name: str, tmp_path: Path) -> None:
    config, shape, sharding, _ = shipped(name, tmp_path / "model")

    refused = plan_of(config, train=16_000, shape=shape, sharding=sharding).refusals

    assert bool(refused) == (name == "qwen3-4b-full, one GPU"), refused


@pytest.mark.parametrize("file", sorted({case[0] for case in CASES.values()}))
def test_a_shipped_config_has_keys_that_the_libraries_know(file: str) -> None:
    from training.grpo import check_keys

    config = load_config(CONFIGS / file)
    check_keys(config)

    grpo = config.grpo
    assert (grpo["num_generations"], grpo["epsilon"], grpo["epsilon_high"], grpo["beta"]) == (8, 0.2, 0.28, 0)
    assert grpo["vllm_max_model_length"] == config.data.max_prompt_tokens + grpo["max_completion_length"]


@pytest.mark.parametrize("name", CASES)
def test_the_budget_in_the_docs_is_the_estimate(name: str, tmp_path: Path) -> None:
    parts = as_parts(shipped(name, tmp_path / "model")[3])
    row = f"| {name} | " + " | ".join(f"{parts[column] / GIB:.1f}" for column in COLUMNS) + " |"

    assert row in (ROOT / "docs" / "alignment-budget.md").read_text(encoding="utf-8").splitlines()
