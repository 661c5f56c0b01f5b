"""Training with vLLM in the same process (`run.vllm = "colocate"`), really, on a CPU: it draws from the policy as it is by then.

In an environment of its own, since TRL takes other versions of vLLM than the server's tests have.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
from grpo_runs import build_moe, course, log_of, write_run
from process_runs import launcher_of, sharded
from tiny_qwen3 import build_tiny_qwen3
from trained_tiny import load, logits

from training.alignment.export import export_best

SCRIPT = Path(__file__).with_name("vllm_training_run.py")
PYTHON = Path(__file__).resolve().parents[1] / ".venv-vllm-train" / "bin" / "python"
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-vllm-train here; `make test-vllm` makes it and runs this"),
]
STEPS = 8
NOTHING: Mapping[str, str] = MappingProxyType({})
ROUNDING = 0.03
"""Of a log probability: the policy is in float32, vLLM's copy in bfloat16. Training moves them by far more."""
GRPO = "per_device_train_batch_size = 8\nvllm_gpu_memory_utilization = 0.1\nvllm_max_model_length = 512"
SHARED = """per_device_train_batch_size = 4
per_device_eval_batch_size = 4
vllm_gpu_memory_utilization = 0.2
vllm_max_model_length = 512
vllm_tensor_parallel_size = 2"""
FSDP = Path(__file__).parents[1] / "training" / "configs" / "accelerate" / "fsdp2-2.yaml"
LORA = "[lora]\nr = 4\nlora_alpha = 64"


def made(folder: Path, *, experts: bool = False, grpo: str = GRPO, more: str = "") -> Path:
    """Write a run for vLLM and return its config."""
    model = build_tiny_qwen3(folder / "tiny", seed=2)
    if experts:
        model = build_moe(folder / "experts", model, dropout=0.0)  # vLLM knows none
    config = write_run(folder / "made", model, data="max_prompt_tokens = 256", grpo=grpo, more=more)
    config.write_text(config.read_text().replace('output = "run"', 'output = "run"\nvllm = "colocate"'))
    return config


def train(
    config: Path, *more: str, kill_at: int = 0, launcher: Sequence[str] = (), told: Mapping[str, str] = NOTHING
) -> int:
    """Train in the other environment; return the exit code. `told`: what accelerate finds set."""
    command = [*launcher, str(SCRIPT), str(config), str(config.parent / "notes.jsonl"), str(kill_at), *more]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | told
    done = subprocess.run(
        [str(PYTHON), *command], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode in (0, -9), done.stderr[-3000:]
    return done.returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the config of an uninterrupted run of all weights."""
    config = made(tmp_path_factory.mktemp("whole"))
    assert train(config) == 0
    return config


def check_drawn_from_policy(config: Path) -> None:
    """Assert that the probabilities with which vLLM drew are the policy's, in each step and judgement."""
    drawn = {
        (line["step"], name): value
        for line in log_of(config.parent / "run" / f"checkpoint-{STEPS}")
        for name, value in line.items()
        if name.endswith("sampling_logp_difference/mean")
    }
    assert len(drawn) == STEPS + STEPS // 2 + 1
    assert max(drawn.values()) < ROUNDING


def moved(one: Path, other: Path) -> float:
    """Return by how much the log probabilities of two folders' models differ on average."""
    first, second = (logits(load(folder)).log_softmax(-1) for folder in (one, other))
    return float((first - second).abs().mean())


def test_it_draws_from_the_policy_as_it_is_by_then(whole: Path) -> None:
    check_drawn_from_policy(whole)
    run = whole.parent / "run"
    assert moved(whole.parent / "model", run / f"checkpoint-{STEPS}") > 10 * ROUNDING, (
        "else staying behind would not show"
    )


def test_one_that_is_killed_goes_on_exactly(whole: Path, tmp_path: Path) -> None:
    config = made(tmp_path)
    assert train(config, kill_at=9) == -9
    assert train(config, "resume") == 0
    assert course(config) == course(whole)


def test_adapters_are_handed_over_merged(tmp_path: Path) -> None:
    config = made(tmp_path, more=LORA)
    assert train(config) == 0
    check_drawn_from_policy(config)
    model, last = config.parent / "model", config.parent / "run" / f"checkpoint-{STEPS}"
    export_best(last, str(model), tmp_path / "merged", dtype="float32")
    assert moved(model, tmp_path / "merged") > 3 * ROUNDING, "else staying behind would not show"


def test_fused_experts_are_handed_over(tmp_path: Path) -> None:
    config = made(tmp_path, experts=True)
    assert train(config) == 0
    check_drawn_from_policy(config)
    notes = [json.loads(line) for line in (config.parent / "notes.jsonl").read_text().splitlines()]
    for note in notes:
        assert note["vllm"] == pytest.approx(note["policy"], rel=1e-3)
    first, last = (note["policy"] for note in (notes[0], notes[-1]))
    assert abs(last / first - 1) > 0.01, "else staying behind would not show"


def test_processes_that_share_the_policy_and_a_vllm(tmp_path: Path) -> None:
    config = made(tmp_path, experts=True, grpo=SHARED)
    told = sharded(FSDP) | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    assert train(config, launcher=launcher_of(2), told=told) == 0
    check_drawn_from_policy(config)
    run = config.parent / "run"
    assert (run / f"checkpoint-{STEPS}" / "pytorch_model_fsdp.bin").exists(), "else it wasn't cut"
    assert moved(config.parent / "model", run / f"checkpoint-{STEPS}") > 3 * ROUNDING, (
        "else staying behind would not show"
    )
