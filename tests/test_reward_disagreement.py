"""How the reward's judge and the gold judge differ: counted rightly, kept exactly, told when the policy goes where it is wrong."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from disagreeing import RIGHT, WRONG, Rule, compared, judgement
from hypothesis import given
from hypothesis import strategies as st
from test_grpo_gold import watched as watched_points

from agent.errors import InputError
from evals.statistics import cohen_kappa
from training.alignment.disagreement import PENALTY, WANTED, Compared, disagreement
from training.alignment.drift import drift_warnings, has_risen
from training.alignment.drift_simulation import is_told
from training.alignment.gold import GOLD_FILE, GoldPoint, append_point, judged, read_points
from training.alignment.reward_guard import RewardGuard
from training.alignment.reward_report import JudgeTotals, StepReport
from training.alignment.rows import RewardCriterion
from training.alignment.watched_judge import WatchedJudge

METS = st.sampled_from([True, False, None])
ANSWERS = st.lists(st.lists(st.tuples(METS, METS, st.sampled_from([-3, 5]), st.sampled_from([None, "a", "b"]))))


def of_rows(rows: list[tuple[bool | None, bool | None, int, str | None]]) -> Compared:
    own, gold, points, axes = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Compared(points, axes, own, gold, None, None)


@given(ANSWERS)
def test_the_counts_are_those_of_the_verdicts(answers: list[Any]) -> None:
    found = disagreement(((str(n), of_rows(rows)) for n, rows in enumerate(answers)), judge="j", risk=None)
    decided = [(own, gold) for rows in answers for own, gold, _, _ in rows if gold is not None]
    both = [(own, gold) for own, gold in decided if own is not None]
    if found is None:
        assert not answers
        return
    assert (found.whole.known, found.whole.open) == (len(both), len(decided) - len(both))
    assert found.whole.wrong == sum(own is not gold for own, gold in both)
    assert found.whole.wrong == sum(one.wrong for one in found.questions.values())
    own, gold = [own for own, _ in both], [gold for _, gold in both]
    assert found.whole.kappa == (pytest.approx(cohen_kappa(gold, own)) if both else None)


@given(ANSWERS)
def test_wrongly_met_and_wrongly_unmet_add_up_to_the_share_that_differs(answers: list[Any]) -> None:
    found = disagreement(((str(n), of_rows(rows)) for n, rows in enumerate(answers)), judge="j", risk=None)
    told = found.metrics() if found else {}
    if "disagreement/share" in told:
        parts = told["disagreement/false_met"] + told["disagreement/false_unmet"]
        assert told["disagreement/share"] == pytest.approx(parts)
    assert all(0 <= value <= 1 for name, value in told.items() if not name.endswith(("kappa", "gap")))


@pytest.mark.parametrize(
    ("verdicts", "points", "kind"),
    [
        ((True, False), 5, 1),  # paid for what is not there
        ((False, True), 5, 0),
        ((True, False), -5, 0),
        ((False, True), -5, 1),  # not charged for what is there
        ((True, True), 5, 0),
        ((None, True), -5, 0),
    ],
)
def test_a_wrong_verdict_is_in_the_answer_s_favour_if_it_pays(
    verdicts: tuple[bool | None, bool], points: int, kind: int
) -> None:
    found = disagreement([("q", compared(verdicts, points=points))], judge="j", risk=None)
    assert found
    assert found.questions["q"].kind == kind


def test_verdicts_are_told_by_sign_and_axis() -> None:
    answers = [("q", compared(WRONG, RIGHT, axis="accuracy")), ("q", compared(WRONG, points=-2)), ("r", None)]
    found = disagreement(answers, judge="j", risk=None)
    assert found
    assert {name: (cells.wrong, cells.known) for name, cells in found.cells.items()} == {
        WANTED: (1, 2), PENALTY: (1, 1), "axis:accuracy": (1, 2),
    }  # fmt: skip
    assert found.metrics()["disagreement/axis:accuracy"] == 0.5
    assert list(found.questions) == ["q"]


def test_scores_are_compared_on_the_same_answers_and_questions_count_alike() -> None:
    answers = [("a", Compared((), (), (), (), own, gold)) for own, gold in ((0.8, 0.2), (0.6, 0.4), (0.9, None))]
    found = disagreement([*answers, ("b", Compared((), (), (), (), 0.1, 0.1))], judge="j", risk=None)
    assert found
    assert found.by_question("gap") == pytest.approx({"a": 0.4, "b": 0.0})
    assert (found.own_score, found.gold_score) == (pytest.approx(0.4), pytest.approx(0.2))
    assert found.metrics()["disagreement/gap"] == pytest.approx(0.2)


@pytest.mark.parametrize("answers", [[], [("q", None)]])
def test_what_nobody_compared_is_no_agreement(answers: list[Any]) -> None:
    assert disagreement(answers, judge="j", risk=None) is None


def test_what_cannot_be_had_has_no_name() -> None:
    found = disagreement([("q", compared((None, True)))], judge="j", risk=None)
    assert found
    assert found.metrics() == {"disagreement/coverage": 0.0}


def test_a_judgement_is_read_as_it_was_written(tmp_path: Path) -> None:
    point = judged(4, [("q0", 0.5)], reward=0.1, disagreement=judgement([0.2, 0.4], gaps=[0.1, 0.3], risk=0.2))
    append_point(tmp_path, point)
    append_point(tmp_path, GoldPoint(6, 0.5, None, 1.0, 1))
    assert read_points(tmp_path) == [point, GoldPoint(6, 0.5, None, 1.0, 1)]


@pytest.mark.parametrize("torn", [{"judge": "j"}, {"cells": 3}, 7])
def test_a_comparison_that_is_none_is_refused_with_its_line(tmp_path: Path, torn: Any) -> None:
    line = asdict(GoldPoint(4, 0.5, None, 1.0, 1)) | {"disagreement": torn}
    (tmp_path / GOLD_FILE).write_text(json.dumps(line) + "\n")
    with pytest.raises(InputError, match="line 1 is no judgement"):
        read_points(tmp_path)


LOW, HIGH = [0.1, 0.2] * 8, [0.4, 0.5] * 8


@pytest.mark.parametrize(
    ("course", "is_told"),
    [
        ([LOW, HIGH, HIGH], True),
        ([LOW, LOW, HIGH], False),  # once may be chance
        ([LOW, HIGH, LOW], False),
        ([LOW, HIGH], False),
        ([HIGH, HIGH, HIGH], False),  # wrong from the beginning is no drift
        ([HIGH, LOW, LOW], False),
        ([LOW[:6], HIGH[:6], HIGH[:6]], False),  # too few questions
        ([LOW, HIGH, HIGH, HIGH], False),  # told at the judgement before
        ([LOW, HIGH, HIGH, LOW, HIGH, HIGH], True),
    ],
)
@pytest.mark.parametrize("measure", ["kind", "gap"])
def test_a_policy_that_goes_to_where_the_judge_is_wrong_is_told_once(
    course: list[list[float]], is_told: bool, measure: str
) -> None:
    same = [0.0] * 16
    found = [judgement(one) if measure == "kind" else judgement(same[: len(one)], gaps=one) for one in course]
    told = drift_warnings(found)
    assert len(told) == is_told
    assert all("the policy is going to where small:tiny@1 is wrong" in one for one in told)


def test_a_rise_within_the_noise_of_the_questions_is_none() -> None:
    chance = random.Random(3)
    before = {f"q{number}": chance.random() for number in range(40)}
    after = {name: value + 0.01 + chance.gauss(0, 0.3) for name, value in before.items()}
    assert not has_risen(before, after)
    assert has_risen(before, {name: value + 0.3 for name, value in after.items()})
    assert not has_risen(before, {f"other {name}": 1.0 for name in after}), "no question is in both"


@pytest.mark.parametrize(("rise", "least", "most"), [(0.0, 0.0, 0.12), (0.1, 0.9, 1.0)])
def test_a_policy_that_stays_is_told_of_in_few_runs_and_one_that_drifts_in_most(
    rise: float, least: float, most: float
) -> None:
    chance = random.Random(5)
    told = sum(is_told(chance, questions=64, rise=rise) for _ in range(100)) / 100
    assert least <= told <= most


@pytest.mark.parametrize(
    ("course", "risk", "is_told"),
    [
        ([HIGH], 0.2, True),
        ([HIGH], 0.43, False),  # above, and within the noise
        ([LOW], 0.2, False),
        ([HIGH], None, False),  # a judge that promises nothing
        ([HIGH, HIGH], 0.2, False),  # told before
        ([LOW, HIGH], 0.2, True),
        ([HIGH[:6]], 0.2, False),
    ],
)
def test_more_wrong_verdicts_than_the_bounds_promise_are_told_once(
    course: list[list[float]], risk: float | None, is_told: bool
) -> None:
    told = [one for one in drift_warnings([judgement(one, risk=risk) for one in course]) if "bounds" in one]
    assert len(told) == is_told


def point(step: int, kind: list[float], *, coverage: float = 1.0) -> GoldPoint:
    return GoldPoint(step, 0.5, None, coverage, 1, {"q0": 0.5}, judgement(kind))


def test_a_resumed_run_tells_what_the_whole_one_tells(tmp_path: Path) -> None:
    points = [point(0, LOW), point(2, HIGH), point(4, HIGH), point(6, HIGH)]
    for one in points:
        append_point(tmp_path, one)
    told = watched_points(*points).warnings
    assert told == watched_points(*read_points(tmp_path)).warnings
    assert [one.split(":")[0] for one in told] == ["step 4"]


def test_a_judgement_without_enough_scores_shows_no_drift() -> None:
    course = [point(0, LOW), point(2, HIGH), point(4, HIGH, coverage=0.5)]
    assert not any("is wrong" in told for told in watched_points(*course).warnings)


def test_each_answer_is_compared_once_though_it_was_asked_again() -> None:
    own = WatchedJudge(Rule(), 0.8)

    def reward(prompts: Any, completions: Any, ids: Any, **_: Any) -> list[float | None]:
        own._compared = [compared(WRONG), compared(RIGHT), compared(RIGHT)]
        return [1.0, None, 0.5]

    guard = RewardGuard(reward, watched=own)
    guard.begin_judgement()
    guard([], [], [], id=["a", "b", "a"], split=["gold"] * 3)
    found = guard.disagreement(generations=1)
    assert found
    assert (found.whole.known, found.whole.wrong) == (2, 1)
    guard.begin_judgement()
    assert guard.disagreement(generations=1) is None


def test_without_a_judge_to_watch_nothing_is_compared() -> None:
    assert RewardGuard(lambda *_, **__: []).disagreement(generations=1) is None


def test_verdicts_that_the_judge_left_open_are_logged() -> None:
    report = StepReport(completions=2)
    rubric = [RewardCriterion(f"c{number}", 5) for number in range(4)]
    report.add_verdicts("q", rubric, [True, None, False, None])
    report.add_verdicts("r", rubric, [True, True, False, None])
    assert report.metrics()["judge/unknown"] == 3 / 8
    assert (report.as_line()["verdicts"], report.as_line()["unknown"]) == (8, 3)


def test_a_step_of_a_version_that_did_not_count_verdicts_is_added() -> None:
    totals, report = JudgeTotals(), StepReport(completions=1)
    report.add_verdicts("q", [RewardCriterion("c", 5)], [None])
    older = {name: value for name, value in report.as_line().items() if name not in {"verdicts", "unknown"}}
    for line in (older, report.as_line()):
        totals.add(line)
    assert (totals.verdicts, totals.unknown) == (1, 1)
