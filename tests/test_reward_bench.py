"""The measurement of the reward's time runs, and counts what it says it counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from training.alignment.reward_bench import HELD, Shape


@pytest.mark.parametrize(
    ("shape", "least_s"), [(Shape(64, 64, 16, 0.5), 2.0), (Shape(64, 48, 16, 0.5), 1.5), (Shape(64, 49, 16, 0.5), 2.0)]
)
def test_the_least_time_is_one_latency_per_round_of_distinct_completions(shape: Shape, least_s: float) -> None:
    assert shape.least_s == least_s


def test_what_is_held_to_the_bound_has_a_judge_that_is_slow_enough() -> None:
    assert all(shape.latency_s >= 0.06 * shape.concurrency for shape in HELD)


@pytest.mark.slow
def test_a_small_step_is_measured() -> None:
    command = [sys.executable, "-m", "training.alignment.reward_bench", "--small", "--repeats", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[2].startswith("| 8 | 6 | 3 | 0.1 | 0.2 |"), done.stderr
