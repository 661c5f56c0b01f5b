"""Turns at computing: bounded, and first steps first, so that twenty who ask at once all see something soon."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from desk_work import Stepper, opened_desk, stepping
from serving import DRAFT, QUESTION
from waiting import wait_until

from agent.errors import CancelledError
from agent.review.gate import RunSteps, StepGate
from agent.review.run import Run
from agent.state import AgentContext

USERS = 20


def test_every_run_has_its_first_step_before_any_has_its_second(context: AgentContext) -> None:
    stepper = Stepper()
    with opened_desk(stepping(context, stepper), running=USERS, steps=2) as desk:
        runs = [desk.ask("ann", str(number), QUESTION, DRAFT) for number in range(USERS)]
        wait_until(lambda: len(desk._gate._first_steps) == USERS - 2)
        stepper.go.set()
        assert all(run.wait(20) for run in runs)
    assert stepper.begun[:USERS] == ["classify"] * USERS
    assert stepper.most_at_once == 2


def test_the_last_of_twenty_sees_a_step_long_before_twenty_whole_runs(context: AgentContext) -> None:
    stepper = Stepper(step_s=0.03)
    with opened_desk(stepping(context, stepper), running=USERS, steps=2) as desk:
        runs = [desk.ask("ann", str(number), QUESTION, DRAFT) for number in range(USERS)]
        wait_until(lambda: len(desk._gate._first_steps) == USERS - 2)
        started = time.monotonic()
        stepper.go.set()
        firsts = asyncio.run(_first_steps(runs, started))
        assert all(run.wait(20) for run in runs)
        whole = time.monotonic() - started
    assert max(firsts) < 0.6 * whole


async def _first_steps(runs: list[Run], started: float) -> list[float]:
    async def first(run: Run) -> float:
        async for progress in run.follow():
            if progress.done:
                return time.monotonic() - started
        raise AssertionError("no step was shown")

    return await asyncio.gather(*map(first, runs))


def test_a_gate_lets_so_many_in_and_no_more_even_where_steps_fail() -> None:
    gate, inside, most = StepGate(3), 0, 0

    def step() -> None:
        nonlocal inside, most
        with pytest.raises(ValueError, match="fails"), gate.place(is_first=False):
            inside += 1
            most = max(most, inside)
            time.sleep(0.002)
            inside -= 1
            raise ValueError("fails")

    threads = [threading.Thread(target=step) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (inside, most, gate._free) == (0, 3, 3)


def test_no_step_begins_after_a_run_was_cancelled() -> None:
    cancelled = threading.Event()
    steps = RunSteps(StepGate(1), cancelled)
    with steps():
        cancelled.set()
    with pytest.raises(CancelledError), steps():
        pytest.fail("the step began")
    assert steps._gate._free == 1  # the place that it waited for is given back
