"""What our trainer adds to a step: its time over that of plain TRL with a constant reward, on the same model, questions and shapes.

    python -m training.alignment.step_bench [--rounds N]

The judge answers at once here, so that only our own code counts: the reward's formula and logs, sampler, callbacks, records. The
two run by turns in pairs; the figure is the median of the pairs' ratios of median step times, with their range.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.rubric import Criterion
from evals.graded import Grade
from training.alignment.config import AlignmentConfig
from training.alignment.quiet import quieten

if TYPE_CHECKING:
    from training.alignment.datasets import AlignmentData

STEPS, WARM_UP, QUESTIONS = 12, 2, 32
COMPLETIONS = 16
GRPO = {
    "max_steps": STEPS,
    "num_generations": 8,
    "per_device_train_batch_size": COMPLETIONS,
    "max_completion_length": 64,
    "gradient_checkpointing": False,
}


class InstantGrader:
    """Finds every criterion met, at once."""

    name = protocol = "instant"

    def grade(self, conversation: Any, response: str, rubric: Sequence[Criterion], **_: Any) -> list[Grade]:
        """Return the verdicts."""
        return [Grade(True, "") for _ in rubric]


def main() -> None:
    """Print the ratio with machine, number of pairs and range."""
    parser = argparse.ArgumentParser(description="Our step time over plain TRL's.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    import torch

    torch.set_num_threads(1)  # two threads on a busy machine wait for each other, and hide what is measured
    quieten()
    with tempfile.TemporaryDirectory(prefix="clinalign-") as folder:
        ratios = measure(Path(folder), rounds)
    print(
        f"step time, ours / plain TRL: {statistics.median(ratios):.3f} (median of {rounds} pairs, {min(ratios):.3f} to "
        f"{max(ratios):.3f}); {STEPS - WARM_UP} steps of {COMPLETIONS} completions, tiny model, one thread, {platform.machine()}"
    )


def measure(folder: Path, rounds: int) -> list[float]:
    """Return a ratio per pair; which of the two begins changes from pair to pair."""
    from training.alignment.tiny import build_tiny

    model = build_tiny(folder / "model")
    _write_rows(folder / "rows.jsonl")
    ratios = []
    for number in range(rounds):
        times = {}
        for side in ("ours", "plain") if number % 2 else ("plain", "ours"):
            config = _config(folder, model, folder / f"{side}-{number}")
            times[side] = _seconds_per_step(config, is_plain=side == "plain")
        ratios.append(times["ours"] / times["plain"])
        print(f"pair {number + 1}: ours {times['ours']:.4f} s, plain {times['plain']:.4f} s", flush=True)
    return ratios


def _seconds_per_step(config: AlignmentConfig, *, is_plain: bool) -> float:
    """Return the median time from one step's end to the next's: logs and callbacks count."""
    from transformers import PrinterCallback, TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    trainer = _plain(config) if is_plain else _ours(config)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Clock())
    trainer.train()
    return statistics.median(after - before for before, after in zip(ends[WARM_UP:], ends[WARM_UP + 1 :], strict=False))


def _ours(config: AlignmentConfig) -> Any:
    from training.alignment.interrupts import Interrupts
    from training.alignment.jury import Jury
    from training.alignment.policy import end_tokens, open_tokenizer
    from training.alignment.reward_guard import RewardGuard
    from training.grpo import add_callbacks, build_trainer, grpo_config
    from training.reward import RubricReward

    config.run.output.mkdir(parents=True)
    tokenizer = open_tokenizer(config.model.path)
    juries = {
        split: Jury(InstantGrader(), "instant", split, concurrency=1, deadline_s=600.0) for split in ("train", "gold")
    }
    reward = RubricReward(config.reward, juries, config.run.output, end_tokens=end_tokens(config.model.path, tokenizer))
    policy = (config.model.path, tokenizer)
    trainer = build_trainer(config, grpo_config(config), _data(config), policy, RewardGuard(reward))
    add_callbacks(trainer, config, Interrupts(), reward, echo=lambda _: None)
    return trainer


def _plain(config: AlignmentConfig) -> Any:
    """Return TRL's trainer as its documentation has it, with the same config."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    from training.grpo import grpo_config

    def constant(completions: Any, **_: Any) -> list[float | None]:
        return [1.0] * len(completions)

    data, args = _data(config), grpo_config(config)
    return GRPOTrainer(config.model.path, constant, args=args, train_dataset=data.train, eval_dataset=data.gold)


def _data(config: AlignmentConfig) -> AlignmentData:
    from training.alignment.datasets import open_datasets

    return open_datasets(config, count_tokens=lambda _: 1, cache=config.source.parent / "cache")


def _config(folder: Path, model: Path, output: Path) -> AlignmentConfig:
    return AlignmentConfig.model_validate(
        {
            "source": folder / "bench.toml",
            "run": {"output": output, "vllm": "off"},
            "model": {"path": str(model), "dtype": "float32"},
            "data": {"files": [folder / "rows.jsonl"]},
            "reward": {"truncated": "judge"},
            "gold": {"every": 2 * STEPS},
            "grpo": GRPO,
        }
    )


def _write_rows(path: Path) -> None:
    criteria = [{"criterion": f"Names point {number}.", "points": number + 1} for number in range(8)]
    rows = (
        {
            "id": f"q{number}",
            "conversation": [{"role": "user", "content": f"What is best at {number}?"}],
            "rubric": criteria,
        }
        for number in range(QUESTIONS)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
