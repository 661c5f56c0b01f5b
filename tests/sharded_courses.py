"""What a run in several processes came to, however they shared the model: two of them can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_runs import log_of
from process_runs import STEPS
from safetensors.numpy import load_file


@dataclass(frozen=True)
class Course:
    """Compared by all that it holds."""

    log: list[dict[str, Any]]
    """Without times."""
    gold: str
    trained: dict[str, list[float]]
    """The last checkpoint's weights."""

    @property
    def rewards(self) -> list[float]:
        """By step."""
        return [line["reward"] for line in self.log if "loss" in line]


def course_of(config: Path) -> Course:
    """Return the course of a finished run."""
    folder = config.parent / "run"
    last = folder / f"checkpoint-{STEPS}"
    weights = load_file(next(last.glob("*model.safetensors")))
    trained = {name: value.ravel().tolist() for name, value in weights.items()}
    return Course(log_of(last), (folder / "gold.jsonl").read_text(), trained)


def largest_difference(one: dict[str, list[float]], other: dict[str, list[float]]) -> float:
    """Return by how much two models' weights differ, where both have them: a tied output layer is written by one alone."""
    shared = set(one) & set(other)
    assert shared
    return max(abs(a - b) for name in shared for a, b in zip(one[name], other[name], strict=True))
