"""A desk for tests, an engine whose every step does what a test wants, and followers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serving import ANSWER, DRAFT, QUESTION, acting

from agent.edit import Edit, Revision, patch_between
from agent.engine import Case
from agent.ledger import Ledger
from agent.review.conversations import Conversations
from agent.review.desk import Desk
from agent.review.progress import Progress
from agent.review.run import Run
from agent.state import AgentContext

WALK = "Walk every day."
BOTH = f"{ANSWER} {WALK}"


@dataclass
class Stepper:
    """Keeps account of steps, and holds each until `go` is set."""

    go: threading.Event = field(default_factory=threading.Event)
    step_s: float = 0.0
    begun: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, step: str, ledger: Ledger | None = None) -> None:
        with self._lock:
            self.begun.append(step)
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        assert self.go.wait(20)
        time.sleep(self.step_s)
        with self._lock:
            self.at_once -= 1


@dataclass(frozen=True)
class StepClassifier:
    """Classifies as another does, as a step."""

    inner: Any
    act: Callable[[str], None]

    def classify(self, conversation: Any) -> Any:
        self.act("classify")
        return self.inner.classify(conversation)


@dataclass(frozen=True)
class TwoEdits:
    """Revises DRAFT to BOTH in two edits, as a step."""

    act: Callable[[str], None]

    def revise(self, case: Case, draft: str, *rest: Any, **more: Any) -> Revision:
        self.act("revise")
        slept = draft.replace("Rest", "Sleep")
        whole = f"{slept} {WALK}"
        first, second = patch_between(draft, slept, 0), patch_between(slept, whole, 1)
        assert first and second
        made = [
            Edit("MODIFY", "Rest", "Sleep", "some-principle", "", ""),
            Edit("ADD", "", WALK, "some-principle", "", ""),
        ]
        return Revision(whole, tuple(made), patches=(first, second))


def stepping(context: AgentContext, stepper: Stepper) -> AgentContext:
    """Return a context whose runs take four steps by the stepper, or five where no draft is given."""
    made = acting(context, stepper)
    engine = replace(made.engine, reviser=TwoEdits(stepper))
    return replace(made, classifier=StepClassifier(context.classifier, stepper), engine=engine)


def cut_off(file: Path, owner: str, id: str, context: AgentContext) -> Conversations:
    """Leave a turn as a process that ends in its middle does, and return the conversations as the next process opens them."""
    dying = Conversations(file)
    events = dying.ask(owner, id, QUESTION, DRAFT, context=context)
    next(events)
    del events
    dying.close()
    return Conversations(file)


@contextmanager
def opened_desk(
    context: AgentContext,
    conversations: Conversations | None = None,
    *,
    running: int = 4,
    waiting: int = 0,
    steps: int = 4,
) -> Iterator[Desk]:
    """Open a desk, in memory unless told, and close it."""
    desk = Desk(
        context,
        Conversations(None) if conversations is None else conversations,
        max_running=running,
        max_waiting=waiting,
        steps_at_once=steps,
    )
    try:
        yield desk
    finally:
        desk.close()


async def followed(run: Run, **options: Any) -> list[Progress]:
    """Return every progress that a follower sees, to the last."""
    return [progress async for progress in run.follow(**options)]


def seen(run: Run, **options: Any) -> list[Progress]:
    """Follow a run in an event loop of its own; fail if it does not end."""
    return asyncio.run(asyncio.wait_for(followed(run, **options), 20))
