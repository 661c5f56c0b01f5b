"""The gold judgement also asks the reward's own judge about the same answers, and its failures change nothing in gold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from disagreeing import Rule
from grading_work import Judge
from reward_work import END, batch, open_jury, rules

from agent.testing import FakeServer
from training.alignment.disagreement import Compared
from training.alignment.kept_verdicts import KeptVerdicts
from training.alignment.reward_report import GOLD
from training.alignment.watched_judge import WatchedJudge
from training.reward import RubricReward

TEXTS = ["Take paracetamol . See a doctor .", "Take aspirin ."]
"""Of the rubric paracetamol +5, aspirin -4, doctor +5."""


def watched(folder: Path, server: FakeServer, own: Rule, **given: Any) -> RubricReward:
    """Return a reward by a rule, with the judge on the server as gold."""
    kept = KeptVerdicts(folder / "verdicts-0.sqlite")
    juries = {GOLD: open_jury(server, kept, split=GOLD)}
    return RubricReward(rules(), juries, folder, end_tokens={END}, watched=WatchedJudge(own, 0.8, **given))


def seen(reward: RubricReward) -> list[Compared | None]:
    assert reward.watched
    return reward.watched.take()


def test_held_out_answers_go_past_the_reward_s_judge_too(tmp_path: Path) -> None:
    with FakeServer(Judge()) as server:
        reward = watched(tmp_path, server, Rule({"doctor": True, "aspirin": False}))
        assert reward(**batch(TEXTS, split=GOLD)) == [1.0, -0.4], "what gold says is what counts"
        first, second = seen(reward)
    assert first and second
    assert (first.own, first.gold, first.own_score, first.gold_score) == ((True, False, True),) * 2 + (1.0, 1.0)
    assert (second.own, second.gold) == ((False, False, True), (False, True, False))
    assert (second.own_score, second.gold_score) == (0.5, -0.4)
    assert (second.points, second.axes) == ((5, -4, 5), ("accuracy", "accuracy", "completeness"))


def test_what_a_cascade_asks_another_judge_for_is_taken_from_gold(tmp_path: Path) -> None:
    with FakeServer(Judge()) as server:
        alone = watched(tmp_path / "a", server, Rule({"aspirin": None, "paracetamol": True}))
        cascade = watched(tmp_path / "b", server, Rule({"aspirin": None, "paracetamol": True}), is_part=True)
        for reward in (alone, cascade):
            reward(**batch(TEXTS[1:], split=GOLD))
        (of_alone,), (of_cascade,) = seen(alone), seen(cascade)
    assert of_alone and of_cascade
    assert of_alone.own_score is None, "10 of 14 points are known"
    assert of_cascade.own_score == pytest.approx((5 - 4) / 10)
    assert of_alone.own == of_cascade.own == (True, None, False)


@pytest.mark.parametrize("fault", [ValueError("broken"), TimeoutError()])
def test_a_watched_judge_that_fails_leaves_gold_as_it_is(tmp_path: Path, fault: Exception) -> None:
    class Broken(Rule):
        def grade(self, *_: Any, **__: Any) -> Any:
            raise fault

    with FakeServer(Judge()) as server:
        reward = watched(tmp_path, server, Broken())
        assert reward(**batch(TEXTS, split=GOLD)) == [1.0, -0.4]
        assert seen(reward) == [None, None]


def test_an_answer_that_gold_could_not_judge_is_compared_with_nothing(tmp_path: Path) -> None:
    def says(request: Any, number: int) -> str | None:
        return "{" if "aspirin" in request.answer else None

    with FakeServer(Judge(says)) as server:
        reward = watched(tmp_path, server, Rule())
        assert reward(**batch(TEXTS, split=GOLD)) == [1.0, None]
        first, second = seen(reward)
    assert first and second is None


def test_training_answers_are_judged_once(tmp_path: Path) -> None:
    with FakeServer(Judge()) as server:
        kept = KeptVerdicts(tmp_path / "verdicts-0.sqlite")
        juries = {"train": open_jury(server, kept)}
        reward = RubricReward(rules(), juries, tmp_path, end_tokens={END}, watched=WatchedJudge(Rule(), 0.8))
        reward(**batch(TEXTS))
        assert seen(reward) == []
