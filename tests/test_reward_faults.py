"""A judge that fails, over real sockets: it costs time or a reward, and never makes one wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from grading_work import Judge, cut_off
from hypothesis import given, settings
from hypothesis import strategies as st
from reward_work import batch, logged, open_reward

from agent.testing import FakeServer, Fault, Reply, refusing_url
from agent.testing_replies import Scripted
from evals.grading.rehearsed import Asked
from training.reward import TrainingStopped

GOOD, BAD = "Take paracetamol . See a doctor .", "Take aspirin ."
TEXTS = [f"{GOOD if number % 2 else BAD} case{number}" for number in range(8)]
TRUTH = [1.0 if number % 2 else -0.4 for number in range(8)]
ONE_SHORT = '{"verdicts": [{"criterion": 1, "explanation": "", "criteria_met": false}]}'
SAID: list[Scripted] = [
    Fault.http(500),
    Fault.http(503),
    Fault.http(429),
    Fault.http(401),
    Fault.reset(),
    Fault.truncated_body(),
    Fault.no_api(),
    Fault.hang(),
    Reply(""),
    Reply("I can't help with that."),
    Reply("", refusal="no"),
    ONE_SHORT,
    ONE_SHORT.replace("false", "null"),
    '{"verdicts": []}',
]


def number_of(request: Asked) -> int:
    return int(request.answer.rsplit("case", 1)[1])


def gives_up_calls(server: FakeServer) -> bool:
    deadline = time.monotonic() + 5
    while not server.disconnects and time.monotonic() < deadline:
        time.sleep(0.01)
    return server.disconnects > 0


@settings(max_examples=15)
@given(st.lists(st.lists(st.integers(0, len(SAID) - 1), max_size=5), min_size=8, max_size=8), st.booleans())
def test_any_mix_of_faults_changes_a_reward_only_to_none(plans: list[list[int]], is_shared: bool) -> None:
    left = [list(plan) for plan in plans]

    def instead(request: Asked, number: int) -> Fault | Reply | str | None:
        plan = left[0 if is_shared else number_of(request)]
        return SAID[plan.pop()] if plan else None

    with FakeServer(Judge(instead)) as server, TemporaryDirectory() as folder:
        reward = open_reward(server, Path(folder), deadline_s=0.6, timeout_s=0.2)
        given_ = reward(**batch(TEXTS))
        reward.close()
    assert all(one is None or one == true for one, true in zip(given_, TRUTH, strict=True))


def test_a_reply_that_is_cut_off_is_asked_for_in_parts_and_no_part_counts_alone(tmp_path: Path) -> None:
    def instead(request: Asked, number: int) -> Reply | Fault | None:
        if len(request.criteria) == 3:
            return cut_off(request)
        return Fault.http(401) if "Says doctor" in request.criteria.values() else None

    with FakeServer(Judge(instead)) as server:
        reward = open_reward(server, tmp_path, {"min_known": 0.1})
        assert reward(**batch(TEXTS[:2])) == [None, None]
    assert reward.totals.train.none == {"authentication": 2}


def test_what_may_pass_is_tried_again_though_another_part_could_not_be_read(tmp_path: Path) -> None:
    left = ["{", "{", "{", Fault.http(500), Fault.http(500)]

    def instead(request: Asked, number: int) -> Reply | Fault | str | None:
        return cut_off(request) if number == 1 else left.pop(0) if left else None

    with FakeServer(Judge(instead)) as server:
        assert open_reward(server, tmp_path)(**batch(TEXTS[:1])) == TRUTH[:1]


def test_a_judge_that_is_down_for_a_while_costs_that_while_and_no_reward(tmp_path: Path) -> None:
    port = int(refusing_url().split(":")[2].split("/")[0])
    server = FakeServer(Judge(), port=port)
    threading.Timer(0.6, server.__enter__).start()
    reward = open_reward(f"http://127.0.0.1:{port}/v1", tmp_path)
    began = time.monotonic()
    assert reward(**batch(TEXTS)) == TRUTH
    assert 0.6 <= time.monotonic() - began < 3
    assert reward.totals.train.retries >= len(TEXTS)
    server.__exit__()


@pytest.mark.parametrize(("times", "lost"), [(1, 0), (2, 0), (3, 8), (99, 8)])
def test_broken_replies_to_one_completion_in_five_cost_no_other_reward(tmp_path: Path, times: int, lost: int) -> None:
    texts = [f"{GOOD} case{number}" for number in range(40)]
    seen: Counter[int] = Counter()

    def instead(request: Asked, number: int) -> str | None:
        seen[number_of(request)] += 1
        return '{"verdicts": [' if number_of(request) % 5 == 0 and seen[number_of(request)] <= times else None

    with FakeServer(Judge(instead)) as server:
        reward = open_reward(server, tmp_path)
        given_ = reward(**batch(texts))
    assert given_ == [None if lost and number % 5 == 0 else 1.0 for number in range(40)]
    assert reward.totals.train.none["malformed reply"] == lost
    assert reward.totals.train.retries == 8 * min(times, 2)


def test_an_endless_call_holds_the_step_until_the_deadline_and_costs_its_own_reward_alone(tmp_path: Path) -> None:
    said = ["{", Fault.hang()]  # what was paid before it hung counts too
    hangs = Judge(lambda request, number: said.pop(0) if number_of(request) == 3 else None)
    metrics, log_metric = logged()
    with FakeServer(hangs) as server:
        reward = open_reward(server, tmp_path, deadline_s=1.0)
        began = time.monotonic()
        given_ = reward(**batch(TEXTS, log_metric=log_metric))
        took_s = time.monotonic() - began
        assert given_ == [*TRUTH[:3], None, *TRUTH[4:]]
        assert took_s < 1.5
        assert metrics["judge/late"] == 1
        assert metrics["judge/calls"] == reward.totals.train.spent.calls == 8
        assert metrics["reward/none:late"] == 1 / 8
        assert gives_up_calls(server)


def test_an_interrupt_in_mid_step_gives_up_the_calls(tmp_path: Path) -> None:
    def interrupt(keys: object, sheets: object, spent: object) -> None:
        raise KeyboardInterrupt

    hangs = Judge(lambda request, number: Fault.hang() if number_of(request) == 3 else None)
    with FakeServer(hangs) as server:
        reward = open_reward(server, tmp_path, deadline_s=60)
        reward._juries["train"]._keep = interrupt  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            reward(**batch(TEXTS))
        assert gives_up_calls(server)


def test_a_completion_that_breaks_the_judge_does_not_hold_the_others_until_the_deadline(tmp_path: Path) -> None:
    poisoned = Judge(lambda request, number: Fault.http(500) if number_of(request) == 0 else None)
    with FakeServer(poisoned) as server:
        reward = open_reward(server, tmp_path, deadline_s=60)
        began = time.monotonic()
        assert reward(**batch(TEXTS)) == [None, *TRUTH[1:]]
    assert time.monotonic() - began < 5
    assert reward.totals.train.none == {"server error": 1}


def test_a_judge_that_raises_costs_the_one_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(Judge()) as server:
        reward = open_reward(server, tmp_path)
        grader = reward._juries["train"].grader
        grade = type(grader).grade

        def raising(self: object, conversation: object, response: str, *rest: object, **more: object) -> object:
            if "case3" in response:
                raise ZeroDivisionError(response)
            return grade(grader, conversation, response, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(type(grader), "grade", raising)
        assert reward(**batch(TEXTS)) == [*TRUTH[:3], None, *TRUTH[4:]]
    assert reward.totals.train.none == {"judge error": 1}


def test_training_stops_when_the_judge_says_nothing_any_more(tmp_path: Path) -> None:
    with FakeServer(Fault.wrong_key()) as server:
        reward = open_reward(server, tmp_path)
        assert [reward(**batch(TEXTS)) for _ in range(2)] == [[None] * 8] * 2
        with pytest.raises(
            TrainingStopped, match=r"3 steps in a row \(24 completions\): the judge failed: openai:fake: the key is"
        ):
            reward(**batch(TEXTS))


def test_a_step_with_a_verdict_ends_the_count_of_those_without(tmp_path: Path) -> None:
    answers = False
    with FakeServer(Judge(lambda request, number: None if answers else Fault.http(401))) as server:
        reward = open_reward(server, tmp_path)
        for step, answers in enumerate([False, False, True, False, False]):
            given_ = reward(**batch([f"{text} {step}" for text in TEXTS]))
            assert given_ == (TRUTH if answers else [None] * 8)


def test_few_failures_in_a_row_or_steps_in_which_nothing_was_asked_stop_nothing(tmp_path: Path) -> None:
    with FakeServer(Fault.wrong_key()) as server:
        reward = open_reward(server, tmp_path)
        assert [reward(**batch(TEXTS[:1])) for _ in range(15)] == [[None]] * 15
        for _ in range(5):
            assert reward(**batch(TEXTS, completion_ids=[[7, 7]] * 8)) == [None] * 8
        with pytest.raises(TrainingStopped):
            reward(**batch(TEXTS[:1]))


def test_a_process_ends_although_a_judge_never_returns() -> None:
    program = """
import threading
from agent.rubric import Criterion
from training.alignment.judging import Case, LATE, judge_all

class Endless:
    name = protocol = "endless"
    def grade(self, *given, **more):
        threading.Event().wait()

case = Case("q", (), (Criterion("Says so", 1),), "an answer")
assert judge_all(Endless(), [case] * 3, concurrency=2, deadline_s=0.2)[0] == [LATE] * 3
print("over")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "over\n"
