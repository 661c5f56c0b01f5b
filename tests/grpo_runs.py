"""Training runs of a tiny model in processes of their own, which can be killed; forked from one that has imported everything."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

QUESTIONS = 6
HELD_OUT = 3
TOML = """
[run]
output = "run"
[model]
path = "model"
dtype = "float32"
[data]
files = ["train.jsonl"]
gold_files = ["gold.jsonl"]
{data}
[gold]
every = 2
[grpo]
max_steps = 8
num_generations = 4
max_completion_length = 8
learning_rate = 1e-2
{grpo}
{more}
"""
"""Three steps to an epoch, so that the checkpoints of eight steps lie in the middle and at the end of epochs."""


def write_run(
    folder: Path, model: Path, *, grpo: str = "per_device_train_batch_size = 8", data: str = "", more: str = ""
) -> Path:
    """Write rows and config of a run and return the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").symlink_to(model)
    for name, count in (("train", QUESTIONS), ("gold", HELD_OUT)):
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(_row(f"{name}-{number}")) + "\n" for number in range(count))
        )
    config = folder / "run.toml"
    config.write_text(TOML.format(grpo=grpo, data=data, more=more))
    return config


def build_moe(folder: Path, tiny: Path, *, dropout: float = 0.1) -> Path:
    """Write a mixture of experts of Qwen3's make and the tiny model's tokenizer."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig, Qwen3MoeConfig, Qwen3MoeForCausalLM

    dense = AutoConfig.from_pretrained(tiny).to_dict()
    shared = {
        name: dense[name]
        for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim")
    }
    ends = {name: dense[name] for name in ("eos_token_id", "pad_token_id")}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "num_key_value_heads": 2}
    config = Qwen3MoeConfig(**shared, **ends, **experts, attention_dropout=dropout)
    torch.manual_seed(0)
    model = Qwen3MoeForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=True, **ends)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    return folder


def _row(name: str) -> dict[str, Any]:
    rubric = [{"criterion": f"Names the dose of {name}.", "points": 5, "tags": ["axis:accuracy"]}]
    return {"id": name, "conversation": [{"role": "user", "content": f"How much of {name}?"}], "rubric": rubric}


@dataclass(frozen=True)
class Plan:
    """What befalls a run."""

    resume: bool = False
    call: int | None = None
    """Of the reward, at which it happens."""
    what: Literal["SIGKILL", "SIGTERM", "SIGINT", "gives up"] = "SIGKILL"
    after_step: int | None = None
    """Told as finished, at which it happens."""
    saving_s: float | None = None
    """After the checkpoint of step 4 begins to be written."""
    is_judged: bool = False
    """By the config's judges."""


class Scores:
    """A reward of its own, how many different characters there are, or the one that it is given; until it happens."""

    __name__ = "scores"

    def __init__(self, plan: Plan, reward: Any = None) -> None:
        self.calls = 0
        self.plan = plan
        self.reward = reward

    def __call__(self, prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        self.calls += 1
        if self.calls == self.plan.call:
            happen(self.plan.what)
        if self.reward:
            given: list[float | None] = self.reward(prompts, completions, completion_ids, **columns)
            return given
        return [len(set(completion[0]["content"])) / 20 for completion in completions]


def happen(what: str) -> None:
    """Send this process a signal, or end the run as a reward may."""
    from training.alignment.stopping import TrainingStopped

    if what == "gives up":
        raise TrainingStopped("the judge is gone")
    os.kill(os.getpid(), getattr(signal, what))


def run(config: Path, plan: Plan = Plan(), **changes: Any) -> int:
    """Train in a process of its own and return its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grpo_runs_imports"])
    process = context.Process(target=_work, args=(config, replace(plan, **changes)))
    process.start()
    process.join(200)
    assert process.exitcode is not None
    return process.exitcode


def _work(config: Path, plan: Plan) -> None:
    from agent.config import Settings
    from training.alignment.config import load_config
    from training.grpo import train

    if plan.saving_s is not None:
        threading.Thread(target=_kill_saving, args=(config.parent / "run", plan.saving_s), daemon=True).start()

    def echo(line: str) -> None:
        if plan.after_step is not None and line.startswith(f"step {plan.after_step}/"):
            happen(plan.what)

    loaded = load_config(config, output=config.parent / "run")
    end = train(
        loaded,
        Settings(),
        resume=plan.resume,
        wrap=lambda own: Scores(plan, own if plan.is_judged else None),
        echo=echo,
    )
    sys.exit(end.exit_code)


def _kill_saving(folder: Path, seconds: float) -> None:
    while not (folder / "checkpoint-4").exists():
        time.sleep(0.0005)
    time.sleep(seconds)
    happen("SIGKILL")


def course(config: Path) -> dict[str, Any]:
    """Return all that must be the same of two runs: each step's numbers but times, the judgements, the bytes of the weights."""
    folder = config.parent / "run"
    steps = tomllib.loads(config.read_text())["grpo"]["max_steps"]
    return {
        "log": log_of(folder / f"checkpoint-{steps}"),
        "gold": (folder / "gold.jsonl").read_text(),
        "weights": _sha(next((folder / f"checkpoint-{steps}").glob("*model.safetensors"))),
        "optimizer": _sha(folder / f"checkpoint-{steps}" / "optimizer.pt"),
        "best": _sha(folder / "best" / "model.safetensors"),
    }


def log_of(checkpoint: Path) -> list[dict[str, Any]]:
    """Return what was logged until a checkpoint, but times."""
    lines = json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]
    timed = ("time", "runtime", "second")
    return [{key: value for key, value in line.items() if not any(word in key for word in timed)} for line in lines]


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
