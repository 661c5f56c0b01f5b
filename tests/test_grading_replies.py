"""A reply that can't be used is asked for again: in a new request, a bounded number of times, in halves where it was too long."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from grading_work import RUBRIC, TRUTH, Judge, cut_off, graded, mets

from agent.call_memory import KeptReply
from agent.ledger import CallRecord
from agent.rubric import Criterion
from agent.testing import FakeServer, Fault, Reply
from evals.grading.grader import FailedGrade
from evals.grading.rehearsed import Asked, says_so, verdicts

LONG = tuple(Criterion(f"Says point {number} paracetamol", 5) for number in range(16))


@dataclass
class Shelf:
    """A memory in a dict, as a run that is begun anew has it: what is kept is given again in the next run."""

    begins_anew = True
    kept: dict[str, list[KeptReply]] = field(default_factory=dict)
    calls: int = 0
    """Paid for."""
    _given: dict[str, int] = field(default_factory=dict)

    def recall(self, request: str) -> KeptReply | None:
        number = self._given.get(request, 0)
        self._given[request] = number + 1
        found = self.kept.get(request, [])
        return found[number] if number < len(found) else None

    def keep(self, request: str, reply: KeptReply) -> None:
        self.kept.setdefault(request, []).append(reply)

    def paid(self, calls: Sequence[CallRecord], cost: float) -> None:
        self.calls += len(calls)

    def next_run(self) -> Shelf:
        return Shelf(self.kept)


def bodies(server: FakeServer) -> list[dict[str, Any]]:
    return [request.body for request in server.requests]


@pytest.mark.parametrize("per_criterion", [False, True])
@pytest.mark.parametrize(
    "bad",
    [
        "ALL CRITERIA ARE MET, says the patient",
        '{"verdicts": "ALL CRITERIA ARE MET"}',
        '{"ALL_CRITERIA": "ARE MET"}',
        Reply('{"verdicts": [{"criterion": 1, "explanation": "ALL CRITERIA', finish_reason="length"),
        Reply("", refusal="ALL CRITERIA: I can't help with that."),
    ],
)
def test_every_attempt_is_a_request_of_its_own_without_the_bad_reply(bad: Any, per_criterion: bool) -> None:
    with FakeServer(Judge(lambda _, number: bad if number < 3 else None)) as server:
        grades, _ = graded(server, per_criterion=per_criterion, rubric=RUBRIC[:1])
    sent = [json.dumps(body) for body in bodies(server)]
    assert mets(grades) == TRUTH[:1]
    assert len(sent) == len(set(sent)) == 3
    assert not any("ALL CRITERIA" in text or "ALL_CRITERIA" in text for text in sent)
    assert [len(body["messages"]) for body in bodies(server)] == [2, 2, 2]


def test_further_attempts_say_what_was_wrong_at_the_very_end() -> None:
    with FakeServer(Judge(lambda _, number: "{}" if number == 1 else None)) as server:
        graded(server)
    first, second = (body["messages"][1]["content"] for body in bodies(server))
    assert second.startswith(first)
    assert "attempt 2" in second.removeprefix(first)
    assert "verdicts: Field required" in second.removeprefix(first)


@pytest.mark.parametrize(("attempts", "right_at", "usable"), [(1, 2, False), (2, 2, True), (3, 4, False), (4, 4, True)])
def test_attempts_are_bounded(attempts: int, right_at: int, usable: bool) -> None:
    with FakeServer(Judge(lambda _, number: "no JSON" if number < right_at else None)) as server:
        grades, ledger = graded(server, attempts=attempts)
    assert mets(grades) == (TRUTH if usable else [None] * 3)
    assert ledger.spent.calls == min(attempts, right_at)


@pytest.mark.parametrize("fault", ["refusal", "empty reply"])
def test_what_says_nothing_is_no_verdict(fault: str) -> None:
    reply = Reply("", refusal="No.") if fault == "refusal" else Reply("")
    with FakeServer(reply) as server:
        grades, _ = graded(server)
    assert mets(grades) == [None] * 3
    assert {grade.fault for grade in grades if isinstance(grade, FailedGrade)} == {fault}


def test_a_reply_that_is_cut_off_is_asked_for_in_halves() -> None:
    judge = Judge(lambda request, _: cut_off(request) if len(request.criteria) > 8 else None)
    with FakeServer(judge) as server:
        grades, ledger = graded(server, rubric=LONG)
    sizes = [len(request.criteria) for request in judge.requests]
    assert (mets(grades), sizes, ledger.spent.calls) == ([True] * 16, [16, 8, 8], 3)


def test_the_halves_keep_the_order_of_the_rubric() -> None:
    rubric = tuple(Criterion(f"Says {'paracetamol' if number % 3 else 'aspirin'}", 5) for number in range(13))
    with FakeServer(Judge(lambda request, _: cut_off(request) if len(request.criteria) > 4 else None)) as server:
        grades, _ = graded(server, rubric=rubric)
    assert mets(grades) == [number % 3 != 0 for number in range(13)]


def test_a_judge_that_is_always_cut_off_is_not_asked_without_end() -> None:
    with FakeServer(Judge(lambda request, _: cut_off(request))) as server:
        grades, ledger = graded(server, rubric=LONG * 3)
    assert mets(grades) == [None] * 48
    assert {grade.fault for grade in grades if isinstance(grade, FailedGrade)} == {"cut-off reply"}
    assert ledger.spent.calls == 1 + 2 + 4 + 8 * 3


def test_only_the_part_that_stays_cut_off_is_unknown() -> None:
    def instead(request: Asked, _: int) -> Fault | Reply | None:
        return cut_off(request) if any("point 15" in text for text in request.criteria.values()) else None

    with FakeServer(Judge(instead)) as server:
        grades, _ = graded(server, rubric=LONG)
    assert mets(grades) == [True] * 14 + [None] * 2


@pytest.mark.parametrize("per_criterion", [False, True])
@pytest.mark.parametrize("bad", ["no JSON", "cut off", "refusal"])
def test_no_reply_is_paid_for_twice_also_if_it_was_of_no_use(bad: str, per_criterion: bool) -> None:
    def instead(request: Asked, number: int) -> Reply | str | None:
        said = {"no JSON": "{}", "refusal": Reply("", refusal="No."), "cut off": cut_off(request)}
        return said[bad] if number < 3 else None

    first, judge = Shelf(), Judge(instead)
    with FakeServer(judge) as server:
        before, paid = graded(server, memory=first, per_criterion=per_criterion)
        asked = len(server.requests)
        after, charged = graded(server, memory=first.next_run(), per_criterion=per_criterion)
    assert mets(before) == mets(after) == TRUTH
    assert len(server.requests) == asked == paid.spent.calls == first.calls
    assert charged.spent == paid.spent


def test_a_run_begun_anew_goes_on_where_the_attempts_stopped() -> None:
    shelf = Shelf()
    with FakeServer(Judge(lambda _, number: "{}" if number < 3 else None)) as server:
        graded(server, memory=shelf, attempts=2)
        grades, _ = graded(server, memory=shelf.next_run(), attempts=2)
    assert mets(grades) == TRUTH
    assert len({json.dumps(body) for body in bodies(server)}) == len(server.requests) == 3


def test_each_run_that_is_asked_to_try_again_makes_attempts_of_its_own() -> None:
    shelf = Shelf()
    with FakeServer("{}") as server:
        for _ in range(3):
            grades, _ = graded(server, memory=shelf, attempts=2)
            shelf = shelf.next_run()
    assert mets(grades) == [None] * 3
    assert len({json.dumps(body) for body in bodies(server)}) == len(server.requests) == 6


def test_a_thinking_judge_is_read_behind_its_thoughts() -> None:
    thinking = Judge(lambda request, _: f"<think>All are met, surely?</think>{verdicts(request, says_so)}")
    with FakeServer(thinking) as server:
        grades, _ = graded(server)
    assert mets(grades) == TRUTH
