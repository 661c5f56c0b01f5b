"""How long rewards take beside what they can't take less than: judge's latency × ⌈distinct completions ÷ requests at once⌉.

The judge is a fake server in a process of its own, which rehearsed well-formed verdicts; answers have 250 words and 11.5 criteria
on average. `python -m training.alignment.reward_bench` prints the table of docs/rewards.md.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import load_settings
from evals.batch.arm import environment
from evals.grading.throughput import answers_to_grade
from training.alignment.config import AlignmentConfig
from training.alignment.reward_report import TRAIN
from training.reward import open_reward

MOST = 1.15
"""Time over the least time that is accepted."""
_END = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """One step."""

    completions: int
    distinct: int
    concurrency: int
    latency_s: float

    @property
    def least_s(self) -> float:
        """What the judge takes if nothing else takes any time."""
        return self.latency_s * math.ceil(self.distinct / self.concurrency)


HELD = (
    Shape(64, 64, 16, 1.0),
    Shape(64, 48, 16, 1.0),
    Shape(64, 64, 64, 4.0),
    Shape(128, 128, 64, 4.0),
)
"""With a latency of 60 ms or more for each request at once: this side takes some ms of a core per completion."""
FASTER = (Shape(64, 64, 64, 1.0), Shape(256, 256, 256, 2.0))
"""Judges that are quicker than that, for comparison."""
SMALL = Shape(8, 6, 3, 0.1)


def measure(shape: Shape, *, repeats: int) -> list[float]:
    """Return time over least time of each of `repeats` steps; a first one, which opens the connections, is not counted.

    RuntimeError if a completion had no reward, or the judge was not asked once for each distinct one.
    """
    with _judge(shape.latency_s) as address, tempfile.TemporaryDirectory() as folder:
        return list(_ratios(shape, address, Path(folder), repeats))


def _ratios(shape: Shape, address: str, folder: Path, repeats: int) -> Iterator[float]:
    rules = {"judge": "openai:fake", "concurrency": shape.concurrency}
    given = {"run": {"output": folder}, "model": {"path": "tiny"}, "data": {"files": ["shipped"]}, "reward": rules}
    config = AlignmentConfig.model_validate({"source": folder / "bench.toml", **given})
    os.environ |= environment(address)
    reward = open_reward(config, load_settings(), folder, end_tokens={_END})
    for number in range(repeats + 1):
        batch = _batch(shape, seed=number)
        began = time.perf_counter()
        rewards = reward(**batch)
        ratio = (time.perf_counter() - began) / shape.least_s
        if None in rewards or reward.totals.train.spent.calls != (number + 1) * shape.distinct:
            raise RuntimeError(f"the step went otherwise: {reward.totals.as_dict()}")
        if number:
            yield ratio
    reward.close()


def _batch(shape: Shape, *, seed: int) -> dict[str, Any]:
    """Return a batch as TRL gives it; its last completions repeat its first ones."""
    rows = answers_to_grade(shape.distinct, seed)
    rows += rows[: shape.completions - shape.distinct]
    for row in rows:
        row["rubrics"][0]["points"] = 10  # by chance a rubric could have nothing to earn
    named = {"axis": "accuracy", "principle_id": None}
    return {
        "prompts": [row["prompt"] for row in rows],
        "completions": [[{"role": "assistant", "content": row["response"]}] for row in rows],
        "completion_ids": [[_END]] * len(rows),
        "id": [row["id"] for row in rows],
        "split": [TRAIN] * len(rows),
        "rubric": [[{**item, **named} for item in row["rubrics"]] for row in rows],
    }


@contextmanager
def _judge(latency_s: float) -> Iterator[str]:
    """Serve the judge in a process of its own; give its address."""
    command = [sys.executable, "-m", "evals.grading.throughput", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own module
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a median that is held to it is above what is accepted."""
    parser = argparse.ArgumentParser(prog="python -m training.alignment.reward_bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="one small step, to see that it runs")
    given = parser.parse_args(arguments)
    print("| completions | distinct | at once | latency s | least s | time ÷ least, median | spread | n |")
    print("|---|---|---|---|---|---|---|---|")
    worst = 0.0
    for shape in (SMALL,) if given.small else HELD + FASTER:
        ratios = measure(shape, repeats=given.repeats)
        median = statistics.median(ratios)
        worst = max(worst, median if shape in HELD else 0.0)
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        facts = (shape.completions, shape.distinct, shape.concurrency, f"{shape.latency_s:g}", f"{shape.least_s:g}")
        print("|", " | ".join(map(str, (*facts, f"{median:.3f}", spread, len(ratios)))), "|", flush=True)
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
