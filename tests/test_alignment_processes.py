"""Two processes on one machine (gloo): each completion is rewarded once, one process writes, and a killed run goes on exactly.

What FSDP and DeepSpeed do in its place: test_alignment_fsdp.py, test_alignment_deepspeed.py.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from grpo_runs import HELD_OUT, course
from process_runs import BATCH, PROCESSES, STEPS, launch, made_run, notes_of
from small_judge_runs import GENERATIONS, WORDS, with_small_judges
from trained_tiny import load, logits

from training.alignment.checkpoints import last_whole, step_of
from training.alignment.export import export_best
from training.alignment.gold import read_points
from training.alignment.manifest import read_manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the config of an uninterrupted run, and what it said."""
    config = made_run(tmp_path_factory.mktemp("whole"))
    ended = launch(config)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return config, ended.stdout


def test_each_completion_is_rewarded_by_one_process(whole: tuple[Path, str]) -> None:
    config, _ = whole
    per_step = [Counter(note["step"] for note in notes if note["split"] == "train") for notes in notes_of(config)]
    assert per_step == [dict.fromkeys(range(STEPS), BATCH)] * PROCESSES
    first, second = (
        [(note["step"], note["id"]) for note in notes if note["split"] == "train"] for notes in notes_of(config)
    )
    assert not set(first) & set(second), "a question's group is one process's own here"


def test_the_processes_do_not_say_the_same(whole: tuple[Path, str]) -> None:
    config, _ = whole
    first, second = (
        {tuple(note["tokens"]) for note in notes if note["split"] == "train"} for notes in notes_of(config)
    )
    assert len(first & second) < len(first) / 2


def test_a_held_out_question_counts_once_though_they_do_not_come_out_even(whole: tuple[Path, str]) -> None:
    config, _ = whole
    points = [json.loads(line) for line in (config.parent / "run" / "gold.jsonl").read_text().splitlines()]
    assert [point["step"] for point in points] == [0, 2, 4, 6, 8]
    assert all((point["n"], point["coverage"]) == (HELD_OUT, 1.0) for point in points)
    assert HELD_OUT % PROCESSES, "else the test shows nothing"


def test_the_first_process_alone_speaks_and_writes(whole: tuple[Path, str]) -> None:
    config, said = whole
    assert "rank 0: step 8/8" in said
    assert "rank 1" not in said
    manifest = read_manifest(config.parent / "run")
    assert manifest
    assert (manifest["processes"], manifest["steps"]) == (PROCESSES, STEPS)
    state = json.loads((config.parent / "run" / f"checkpoint-{STEPS}" / "trainer_state.json").read_text())
    assert [line["step"] for line in state["log_history"] if "loss" in line] == list(range(1, STEPS + 1))


def test_what_they_trained_is_one_model_that_is_served(whole: tuple[Path, str], tmp_path: Path) -> None:
    import torch

    base, last = whole[0].parent / "model", whole[0].parent / "run" / f"checkpoint-{STEPS}"
    export_best(last, str(base), tmp_path / "best", dtype="float32")
    assert torch.equal(logits(load(tmp_path / "best")), logits(load(last)))
    assert not torch.allclose(logits(load(last)), logits(load(base)), atol=1e-2)


def test_one_process_that_is_killed_ends_all_and_the_run_goes_on_exactly(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    config = made_run(tmp_path)
    assert launch(config, kill_at=9).returncode != 0
    checkpoint = last_whole(config.parent / "run")
    assert checkpoint
    assert 0 < step_of(checkpoint) < STEPS
    resumed = launch(config, "resume")
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert course(config) == course(whole[0])


def test_verdicts_on_held_out_answers_are_compared_once_whoever_has_them(tmp_path: Path) -> None:
    config = with_small_judges(made_run(tmp_path))
    ended = launch(config)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found = [point.disagreement for point in read_points(config.parent / "run")]
    assert len(found) == 5
    for one in found:
        assert one
        assert one.whole.known + one.whole.open == len(WORDS) * GENERATIONS * HELD_OUT
        assert len(one.questions) == HELD_OUT
