"""What a run folder tells of its course, read without changing it: the trainer's log, and the gold judgements with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from evals.bootstrap import interval, mean_estimates
from training.alignment.checkpoints import STATE, checkpoints
from training.alignment.gold import GoldPoint, read_points

_SAMPLES, _SEED = 2_000, 0
"""Of the bootstrap."""


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over questions, by drawing them anew; None for fewer than two."""
    if len(values) < 2:
        return None
    return interval(mean_estimates(np.asarray(values, dtype=np.float64), samples=_SAMPLES, seed=_SEED))


def gold_interval(point: GoldPoint) -> tuple[float, float] | None:
    """Return the 95 % interval of a judgement's score."""
    return mean_interval(list(point.scores.values()))


def gold_gain(before: GoldPoint, after: GoldPoint) -> tuple[float, tuple[float, float] | None, int] | None:
    """Return mean gain, its 95 % interval and n over the questions that both have a score of; None without any."""
    gains = list(after.gains_over(before).values())
    return (fmean(gains), mean_interval(gains), len(gains)) if gains else None


def read_gold(folder: Path) -> list[GoldPoint]:
    """Return the judgements in the order of their steps; empty where there are none yet."""
    return sorted(read_points(folder), key=lambda point: point.step)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the trainer's log entries, each with its step, of the furthest state that the folder has; empty without any."""
    states = [state for place in (folder, *checkpoints(folder)) if (state := _read_state(place / STATE))]
    return list(max(states, key=lambda state: int(state["global_step"]))["log_history"]) if states else []


def series(log: Sequence[Mapping[str, Any]], key: str) -> tuple[list[int], list[float]]:
    """Return the steps at which a figure was logged, and the figures; those that could not be had are left out."""
    found = [(int(entry["step"]), float(entry[key])) for entry in log if entry.get(key) is not None]
    finite = [(step, value) for step, value in found if isfinite(value)]
    return [step for step, _ in finite], [value for _, value in finite]


def _read_state(path: Path) -> dict[str, Any] | None:
    """Return a trainer's state; None where there is none, or a kill has torn it."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and {"global_step", "log_history"} <= state.keys() else None
