"""The reward as TRL calls it: which completions are judged, how often, and what is told about it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from grading_work import Judge
from reward_work import END, RUBRIC, batch, logged, open_reward, rules

from agent.config import load_settings
from agent.errors import ConfigError
from agent.testing import FakeServer
from training import reward as reward_module
from training.alignment.config import AlignmentConfig
from training.alignment.reward_log import REWARDS, append_step, forget_after
from training.alignment.reward_report import StepReport, merged
from training.alignment.rows import RewardCriterion
from training.reward import RubricReward, TrainingStopped, visible_text

GOOD, BAD = "Take paracetamol . See a doctor .", "Take aspirin ."
CUT = {"completion_ids": [[7, 7], [7, END]]}


def config(folder: Path, **sections: dict[str, Any]) -> AlignmentConfig:
    given = {"run": {"output": folder}, "model": {"path": "tiny"}, "data": {"files": ["shipped"]}, **sections}
    return AlignmentConfig.model_validate({"source": folder / "run.toml", **given})


def opened(folder: Path, *, world_size: int = 1, rank: int = 0, **sections: dict[str, Any]) -> RubricReward:
    return reward_module.open_reward(
        config(folder, **sections), load_settings(), folder, end_tokens={END}, world_size=world_size, rank=rank
    )


def test_equal_completions_are_judged_once_in_a_step_and_over_all_steps(tmp_path: Path) -> None:
    same = batch([GOOD, BAD, GOOD, GOOD]) | {"id": ["q"] * 4, "prompts": [[{"role": "user", "content": "?"}]] * 4}
    metrics, log_metric = logged()
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path)
        assert reward(**same, log_metric=log_metric) == [1.0, -0.4, 1.0, 1.0]
        assert (len(server.requests), metrics["judge/distinct_share"]) == (2, 0.5)
        assert reward(**same) == [1.0, -0.4, 1.0, 1.0]
        assert len(server.requests) == 2
    assert reward.totals.train.as_dict() | {"seconds": 0, "input_tokens": 0, "output_tokens": 0} == {
        "judged": 8, "distinct": 4, "kept": 2, "verdicts": 24, "unknown": 0, "none": {}, "retries": 0, "seconds": 0.0,
        "calls": 2, "input_tokens": 0, "output_tokens": 0, "cost": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected", "asked"),
    [
        ({}, [None, 1.0], 1),
        ({"truncated": "floor"}, [-1.0, 1.0], 1),
        ({"truncated": "floor", "veto": {"reward": -1.5}}, [-1.5, 1.0], 1),
        ({"truncated": "judge"}, [1.0, 1.0], 2),
    ],
)
def test_a_truncated_completion_is_asked_about_only_if_that_is_wanted(
    tmp_path: Path, given: dict[str, Any], expected: list[float | None], asked: int
) -> None:
    with FakeServer(Judge()) as server:
        assert open_reward(server, tmp_path, given)(**batch([GOOD, GOOD], **CUT)) == expected
        assert len(server.requests) == asked


def test_held_out_answers_have_their_plain_score_whatever_shapes_the_reward(tmp_path: Path) -> None:
    shape = {"positive_only": True, "saturate_at": 0.5, "veto": {"points": -4}, "length": {"budget": 1, "buffer": 1}}
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path, shape)
        assert reward(**batch([GOOD, BAD], split="gold", **CUT)) == [1.0, -0.4]
        assert reward(**batch([GOOD, BAD])) == [0.0, -1.5]
    assert (reward.totals.gold.judged, reward.totals.train.kept) == (2, 2)  # the same judge: no second call


def test_a_held_out_score_is_not_bounded_below(tmp_path: Path) -> None:
    rubric = [RUBRIC[0] | {"points": 1}, RUBRIC[1]]
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path)
        assert reward(**batch([BAD], split="gold", rubric=rubric)) == [-4.0]
        assert reward(**batch([BAD], rubric=rubric)) == [-1.0]


def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    with FakeServer(Judge()) as server:
        assert open_reward(server, tmp_path)(**batch([""])) == [0.0]


@pytest.mark.parametrize(
    ("completion", "shown"),
    [
        ("Rest.", "Rest."),
        ([{"role": "assistant", "content": "Rest."}], "Rest."),
        ([{"role": "assistant", "content": "<think>Aspirin?</think>\n\nRest."}], "Rest."),
        ([{"role": "assistant", "content": "Aspirin?</think>Rest."}], "Rest."),
        ([{"role": "assistant", "content": "<think>Aspirin? Or"}], ""),
        ([{"role": "assistant", "reasoning_content": "Aspirin?", "content": None}], ""),
    ],
)
def test_what_is_judged_is_what_a_user_sees(completion: Any, shown: str) -> None:
    assert visible_text(completion) == shown


def test_a_step_is_told_by_axis_principle_and_criterion_without_anybody_s_text(tmp_path: Path) -> None:
    metrics, log_metric = logged()
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path, {"price_input": 1.0})
        reward(**batch([GOOD, BAD], trainer_state=SimpleNamespace(global_step=4), log_metric=log_metric))
    assert metrics["met/axis:accuracy"] == metrics["met/principle:p-dose"] == 0.5
    assert metrics["penalty/axis:accuracy"] == 0.5
    assert (metrics["reward/none"], metrics["reward/known_share"], metrics["judge/calls"]) == (0, 1, 2)
    written = (tmp_path / REWARDS).read_text(encoding="utf-8")
    line = json.loads(written)
    assert (line["step"], line["reward"], line["scored"]) == (5, pytest.approx(0.3), 2)
    assert line["criteria"]["q0#1"] == [1, 1]
    assert line["criteria"]["q1#1"] == [0, 1]
    assert "paracetamol" not in written


def test_unknown_verdicts_count_on_neither_side_of_a_share() -> None:
    report = StepReport(completions=2)
    rubric = [RewardCriterion.from_dict(item) for item in RUBRIC]
    report.add_verdicts("q", rubric, [True, None, None])
    report.add_verdicts("q", rubric, [False, None, None])
    metrics = report.metrics()
    assert metrics["met/axis:accuracy"] == 0.5
    assert not {"penalty/axis:accuracy", "met/axis:completeness"} & metrics.keys()
    assert report.as_line()["criteria"] == {"q#1": [1, 2], "q#2": [0, 0], "q#3": [0, 0]}


@pytest.mark.parametrize(("checkpoint", "left"), [(0, 0), (2, 4), (9, 6)])
def test_lines_after_a_checkpoint_and_torn_ones_are_forgotten(tmp_path: Path, checkpoint: int, left: int) -> None:
    forget_after(tmp_path, checkpoint)  # a run that has none yet
    for step, split in ((0, "gold"), (1, "train"), (2, "train"), (2, "gold"), (3, "train"), (3, "gold")):
        append_step(tmp_path, step, split, {})
    before = (tmp_path / REWARDS).read_text(encoding="utf-8")
    (tmp_path / REWARDS).write_text(f'{before}{{"step": 2, "comp', encoding="utf-8")
    forget_after(tmp_path, checkpoint)
    assert (tmp_path / REWARDS).read_text(encoding="utf-8").splitlines() == before.splitlines()[:left]


def test_processes_share_the_requests_and_add_up_what_they_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    sections = {"reward": {"judge": "openai:fake", "concurrency": 7}}
    shares = [opened(tmp_path, world_size=3, rank=rank, **sections)._juries["train"].concurrency for rank in range(3)]
    assert shares == [3, 2, 2]
    first = StepReport(completions=2, rewards=[1.0], judged=2, seconds=1.0, known_shares=[1.0])
    second = StepReport(completions=2, judged=2, seconds=3.0, trouble="it is down")
    first.none["late"], second.none["late"] = 1, 2
    whole = merged([first, second])
    assert (whole.completions, whole.none["late"], whole.seconds, whole.trouble) == (4, 3, 3.0, "it is down")
    assert not whole.is_blind


def test_the_bound_on_cost_ends_training_after_the_step_that_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(Judge()) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        prices = {"judge": "openai:fake", "price_input": 1000.0, "max_cost": 3.0}
        reward = opened(tmp_path, reward=prices)
        steps = 0
        with pytest.raises(TrainingStopped, match=r"have cost 3\.\d\d, of reward\.max_cost 3"):
            for steps in range(20):
                reward(**batch([f"{GOOD} {steps}"]))
        assert 1 < steps < 10
        reward.close()
        asked = len(server.requests)
        again = opened(tmp_path, reward=prices)  # the money is spent, whoever asks
        with pytest.raises(TrainingStopped):
            again(**batch([f"{GOOD} {steps}"]))
        assert len(server.requests) == asked, "what was paid for is paid again"


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"reward": {"judge": "openai:fake", "max_cost": 1.0}}, "max_cost needs reward.price_input"),
        ({"reward": {"judge": "gpt"}}, "'gpt' is none of provider:name"),
        ({"gold": {"judge": "nowhere:gpt"}}, "nowhere"),
    ],
)
def test_a_judge_or_bound_that_cannot_be_is_refused(tmp_path: Path, sections: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        opened(tmp_path, world_size=2, **sections)


def test_totals_of_a_continued_run_are_the_whole_run_s(tmp_path: Path) -> None:
    with FakeServer(Judge(lambda request, number: "{" if number == 1 else None)) as server:
        reward = open_reward(server, tmp_path)
        reward(**batch([GOOD, BAD]))
        reward(**batch([GOOD], split="gold"))
        reward.close()
        again = open_reward(server, tmp_path)
    assert again.totals == reward.totals
    assert (again.totals.train.retries, again.totals.gold.judged) == (1, 1)
    assert json.loads(json.dumps(again.totals.as_dict())) == reward.totals.as_dict()


def test_the_embedded_judge_rewards_the_library_s_own_criteria(tmp_path: Path, data_dir: Path) -> None:
    from training.alignment.shipped import shipped_rows

    row = next(row for row in shipped_rows() if len(row.rubric) > 2)
    texts = ["See a doctor today.", ""]
    given = batch(texts, rubric=[item.as_dict() for item in row.rubric]) | {"prompts": [row.conversation] * 2}
    reward = opened(tmp_path, reward={"judge": "embedded", "min_known": 0.01})
    assert reward(**given) == reward(**given)
    assert not list(tmp_path.glob("*.sqlite"))
    assert reward.totals.train.judged == 4


def test_only_verdicts_that_are_paid_for_are_kept_and_asked_for_many_at_a_time(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    juries = opened(tmp_path, reward={"judge": "embedded"}, gold={"judge": "openai:fake"})._juries
    assert (juries["train"].concurrency, juries["train"].kept) == (1, None)
    assert juries["gold"].concurrency == 64
    assert juries["gold"].kept is not None


def test_trl_names_the_metrics_by_the_function(tmp_path: Path) -> None:
    assert RubricReward(rules(), {}, tmp_path, end_tokens={END}).__name__ == "rubric_reward"
