"""The smoke experiment compares like with like and says so when it is not as expected; its control learns from nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import InputError
from training.alignment.config import load_config
from training.alignment.gold import GoldPoint
from training.alignment.smoke import CONFIG, ShuffledReward, _can_begin, runs_in
from training.alignment.smoke_plot import draw_smoke
from training.alignment.smoke_stats import (
    REWARDED,
    SHUFFLED,
    Rise,
    Run,
    contrast,
    is_done,
    rise_of,
    surprises,
    table,
)
from training.grpo import check_keys

QUESTIONS = [f"q{number}" for number in range(12)]
SPREAD = [0.01 * number for number in range(12)]
Rewards = Sequence[float | None]


def point(step: int, scores: Mapping[str, float], coverage: float = 1.0) -> GoldPoint:
    return GoldPoint(step, sum(scores.values()) / len(scores), None, coverage, len(scores), scores)


def write_run(folder: Path, points: Sequence[GoldPoint], *, seed: int = 0, arm: str = REWARDED) -> Run:
    """Write what the statistics read of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gold.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in points))
    times = {"started": "2026-01-01T10:00:00+00:00", "ended": "2026-01-01T10:01:30+00:00"}
    (folder / "manifest.json").write_text(json.dumps({"schema_version": 1, **times}))
    return Run(seed, arm, folder)


def scores(gain: float = 0.0) -> dict[str, float]:
    return {
        name: number * 0.05 + gain * (1 + more)
        for number, (name, more) in enumerate(zip(QUESTIONS, SPREAD, strict=True))
    }


def risen(tmp_path: Path, gain: float, *, seed: int = 0, arm: str = REWARDED) -> Rise:
    run = write_run(tmp_path / f"{seed}-{arm}", [point(0, scores()), point(30, scores(gain))], seed=seed, arm=arm)
    return rise_of(run)


def test_a_rise_is_of_the_last_judgement_not_of_the_best(tmp_path: Path) -> None:
    run = write_run(tmp_path, [point(0, scores()), point(15, scores(0.5)), point(30, scores(0.1))])
    assert rise_of(run).gain == pytest.approx(0.1055)


def test_a_rise_is_of_the_questions_scored_both_times(tmp_path: Path) -> None:
    last = {name: score for name, score in scores(0.2).items() if name not in QUESTIONS[:2]}
    rise = rise_of(write_run(tmp_path, [point(0, scores()), point(30, last, coverage=0.8)]))
    assert (rise.n, rise.coverage, set(rise.gains)) == (10, 0.8, set(QUESTIONS[2:]))
    assert rise.gain == pytest.approx(0.2 * 1.065)


@pytest.mark.parametrize(("gain", "rises"), [(0.1, True), (0.0, False), (-0.1, False)])
def test_a_run_rises_when_its_whole_interval_does(tmp_path: Path, gain: float, rises: bool) -> None:
    found = risen(tmp_path, gain)
    assert found.rises is rises
    assert found.interval[0] <= found.gain <= found.interval[1]


def test_gains_and_losses_that_cancel_are_no_rise(tmp_path: Path) -> None:
    last = {name: score + (0.3 if number % 2 else -0.29) for number, (name, score) in enumerate(scores().items())}
    assert not rise_of(write_run(tmp_path, [point(0, scores()), point(30, last)])).rises


def test_a_run_without_scores_is_refused_by_name(tmp_path: Path) -> None:
    run = write_run(tmp_path, [GoldPoint(0, None, None, 0.0, 0)])
    with pytest.raises(InputError, match=str(tmp_path)):
        rise_of(run)


def test_the_contrast_is_the_rubrics_gain_less_the_controls(tmp_path: Path) -> None:
    rises = [risen(tmp_path, 0.3, seed=seed) for seed in (0, 1)]
    rises += [risen(tmp_path, 0.1, seed=seed, arm=SHUFFLED) for seed in (0, 1)]
    found = contrast(rises)
    assert found.gain == pytest.approx(0.2 * 1.055)
    assert found.interval[0] > 0
    assert found.n == 12


@pytest.mark.parametrize(
    ("rewarded", "shuffled", "surprising"),
    [
        ((0.3, 0.3), (0.0, 0.0), []),
        ((0.3, 0.0), (0.0, 0.0), ["seed 1, rubric: does not rise"]),
        ((0.3, 0.3), (0.1, -0.1), []),
        ((0.3, 0.3), (0.1, 0.1), ["shuffled: rises"]),
        ((0.1, 0.1), (0.1, 0.1), ["rubric less shuffled: does not rise", "shuffled: rises"]),
        ((0.3,), (0.1,), []),
        ((0.1,), (0.1,), ["rubric less shuffled: does not rise"]),
    ],
    ids=[
        "as expected",
        "a run doesn't learn",
        "controls go astray",
        "controls learn",
        "both alike",
        "one control",
        "one pair",
    ],
)
def test_what_is_not_as_expected_is_named(
    tmp_path: Path, rewarded: Sequence[float], shuffled: Sequence[float], surprising: list[str]
) -> None:
    rises = [risen(tmp_path, gain, seed=seed) for seed, gain in enumerate(rewarded)]
    rises += [risen(tmp_path, gain, seed=seed, arm=SHUFFLED) for seed, gain in enumerate(shuffled)]
    assert [line.partition(" (")[0] for line in surprises(rises)] == surprising


