"""Those who follow a turn at work, each from an event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from desk_work import BOTH, Stepper, opened_desk, seen, stepping
from serving import DRAFT, QUESTION
from waiting import wait_until

from agent.review.desk import Desk
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


def test_a_follower_sees_each_step_and_the_end(desk: Desk, stepper: Stepper) -> None:
    run = desk.ask("ann", "c", QUESTION, DRAFT)
    stepper.go.set()
    shown = seen(run, every_s=60)
    assert shown[0].done == ()
    assert shown[-1].is_over
    assert shown[-1].done[-1] == "finish"
    assert [shot.done for shot in shown] == sorted((shot.done for shot in shown), key=len)


def test_many_follow_one_run_each_from_a_loop_of_its_own(desk: Desk, stepper: Stepper) -> None:
    run = desk.ask("ann", "c", QUESTION, None)
    with ThreadPoolExecutor(5) as loops:
        followers = [loops.submit(seen, run) for _ in range(5)]
        wait_until(lambda: len(run._followers) == 5)
        stepper.go.set()
        lasts = [follower.result()[-1] for follower in followers]
    assert all(last is run.progress and last.is_over for last in lasts)
    assert not run._followers


def test_who_comes_after_the_end_sees_the_end(desk: Desk, stepper: Stepper) -> None:
    stepper.go.set()
    run = desk.ask("ann", "c", QUESTION, DRAFT)
    assert run.wait(20)
    assert seen(run) == [run.progress]


def test_a_follower_that_leaves_leaves_nothing_behind(desk: Desk, stepper: Stepper) -> None:
    run = desk.ask("ann", "c", QUESTION, None)

    async def leave() -> None:
        following = run.follow()
        await anext(following)
        waits = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.02)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        await following.aclose()

    asyncio.run(leave())
    assert not run._followers
    stepper.go.set()
    assert run.wait(20)


def test_a_follower_whose_loop_died_does_not_trouble_the_run(desk: Desk, stepper: Stepper) -> None:
    run, loop = desk.ask("ann", "c", QUESTION, None), asyncio.new_event_loop()
    following = run.follow()
    loop.run_until_complete(anext(following))
    loop.close()
    stepper.go.set()
    assert run.wait(20)
    assert run.progress.turn["answer"] == BOTH
