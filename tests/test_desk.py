"""Turns worked on in the background: whoever looks, how many at once, who waits, how they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from desk_work import BOTH, Stepper, cut_off, opened_desk, seen, stepping
from serving import ANSWER, DRAFT, QUESTION
from waiting import wait_until

from agent.errors import InputError
from agent.review.conversations import Conversations
from agent.review.desk import STOPPING, Desk
from agent.review.opening import DeskBusyError, UnkeptError
from agent.review.turn import BUG, STOPPED
from agent.serving.run_pool import QueueFullError
from agent.state import AgentContext


@pytest.fixture
def stepper() -> Iterator[Stepper]:
    made = Stepper()
    yield made
    made.go.set()


@pytest.fixture
def desk(context: AgentContext, stepper: Stepper) -> Iterator[Desk]:
    """Return a desk for two runs at once and two that wait."""
    with opened_desk(stepping(context, stepper), running=2, waiting=2) as opened:
        yield opened
        stepper.go.set()


def test_a_question_is_answered_though_nobody_follows(desk: Desk, stepper: Stepper) -> None:
    stepper.go.set()
    run = desk.ask("ann", "c", QUESTION, DRAFT)
    assert run.wait(20)
    assert desk.turns("ann", "c")[0]["answer"] == run.progress.turn["answer"] == BOTH
    assert desk.current("ann", "c") is None


def test_a_conversation_has_one_run_at_a_time(desk: Desk, stepper: Stepper) -> None:
    run = desk.ask("ann", "c", QUESTION, DRAFT)
    with pytest.raises(DeskBusyError, match="wait for it, or stop it"):
        desk.ask("ann", "c", "And now?", None)
    assert len(desk.turns("ann", "c")) == 1
    stepper.go.set()
    assert seen(run)[-1].turn["answer"] == BOTH
    assert seen(desk.ask("ann", "c", "And now?", DRAFT))[-1].turn["answer"] == BOTH


def test_another_owners_conversation_of_the_same_name_is_another(desk: Desk) -> None:
    run = desk.ask("ann", "c", QUESTION, DRAFT)
    assert desk.ask("bob", "c", QUESTION, DRAFT) is not run
    assert desk.current("cid", "c") is None


@pytest.mark.parametrize("question", ["", "  \n"])
def test_a_question_that_cannot_be_asked_takes_no_place(desk: Desk, question: str) -> None:
    for _ in range(5):
        with pytest.raises(InputError):
            desk.ask("ann", "c", question, None)
    for number in range(4):
        desk.ask("ann", str(number), QUESTION, DRAFT)


def test_who_comes_later_waits_in_line_and_hears_how_many_are_ahead(desk: Desk, stepper: Stepper) -> None:
    runs = [desk.ask("ann", str(number), QUESTION, DRAFT) for number in range(4)]
    wait_until(lambda: runs[0].progress.has_started and runs[1].progress.has_started)
    assert [run.progress.ahead for run in runs] == [0, 0, 0, 1]
    assert not runs[2].progress.has_started
    stepper.go.set()
    assert [shot.ahead for shot in seen(runs[3], every_s=0)][-1] == 0
    assert all(run.wait(20) for run in runs)


def test_a_full_house_says_so_and_keeps_nothing_of_the_question(desk: Desk, stepper: Stepper) -> None:
    runs = [desk.ask("ann", str(number), QUESTION, DRAFT) for number in range(4)]
    with pytest.raises(QueueFullError, match="ask again in a minute"):
        desk.ask("ann", "4", QUESTION, DRAFT)
    assert desk.turns("ann", "4") == []
    stepper.go.set()
    assert all(run.wait(20) for run in runs)
    assert desk.ask("ann", "4", QUESTION, DRAFT).wait(20)


@pytest.mark.parametrize("number", [0, 2], ids=["at work", "waiting"])
def test_a_run_that_is_stopped_says_so_in_its_turn(desk: Desk, stepper: Stepper, number: int) -> None:
    runs = [desk.ask("ann", str(number), QUESTION, DRAFT) for number in range(4)]
    desk.stop("ann", str(number))
    threading.Timer(0.1, stepper.go.set).start()
    assert seen(runs[number])[-1].turn["error"] == STOPPED
    assert desk.turns("ann", str(number))[0]["error"] == STOPPED
    others = [run for run in runs if run is not runs[number]]
    assert [seen(run)[-1].turn["answer"] for run in others] == [BOTH] * 3


def test_stopping_what_does_not_run_does_nothing(desk: Desk) -> None:
    desk.stop("ann", "c")
    assert desk.current("ann", "c") is None


def test_what_a_restart_cut_off_begins_again_once_when_somebody_looks(
    context: AgentContext, stepper: Stepper, tmp_path: Path
) -> None:
    kept = cut_off(tmp_path / "history", "ann", "c", context)
    with opened_desk(stepping(context, stepper), kept, running=1, waiting=0) as desk:
        busy = desk.ask("bob", "c", QUESTION, DRAFT)
        run = desk.current("ann", "c")
        assert run is not None
        assert desk.current("ann", "c") is run
        stepper.go.set()
        assert seen(run)[-1].turn["answer"] == BOTH
        assert desk.current("ann", "c") is None
        assert busy.wait(20)
    assert stepper.begun.count("classify") == 2


def test_two_who_look_at_the_same_moment_get_the_same_run(
    context: AgentContext, stepper: Stepper, tmp_path: Path
) -> None:
    kept = cut_off(tmp_path / "history", "ann", "c", context)
    with opened_desk(stepping(context, stepper), kept) as desk, ThreadPoolExecutor(8) as pages:
        found = {page.result() for page in [pages.submit(desk.current, "ann", "c") for _ in range(8)]}
        stepper.go.set()
    assert len(found - {None}) == 1


def test_what_is_still_judged_of_a_decision_gives_way_to_the_next(desk: Desk, stepper: Stepper) -> None:
    stepper.go.set()
    assert desk.ask("ann", "c", QUESTION, DRAFT).wait(20)
    stepper.go.clear()
    first = desk.decide("ann", "c", [{"edit": 1, "decision": "reject"}], None)
    assert (first.progress.turn["answer"], first.progress.turn["verdicts"]) == (ANSWER, None)
    threading.Timer(0.1, stepper.go.set).start()
    second = desk.decide("ann", "c", [{"edit": 0, "decision": "reject"}], None)
    assert first.progress.is_over
    turn = seen(second)[-1].turn
    assert (turn["left_out"], turn["answer"], turn["verdicts_error"]) == ([0, 1], DRAFT, None)


def test_no_question_while_a_decision_is_judged(desk: Desk, stepper: Stepper) -> None:
    stepper.go.set()
    assert desk.ask("ann", "c", QUESTION, DRAFT).wait(20)
    stepper.go.clear()
    run = desk.decide("ann", "c", [{"edit": 1, "decision": "reject"}], None)
    with pytest.raises(DeskBusyError):
        desk.ask("ann", "c", QUESTION, None)
    stepper.go.set()
    assert seen(run)[-1].turn["verdicts"]


def test_a_decision_on_nothing_takes_no_place(desk: Desk) -> None:
    with pytest.raises(InputError):
        desk.decide("ann", "c", [{"edit": 0, "decision": "reject"}], None)
    assert desk.current("ann", "c") is None


@pytest.mark.parametrize("wipe", [lambda desk: desk.delete("ann", "c"), lambda desk: desk.delete_all("ann")])
def test_what_is_deleted_while_it_is_answered_does_not_come_back(desk: Desk, stepper: Stepper, wipe: Any) -> None:
    run, other = desk.ask("ann", "c", QUESTION, DRAFT), desk.ask("bob", "c", QUESTION, DRAFT)
    threading.Timer(0.1, stepper.go.set).start()
    wipe(desk)
    assert run.wait(20)
    assert desk.turns("ann", "c") == []
    assert seen(other)[-1].turn["answer"] == BOTH


def test_what_does_not_stop_in_time_is_forgotten_when_it_ends(
    desk: Desk, stepper: Stepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.review.desk.END_S", 0.01)
    run = desk.ask("ann", "c", QUESTION, DRAFT)
    desk.delete("ann", "c")
    stepper.go.set()
    assert run.wait(20)
    assert desk.turns("ann", "c") == []


def test_what_the_end_of_the_desk_breaks_off_goes_on_at_the_next_start(
    context: AgentContext, stepper: Stepper, tmp_path: Path
) -> None:
    file = tmp_path / "history"
    with opened_desk(stepping(context, stepper), Conversations(file), running=1, waiting=1) as desk:
        runs = [desk.ask("ann", name, QUESTION, DRAFT) for name in "ab"]
        wait_until(lambda: stepper.begun)
        threading.Timer(0.1, stepper.go.set).start()
    assert [run.progress.turn["error"] for run in runs] == [STOPPING, STOPPING]
    with pytest.raises(QueueFullError):
        desk.ask("ann", "c", QUESTION, DRAFT)
    with opened_desk(stepping(context, stepper), Conversations(file)) as desk:
        goes_on = [desk.current("ann", name) for name in "ab"]
        assert [run and seen(run)[-1].turn["answer"] for run in goes_on] == [BOTH, BOTH]


def test_a_question_on_a_turn_that_was_cut_off_says_what_to_do(
    context: AgentContext, stepper: Stepper, tmp_path: Path
) -> None:
    kept = cut_off(tmp_path / "history", "ann", "c", context)
    with opened_desk(stepping(context, stepper), kept) as desk, pytest.raises(DeskBusyError, match="reload the page"):
        desk.ask("ann", "c", "And now?", None)


def test_a_question_that_cannot_be_kept_is_refused_with_what_to_do(desk: Desk) -> None:
    desk._conversations.close()
    with pytest.raises(UnkeptError, match="make room on the disk"):
        desk.ask("ann", "c", QUESTION, DRAFT)


class BrokenConversations(Conversations):
    """Break in the middle of a turn."""

    def __init__(self, error: Exception) -> None:
        super().__init__(None)
        self.error = error

    def ask(self, *given: Any, **more: Any) -> Iterator[Any]:
        events = super().ask(*given, **more)
        yield next(events)
        yield next(events)
        raise self.error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "make room on the disk"),
        (InputError("too long; shorten it"), "too long; shorten it"),
        (RuntimeError("patient's words"), BUG),
    ],
)
def test_a_run_that_breaks_ends_for_everybody_with_what_to_do(
    context: AgentContext, stepper: Stepper, error: Exception, told: str
) -> None:
    stepper.go.set()
    with opened_desk(stepping(context, stepper), BrokenConversations(error), running=1) as desk:
        run = desk.ask("ann", "c", QUESTION, DRAFT)
        last = seen(run)[-1]
        assert last.is_over
        assert told in (last.turn["error"] or "")
        assert desk.current("ann", "c") is run  # and is not begun again with every look
        assert desk.ask("ann", "d", QUESTION, DRAFT).wait(20)  # its place is free


def test_a_run_that_gets_no_thread_ends_for_everybody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "clinalign-turn":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", refuse)
        run = desk.ask("ann", "c", QUESTION, DRAFT)
    assert seen(run)[-1].turn["error"] == BUG
