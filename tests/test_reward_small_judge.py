"""The reward of a small judge and of a cascade: what is asked, what is kept, what is compared with gold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from grading_work import Judge
from reward_work import END, batch, logged
from tiny_judge import make_tiny_judge

from agent.config import load_settings
from agent.testing import FakeServer
from training.alignment.config import AlignmentConfig
from training.reward import RubricReward, open_reward

RUBRIC = (
    {"criterion": "paracetamol", "points": 5, "axis": "accuracy"},
    {"criterion": "aspirin", "points": -4, "axis": "accuracy"},
    {"criterion": "soon doctor", "points": 5, "axis": "completeness"},
)
OPEN, SURE = "Take paracetamol . See a doctor .", "Take aspirin . Soon see a doctor ."
"""The tiny judge knows half of the last criterion's words in the first, all or none of each in the second."""


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """Serve a judge who looks for the last word of a criterion."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with FakeServer(judge := Judge()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        yield judge


def opened(folder: Path, rest: str = "", gold: str | None = None) -> RubricReward:
    """Return the reward by the tiny judge."""
    given = {
        "run": {"output": folder},
        "model": {"path": "tiny"},
        "data": {"files": ["shipped"]},
        "reward": {"judge": f"small:{make_tiny_judge(folder / 'tiny')}{rest}"},
        "gold": {"judge": gold} if gold else {},
    }
    config = AlignmentConfig.model_validate({"source": folder / "run.toml", **given})
    return open_reward(config, load_settings(), folder, end_tokens={END})


def test_it_rewards_without_a_call_and_the_same_each_time(tmp_path: Path, judge: Judge) -> None:
    reward, (metrics, log_metric) = opened(tmp_path), logged()
    assert reward(**batch([OPEN, SURE], rubric=RUBRIC), log_metric=log_metric) == [None, pytest.approx(0.1)]
    assert reward(**batch([OPEN, SURE], rubric=RUBRIC)) == [None, pytest.approx(0.1)]
    assert (metrics["judge/unknown"], metrics["reward/none:undecided"], metrics["judge/calls"]) == (1 / 6, 0.5, 0)
    assert not judge.requests
    assert not list(tmp_path.glob("*.sqlite")), "what costs nothing is not kept"


def test_a_cascade_asks_about_what_is_open_and_keeps_what_it_paid_for(tmp_path: Path, judge: Judge) -> None:
    reward = opened(tmp_path, ",openai:fake")
    work = batch([OPEN, SURE], rubric=RUBRIC)
    assert reward(**work) == [1.0, pytest.approx(0.1)]
    assert [request.answer for request in judge.requests] == [OPEN]
    assert reward(**work) == [1.0, pytest.approx(0.1)]
    assert len(judge.requests) == 1
    assert reward.totals.train.kept == 2


@pytest.mark.parametrize(("rest", "is_part", "own_score"), [("", False, None), (",openai:fake", True, 1.0)])
def test_gold_is_compared_with_the_small_judge_alone(
    tmp_path: Path, judge: Judge, rest: str, is_part: bool, own_score: float | None
) -> None:
    reward = opened(tmp_path, rest, "openai:fake")
    assert reward(**batch([OPEN], rubric=RUBRIC, split="gold")) == [1.0]
    assert len(judge.requests) == 1, "gold's call and no other"
    assert reward.watched
    assert (reward.watched.is_part, reward.watched.risk) == (is_part, 0.2)
    assert reward.watched.grader.name.startswith("small:tiny@")
    (found,) = reward.watched.take()
    assert found
    assert (found.own, found.gold, found.own_score) == ((True, False, None), (True, False, True), own_score)


def test_a_gold_judge_that_is_the_reward_s_is_not_compared_with_itself(tmp_path: Path, judge: Judge) -> None:
    assert opened(tmp_path).watched is None
