"""What follows from the gold judge's judgements: best checkpoint, patience, warnings, and their record."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.errors import InputError
from training.alignment.gold import (
    GOLD_FILE,
    GoldPoint,
    GoldWatch,
    append_point,
    forget_points,
    judged,
    mean_reward,
    read_points,
)
from training.alignment.trainer import GOLD_SEED, gold_seed


def point(
    step: int, gold: float | None, *, reward: float | None = None, coverage: float = 1.0, spread: float = 0.0
) -> GoldPoint:
    scores = {} if gold is None else {f"q{number}": gold + spread * (-1) ** (number + step // 2) for number in range(4)}
    return GoldPoint(step, gold, reward, coverage, len(scores), scores)


def watched(*points: GoldPoint, patience: int | None = None, min_gain: float = 0.0) -> GoldWatch:
    watch = GoldWatch(patience=patience, min_gain=min_gain)
    for one in points:
        watch.add(one)
    return watch


def test_a_judgement_is_the_mean_over_questions_not_over_completions() -> None:
    found = judged(4, [("a", 1.0), ("a", 0.0), ("b", 1.0)], reward=0.3)
    assert (found.gold, found.n, found.scores) == (0.75, 2, {"a": 0.5, "b": 1.0})


def test_completions_without_a_score_lower_the_coverage_and_not_the_score() -> None:
    found = judged(4, [("a", 0.6), ("a", None), ("b", None)], reward=None)
    assert (found.gold, found.n) == (0.6, 1)
    assert found.coverage == pytest.approx(1 / 3)


@pytest.mark.parametrize("scores", [[], [("a", None)]])
def test_a_judgement_without_any_score_has_no_value(scores: list[tuple[str, float | None]]) -> None:
    found = judged(4, scores, reward=None)
    assert found.gold is None
    assert not found.counts


def test_the_first_of_two_equal_judgements_is_the_best() -> None:
    watch = watched(point(0, 0.2), point(2, 0.5), point(4, 0.5), point(6, 0.4))
    assert watch.best is watch.points[1]


def test_a_checkpoint_is_no_better_for_leaving_hard_questions_without_a_score() -> None:
    whole = GoldPoint(0, 0.4, None, 1.0, 5, {"hard": 0.0, **{f"easy {number}": 0.5 for number in range(4)}})
    without = GoldPoint(2, 0.5, None, 0.8, 4, {f"easy {number}": 0.5 for number in range(4)})
    assert watched(whole, without).best is whole


def test_a_gain_below_the_least_is_none() -> None:
    watch = watched(point(0, 0.5), point(2, 0.505), patience=1, min_gain=0.01)
    assert watch.best is watch.points[0]
    assert watch.should_stop


def test_patience_begins_anew_with_every_better_judgement() -> None:
    watch = watched(point(0, 0.1), point(2, 0.0), point(4, 0.2), point(6, 0.0), patience=2)
    assert not watch.should_stop
    watch.add(point(8, 0.2))
    assert watch.should_stop


@pytest.mark.parametrize("unusable", [point(4, None, coverage=0.0), point(4, 0.9, coverage=0.79)])
def test_a_judgement_of_too_few_completions_chooses_nothing_and_says_so(unusable: GoldPoint) -> None:
    watch = watched(point(0, 0.1), point(2, 0.2), unusable, patience=1)
    assert watch.best is watch.points[1]
    assert not watch.should_stop
    assert "chooses nothing" in watch.warnings[-1]


RISING = [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("rewards", "golds", "spread", "is_told"),
    [
        (RISING, [0.5, 0.4, 0.4, 0.3], 0.0, True),
        (RISING, [0.5, 0.4, 0.4, 0.6], 0.0, False),  # gold climbs too
        (RISING[::-1], [0.5, 0.4, 0.4, 0.3], 0.0, False),  # both fall
        (RISING, [0.50, 0.50, 0.50, 0.45], 0.3, False),  # within the noise of the questions
        (RISING[:3], [0.5, 0.4, 0.3], 0.0, False),  # too few to tell
    ],
)
def test_a_reward_that_climbs_while_gold_falls_is_told(
    rewards: list[float], golds: list[float], spread: float, is_told: bool
) -> None:
    points = [
        point(2 * n, gold, reward=reward, spread=spread)
        for n, (gold, reward) in enumerate(zip(golds, rewards, strict=True), 1)
    ]
    assert ("learning its judge" in str(watched(point(0, 0.5), *points).warnings)) == is_told


def test_the_training_reward_is_the_mean_of_the_steps_since_the_last_judgement() -> None:
    log = [
        {"step": 2, "reward": 0.0},
        {"step": 3, "reward": 0.4},
        {"step": 3, "eval_reward": 1.0},
        {"step": 4, "reward": None},
        {"step": 5, "reward": 0.6},
    ]
    assert mean_reward(log, after=2) == 0.5
    assert mean_reward(log, after=5) is None


def test_judgements_after_the_checkpoint_are_forgotten_in_the_file_too(tmp_path: Path) -> None:
    for step in (0, 2, 4):
        append_point(tmp_path, point(step, 0.1 * step, reward=0.2))
    forget_points(tmp_path, after=2)
    assert read_points(tmp_path) == [point(0, 0.0, reward=0.2), point(2, 0.2, reward=0.2)]


def test_a_line_that_a_kill_cut_short_is_forgotten(tmp_path: Path) -> None:
    append_point(tmp_path, point(0, 0.5))
    with (tmp_path / GOLD_FILE).open("a") as file:
        file.write('{"step": 2, "gold": 0.')
    assert [one.step for one in read_points(tmp_path)] == [0]


def test_a_line_that_is_no_judgement_is_refused_with_its_number(tmp_path: Path) -> None:
    append_point(tmp_path, point(0, 0.5))
    with (tmp_path / GOLD_FILE).open("a") as file:
        file.write("{}\n")
    with pytest.raises(InputError, match="line 2 is no judgement"):
        read_points(tmp_path)


@pytest.mark.parametrize(
    ("use_vllm", "mode", "parts", "draws"),
    [
        (True, "colocate", 4, [0, 0, 0, 0, 1, 1, 1, 1]),
        (True, "colocate", 1, list(range(8))),
        (True, "server", 4, list(range(8))),
        (False, "colocate", 4, list(range(8))),
    ],
    ids=["two vLLMs of four parts", "a vLLM each", "a server", "transformers"],
)
def test_processes_that_share_a_vllm_sample_alike_and_others_do_not(
    use_vllm: bool, mode: str, parts: int, draws: list[int]
) -> None:
    shared = {"seed": 0, "use_vllm": use_vllm, "vllm_mode": mode, "vllm_tensor_parallel_size": parts}
    found = [gold_seed(SimpleNamespace(process_index=rank, **shared)) - GOLD_SEED for rank in range(8)]
    assert found == draws
