"""What a run in several processes came to, however they shared the model: two of them can be compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process_runs import STEPS
from safetensors.numpy import load_file


@dataclass(frozen=True)
class Course:
    """Compared by all that it holds."""

    rewards: list[float]
    """By step."""
    gold: str
    log: list[dict[str, Any]]
    """Without times."""
    trained: dict[str, list[float]]
    """The last checkpoint's weights."""


def course_of(config: Path) -> Course:
    """Return the course of a finished run."""
    folder = config.parent / "run"
    last = folder / f"checkpoint-{STEPS}"
    timed = ("time", "runtime", "second")
    log = [
        {key: value for key, value in line.items() if not any(word in key for word in timed)}
        for line in json.loads((last / "trainer_state.json").read_text())["log_history"]
    ]
    weights = load_file(next(last.glob("*model.safetensors")))
    return Course(
        [line["reward"] for line in log if "loss" in line],
        (folder / "gold.jsonl").read_text(),
        log,
        {name: value.ravel().tolist() for name, value in weights.items()},
    )


def largest_difference(one: dict[str, list[float]], other: dict[str, list[float]]) -> float:
    """Return by how much two models' weights differ, where both have them: a tied output layer is written by one alone."""
    shared = set(one) & set(other)
    assert shared
    return max(abs(a - b) for name in shared for a, b in zip(one[name], other[name], strict=True))