def test_the_table_has_a_row_per_run(tmp_path: Path) -> None:
    rows = table([risen(tmp_path, 0.2), risen(tmp_path, 0.0, arm=SHUFFLED)]).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == [REWARDED, SHUFFLED]
    assert [row.split(" | ")[8:] for row in rows] == [["yes", "1.5 |"], ["no", "1.5 |"]]


def test_only_a_run_with_its_end_and_its_model_is_done(tmp_path: Path) -> None:
    run = write_run(tmp_path, [])
    assert not is_done(run.folder)
    (tmp_path / "best").mkdir()
    assert is_done(run.folder)


def test_the_same_runs_give_the_same_picture(tmp_path: Path) -> None:
    runs = [risen(tmp_path, 0.2).run, risen(tmp_path, 0.0, arm=SHUFFLED).run]
    drawn = [draw_smoke(runs, tmp_path / f"{name}.png").read_bytes() for name in "ab"]
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith(b"\x89PNG")


def shuffled(rewards: Rewards, *, seed: int = 0, step: int = 0, split: str = "train") -> list[float | None]:
    """Return what the control makes of rewards."""
    reward = ShuffledReward(lambda *_, **__: list(rewards), seed=seed)
    columns: dict[str, Any] = {"split": [split] * len(rewards), "trainer_state": SimpleNamespace(global_step=step)}
    return reward([], [], [], **columns)


@given(st.lists(st.none() | st.floats(-1, 1), min_size=1, max_size=20), st.integers(0, 99), st.integers(0, 99))
def test_shuffled_rewards_are_the_same_rewards(rewards: list[float | None], seed: int, step: int) -> None:
    assert sorted(map(repr, shuffled(rewards, seed=seed, step=step))) == sorted(map(repr, rewards))


def test_a_repeated_step_is_shuffled_as_before_and_another_otherwise() -> None:
    rewards = [float(number) for number in range(32)]
    assert shuffled(rewards, step=3) == shuffled(rewards, step=3)
    orders = {tuple(shuffled(rewards, seed=seed, step=step)) for seed in range(3) for step in range(3)}
    assert len(orders) == 9


def test_gold_scores_are_never_shuffled() -> None:
    rewards = [float(number) for number in range(32)]
    assert shuffled(rewards, split="gold") == rewards


def test_rewarded_runs_come_before_their_controls(tmp_path: Path) -> None:
    assert [(run.seed, run.arm) for run in runs_in(tmp_path, (4, 5))] == [
        (4, REWARDED), (5, REWARDED), (4, SHUFFLED), (5, SHUFFLED)
    ]  # fmt: skip


def test_a_control_waits_for_the_model_that_it_begins_with(tmp_path: Path) -> None:
    rewarded, control = runs_in(tmp_path, (4,))
    assert (_can_begin(rewarded), _can_begin(control)) == (True, False)
    (rewarded.folder / "warm-start").mkdir(parents=True)
    assert _can_begin(control)


def test_a_control_of_a_run_without_warm_start_waits_for_its_end(tmp_path: Path) -> None:
    rewarded, control = runs_in(tmp_path, (4,))
    write_run(rewarded.folder, [])
    assert not _can_begin(control)
    (rewarded.folder / "best").mkdir()
    assert _can_begin(control)


def test_the_shipped_config_is_one_that_is_taken() -> None:
    config = load_config(CONFIG)
    check_keys(config)
    assert config.grpo["max_steps"] % config.gold.every == 0


@pytest.fixture
def short_config(tmp_path: Path) -> Path:
    """Return a file with the shipped run, cut down to two steps."""
    text = CONFIG.read_text(encoding="utf-8")
    for old, new in {
        "max_steps = 30": "max_steps = 2",
        "every = 15": "every = 1",
        "gold_most = 48": "gold_most = 3",
        "num_train_epochs = 3": "max_steps = 2",
        "per_device_train_batch_size = 64": "per_device_train_batch_size = 8",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "short.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("data_dir")
def test_the_command_prints_the_same_figures_again(short_config: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.alignment.smoke", "--config", str(short_config)]
    command += ["--output", str(tmp_path / "runs"), "--seeds", "0"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=280)

    first, again = run(), run()
    figures: Callable[[str], str] = lambda text: text[text.index("| seed") :]  # noqa: E731
    assert first.returncode in (0, 1), first.stderr
    assert figures(first.stdout) == again.stdout
    assert (tmp_path / "runs" / "smoke.png").is_file()
