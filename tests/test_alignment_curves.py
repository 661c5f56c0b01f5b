"""The picture of a run: drawn from whatever its folder holds, the same bytes each time, readable without colour."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from disagreeing import judgement

from agent.errors import InputError
from training.alignment.curves import DARK, GOLD, TRAIN, draw_curves, smoothed
from training.alignment.gold import GoldPoint, append_point
from training.alignment.history import gold_gain, gold_interval, mean_interval, read_gold, read_log, series

PNG = b"\x89PNG\r\n"


def log_entry(step: int) -> dict[str, Any]:
    chance = random.Random(step)
    return {
        "step": step,
        "reward": chance.random(),
        "reward/none": 0.1,
        "completions/mean_length": 100.0,
        "judge/cost": 0.01,
    }


def write_state(folder: Path, step: int, *, place: str = "") -> None:
    (folder / place).mkdir(parents=True, exist_ok=True)
    state = {"global_step": step, "log_history": [log_entry(number) for number in range(1, step + 1)]}
    (folder / place / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")


def gold_point(step: int, *scores: float) -> GoldPoint:
    of_question = {f"q{number}": score for number, score in enumerate(scores)}
    mean = sum(scores) / len(scores) if scores else None
    return GoldPoint(step, mean, 0.5, 1.0 if scores else 0.0, len(scores), of_question)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    write_state(tmp_path, 30, place="checkpoint-30")
    for step in (0, 10, 20, 30):
        append_point(tmp_path, gold_point(step, 0.2 + step / 100, 0.3, 0.4))
    return tmp_path


def shown_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the labels and other words of the figure that is drawn."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k))[1])
    draw_curves(folder)
    return [text.get_text() for text in figures[0].findobj(Text)]  # type: ignore[attr-defined]


def test_the_same_logs_give_the_same_picture(run_folder: Path) -> None:
    first = draw_curves(run_folder).read_bytes()
    assert first == draw_curves(run_folder).read_bytes()
    assert first.startswith(PNG)
    assert not list(run_folder.glob(".*"))


def test_nothing_of_the_run_is_changed_by_looking(run_folder: Path) -> None:
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    draw_curves(run_folder)
    assert before == {path: path.read_bytes() for path in before}


def test_every_quantity_has_its_panel(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shown_text(run_folder, monkeypatch)
    for label in ("reward", "no reward, %", "answer, tokens", "judge, cost\nper step", "step", "best by gold, step 30"):
        assert label in words
    assert "nothing logged" not in words


def test_what_the_reward_s_judge_gets_wrong_has_a_panel_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step, share in ((0, 0.1), (10, 0.3)):
        append_point(tmp_path, replace(gold_point(step, 0.2, 0.3), disagreement=judgement([share] * 4)))
    words = shown_text(tmp_path, monkeypatch)
    assert {"verdicts of the\nreward's judge, %", "wrong by gold", "wrong and in the answer's favour"} <= set(words)


def test_a_judge_without_a_price_is_shown_by_its_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = [log_entry(1) | {"judge/cost": 0.0, "judge/calls": 64.0}]
    state = {"global_step": 1, "log_history": log}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    assert "judge, calls\nper step" in shown_text(tmp_path, monkeypatch)


@pytest.mark.parametrize("state", [None, "{", "[]", '{"global_step": 3, "log_history": []}'])
def test_a_run_that_has_logged_nothing_says_so(
    tmp_path: Path, state: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if state is not None:
        (tmp_path / "trainer_state.json").write_text(state, encoding="utf-8")
    assert shown_text(tmp_path, monkeypatch).count("nothing logged") == 4


def test_the_furthest_checkpoint_is_read_and_a_torn_one_passed_over(tmp_path: Path) -> None:
    for step in (8, 10):  # of which 10 comes before 8 by name
        write_state(tmp_path, step, place=f"checkpoint-{step}")
    (tmp_path / "checkpoint-12").mkdir()
    (tmp_path / "checkpoint-12" / "trainer_state.json").write_text('{"global_step": 12,', encoding="utf-8")
    assert [entry["step"] for entry in read_log(tmp_path)] == list(range(1, 11))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_figure_that_could_not_be_had_is_no_zero(value: float | None) -> None:
    log = [{"step": 1, "reward": 0.5}, {"step": 2, "reward": value}, {"step": 3, "loss": 1.0}]
    assert series(log, "reward") == ([1], [0.5])


def test_a_judgement_that_is_being_written_is_left_out(run_folder: Path) -> None:
    with (run_folder / "gold.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 40, "gold"')
    assert [point.step for point in read_gold(run_folder)] == [0, 10, 20, 30]


def test_a_line_that_is_no_judgement_is_named(run_folder: Path) -> None:
    with (run_folder / "gold.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 40}\n')
    with pytest.raises(InputError, match=r"gold\.jsonl: line 5 is no judgement"):
        read_gold(run_folder)


def test_judgements_without_any_score_are_drawn_as_none(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_point(run_folder, gold_point(40))
    assert "best by gold, step 30" in shown_text(run_folder, monkeypatch)


def test_a_judgement_of_few_questions_is_not_the_highest(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_point(run_folder, GoldPoint(40, 0.9, 0.5, coverage=0.3, n=1, scores={"q0": 0.9}))
    assert "best by gold, step 30" in shown_text(run_folder, monkeypatch)


def test_smoothing_takes_what_came_before_alone() -> None:
    assert smoothed([1.0, 3.0, 5.0, 9.0], width=2) == [1.0, 2.0, 4.0, 7.0]
    assert smoothed([], width=2) == []


def test_the_interval_is_that_of_a_mean_over_questions() -> None:
    chance = random.Random(1)
    values = [chance.gauss(0.5, 0.2) for _ in range(400)]
    interval = mean_interval(values)
    assert interval is not None
    low, high = interval
    assert low < sum(values) / len(values) < high
    assert high - low == pytest.approx(2 * 1.96 * 0.2 / 20, rel=0.15)
    assert gold_interval(gold_point(1, 0.3)) is None, "one question says nothing of others"


def test_a_gain_is_taken_question_by_question() -> None:
    gain = gold_gain(gold_point(0, 0.1, 0.5, 0.9), gold_point(5, 0.2, 0.6))
    assert gain is not None
    mean, interval, n = gain
    assert (mean, n) == (pytest.approx(0.1), 2)
    assert interval == (pytest.approx(0.1), pytest.approx(0.1)), "both gained the same"
    assert gold_gain(gold_point(0), gold_point(5, 0.2)) is None


def test_lines_differ_in_grey_too() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light = sorted(lightness(colour) for colour in (TRAIN, GOLD, DARK))
    assert min(later - earlier for earlier, later in pairwise(light)) > 40
