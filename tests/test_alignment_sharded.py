"""FSDP2 and DeepSpeed's ZeRO-3 by the shipped files, in two processes on CPUs: the course as without, resumed exactly, served.

DeepSpeed is tried where tests/deepspeed_env.sh has put it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from grpo_runs import build_moe
from process_runs import SHARDED_SCRIPT, STEPS, launch, made_run, sharded
from sharded_courses import course_of, largest_difference
from tiny_qwen3 import build_tiny_qwen3
from trained_tiny import load, logits

from training.alignment.checkpoints import last_whole, step_of

ROOT = Path(__file__).parents[1]
DEEPSPEED = ROOT / ".deepspeed"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(500),
    pytest.mark.parametrize(
        "by",
        [
            "fsdp2-2",
            pytest.param(
                "zero3-8",
                marks=pytest.mark.skipif(not DEEPSPEED.exists(), reason="DeepSpeed: tests/deepspeed_env.sh"),
            ),
        ],
        scope="module",
    ),
]
AS_SHIPPED = """gradient_accumulation_steps = 2
accelerator_config = {gradient_accumulation_kwargs = {sync_each_batch = true}}
router_aux_loss_coef = 0.0"""
"""What qwen3-30b-a3b.toml says of sharing and of experts."""
PARTS = {"fsdp2-2": "pytorch_model_fsdp.bin", "zero3-8": f"global_step{STEPS}"}
"""In a checkpoint of a model that was cut, and of no other."""


def cut(by: str, config: Path, *more: str, kill_at: int | None = None) -> None:
    """Train by a file of accelerate's."""
    told = sharded(ROOT / "training" / "configs" / "accelerate" / f"{by}.yaml")
    if by.startswith("zero"):
        told |= {"PYTHONPATH": str(DEEPSPEED), "DS_ACCELERATOR": "cpu"}
    else:
        told |= {"ACCELERATE_USE_CPU": "true"}
    options = {} if kill_at is None else {"kill_at": kill_at}
    ended = launch(config, *more, script=SHARDED_SCRIPT, told=told, **options)
    assert (ended.returncode != 0) == (kill_at is not None), ended.stderr[-3000:]


def experts(folder: Path) -> Path:
    """Write a run of a mixture of experts, for which the DeepSpeed file is."""
    model = build_moe(folder / "experts", build_tiny_qwen3(folder / "tiny", seed=2))
    return made_run(folder, model=model, grpo=AS_SHIPPED)


@pytest.fixture(scope="module")
def whole(by: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the config of an uninterrupted run."""
    config = experts(tmp_path_factory.mktemp(by))
    cut(by, config)
    return config


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the config of the same run with a whole model in each process."""
    config = experts(tmp_path_factory.mktemp("uncut"))
    assert launch(config).returncode == 0
    return config


def test_a_model_cut_among_processes_learns_what_a_whole_one_does(by: str, whole: Path, uncut: Path) -> None:
    ours, other = course_of(whole), course_of(uncut)
    assert ours.rewards == other.rewards
    assert ours.gold == other.gold
    assert largest_difference(ours.trained, other.trained) < 1e-4
    assert (whole.parent / "run" / f"checkpoint-{STEPS}" / PARTS[by]).exists()
    assert not (uncut.parent / "run" / f"checkpoint-{STEPS}" / PARTS[by]).exists()


def test_what_was_cut_is_served_whole(by: str, whole: Path) -> None:
    import torch

    run = whole.parent / "run"
    best_step = json.loads((run / "manifest.json").read_text())["best_step"]
    best, base = load(run / "best"), load(whole.parent / "model")
    assert best_step
    assert torch.equal(logits(best), logits(load(run / f"checkpoint-{best_step}")))
    assert not torch.allclose(logits(best), logits(base), atol=1e-3)


def test_one_that_is_killed_goes_on_exactly(by: str, whole: Path, tmp_path: Path) -> None:
    config = experts(tmp_path)
    cut(by, config, kill_at=9)
    checkpoint = last_whole(config.parent / "run")
    assert checkpoint
    assert 0 < step_of(checkpoint) < STEPS
    cut(by, config, "resume")
    assert course_of(config) == course_of(whole)


def test_adapters_after_a_warm_start(by: str, tmp_path: Path) -> None:
    import torch

    rows = [{"question": f"How much of {number}?", "answer": f"At most {number} g a day."} for number in range(4)]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sections = f"""[lora]
r = 4
target_modules = ["q_proj", "v_proj"]
[warm_start]
files = ["{file}"]
[warm_start.sft]
max_steps = 2
per_device_train_batch_size = 2
learning_rate = 1e-3"""
    model = build_moe(tmp_path / "experts", build_tiny_qwen3(tmp_path / "tiny", seed=2))
    config = made_run(tmp_path, model=model, more=sections)
    cut(by, config)
    run = config.parent / "run"
    warm, base = load(run / "warm-start"), load(model)
    assert not torch.allclose(logits(warm), logits(base), atol=1e-3)
    assert course_of(config).rewards
    assert (run / "best" / "model.safetensors").exists()
