"""Where a run may begin or go on, how it is told, and what a signal does."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from grpo_runs import write_run

from agent.errors import ConfigError
from training.alignment.checkpoints import mark_whole
from training.alignment.config import load_config
from training.alignment.gold import GoldPoint, GoldWatch, append_point, read_points
from training.alignment.interrupts import Interrupts
from training.alignment.manifest import write_manifest
from training.alignment.reward_guard import RewardGuard
from training.alignment.reward_log import append_step
from training.alignment.run_folder import check_folder, check_same, resumed_from
from training.alignment.running import begin
from training.alignment.stopping import TrainingStopped


def begun(folder: Path, *, step: int | None = None) -> Path:
    """Return the folder of a run that has begun, with a checkpoint of a step."""
    config = load_config(write_run(folder, folder))
    run = folder / "run"
    run.mkdir()
    write_manifest(config, {}, "digest", run, processes=1)
    if step is not None:
        (run / f"checkpoint-{step}").mkdir()
        (run / f"checkpoint-{step}" / "weights").write_text("w")
        mark_whole(run / f"checkpoint-{step}")
    return run


@pytest.mark.parametrize("step", [None, 2], ids=["killed before a checkpoint", "with a checkpoint"])
def test_a_run_is_not_begun_where_there_is_one(tmp_path: Path, step: int | None) -> None:
    run = begun(tmp_path, step=step)
    with pytest.raises(ConfigError, match=r"holds a run already; go on with it by --resume, or name another --output"):
        check_folder(run, resume=False)
    check_folder(run, resume=True)


def test_a_file_is_no_folder_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        check_folder(tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("learning_rate = 1e-2", "learning_rate = 1e-3", r"grpo\.learning_rate: was 0\.01, is 0\.001"),
        ("every = 2", "every = 4", r"gold\.every: was 2, is 4"),
    ],
)
def test_another_run_is_not_gone_on_with(tmp_path: Path, before: str, after: str, told: str) -> None:
    run = begun(tmp_path, step=2)
    config = tmp_path / "run.toml"
    config.write_text(config.read_text().replace(before, after))
    with pytest.raises(ConfigError, match=told):
        check_same(run, load_config(config), "digest", processes=1)


@pytest.mark.parametrize(("digest", "processes", "told"), [("other", 1, "rows"), ("digest", 2, "were 1, are 2")])
def test_other_data_or_processes_are_told(tmp_path: Path, digest: str, processes: int, told: str) -> None:
    run = begun(tmp_path, step=2)
    with pytest.raises(ConfigError, match=told):
        check_same(run, load_config(tmp_path / "run.toml"), digest, processes=processes)


def test_a_checkpoint_that_was_cut_short_is_told_and_gone(tmp_path: Path) -> None:
    run, lines = begun(tmp_path, step=2), []
    (run / "checkpoint-4").mkdir()
    for step in (0, 2, 4):
        append_point(run, GoldPoint(step, 0.5, None, 1.0, 1))
    assert resumed_from(run, echo=lines.append) == run / "checkpoint-2"
    assert lines == ["checkpoint-4: cut short, passed over", "going on after step 2"]
    assert not (run / "checkpoint-4").exists()
    assert [point.step for point in read_points(run)] == [0, 2]


def test_a_judgement_that_was_cut_short_is_counted_once(tmp_path: Path) -> None:
    run = begun(tmp_path, step=4)
    for step, split in ((0, "gold"), (1, "train"), (2, "gold"), (4, "train"), (4, "gold")):
        append_step(run, step, split, {})
    for step in (0, 2):  # 4 was being judged when the run was stopped
        append_point(run, GoldPoint(step, 0.5, None, 1.0, 1))
    resumed_from(run, echo=lambda _: None)
    lines = [json.loads(line) for line in (run / "rewards.jsonl").read_text().splitlines()]
    assert [(line["step"], line["split"]) for line in lines] == [(0, "gold"), (1, "train"), (2, "gold"), (4, "train")]


def test_without_a_whole_checkpoint_a_run_begins_anew_and_says_so(tmp_path: Path) -> None:
    run, lines = begun(tmp_path), []
    append_point(run, GoldPoint(0, 0.5, None, 1.0, 1))
    assert resumed_from(run, echo=lines.append) is None
    assert lines == ["no whole checkpoint to go on from: beginning anew"]
    assert read_points(run) == []


def test_resuming_where_nothing_was_begun_begins(tmp_path: Path) -> None:
    config, lines = load_config(write_run(tmp_path, tmp_path), output=tmp_path / "run"), []
    (tmp_path / "run" / "data").mkdir(parents=True)  # the rows, which are there before the run is
    data: Any = SimpleNamespace(counts={}, digest="digest")
    begin(config, data, processes=1, is_first=True, resume=True, echo=lines.append)
    assert lines == ["no whole checkpoint to go on from: beginning anew"]
    with pytest.raises(ConfigError, match="were 1, are 2"):
        begin(config, data, processes=2, is_first=False, resume=True, echo=lines.append)


def test_the_first_signal_waits_for_the_step_and_the_second_does_not() -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.came_anywhere()
        assert interrupts.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_ends_waiting_for_the_judge_at_once() -> None:
    with Interrupts() as interrupts, pytest.raises(TrainingStopped), interrupts.waiting():
        os.kill(os.getpid(), signal.SIGINT)
    assert interrupts.signal == signal.SIGINT


def test_signals_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_the_guard_passes_rewards_on_and_keeps_gold_scores_alone() -> None:
    guard = RewardGuard(lambda prompts, completions, ids, **_: [1.0, None, 0.5])
    assert guard([], [], [], id=["a", "b", "a"], split=["gold"] * 3) == [1.0, None, 0.5]
    guard([], [], [], id=["c"] * 3, split=["train"] * 3)
    assert guard.gold_scores(generations=1) == [("a", 1.0), ("b", None)]
    guard.begin_judgement()
    assert guard.gold_scores(generations=1) == []


LOG: dict[str, Any] = {
    "loss": 0.1,
    "reward": 0.42,
    "step_time": 30.0,
    "completions/mean_length": 80.0,
    "reward/none": 0.25,
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {},
            "step 10/100  reward 0.420  without reward 25%  gold 0.500 at 0  length 80  30.0 s/step  judge 1.50  45 min to go",
        ),
        ({"reward": None, "reward/none": 1.0}, "step 10/100  reward none  without reward 100%"),
    ],
)
def test_a_line_tells_a_step(changes: dict[str, Any], told: str) -> None:
    from training.alignment.callbacks import Progress

    watch, lines = GoldWatch(), []
    watch.add(GoldPoint(0, 0.5, None, 1.0, 1, {"a": 0.5}))
    state: Any = SimpleNamespace(global_step=10, max_steps=100, is_world_process_zero=True)
    Progress(watch, lambda: 1.5, lines.append).on_log(None, state, None, LOG | changes)  # type: ignore[arg-type]
    assert lines[0].startswith(told)


def test_trls_warning_that_quotes_question_and_answer_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    from training.alignment.quiet import quieten

    quieten()
    log = logging.getLogger("trl.trainer.grpo_trainer")
    log.warning(
        "All reward functions returned None for the following kwargs:\n{'prompt': 'my wife ...'}\nPlease ensure"
    )
    log.warning("something else")
    assert caplog.messages == ["something else"]
