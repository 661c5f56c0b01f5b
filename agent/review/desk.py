"""Where turns are handed in: each is worked on in the background, whether or not anybody watches; who comes later waits.

One run per conversation, so many at once, so many waiting. What is kept of a turn, and how its answer comes about, is in
`conversations.py`; a run that the process's end cut off begins again when somebody comes to look.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from agent.review.conversations import Card, Conversations
from agent.review.gate import StepGate
from agent.review.opening import DeskBusyError, NothingToDoError, begun_run
from agent.review.run import Events, Key, Run, explained
from agent.review.turn import Turn
from agent.serving.run_pool import QueueFullError
from agent.state import AgentContext

END_S = 10.0
"""For a run that was cancelled to end: a step of an embedded engine takes less, and a model call ends at once."""
SHOWN_S = 10.0
"""For which a run that broke off is shown as such; then somebody who looks has it begin again."""
STOPPING = "the server is being stopped; it goes on with this when it is back"


class Desk:
    """Takes turns in, and has them worked on; safe to use from many threads."""

    def __init__(
        self,
        context: AgentContext,
        conversations: Conversations,
        *,
        max_running: int,
        max_waiting: int,
        steps_at_once: int,
    ) -> None:
        self._context, self._conversations = context, conversations
        self._max_running, self._max_waiting = max_running, max_waiting
        self._gate = StepGate(steps_at_once)
        self._lock = threading.RLock()  # what looks a run up may hold it already
        self._opening: set[Key] = set()
        """Conversations whose run is being made."""
        self._runs: dict[Key, Run] = {}
        """Waiting, running, or failed."""
        self._waiting: deque[Run] = deque()
        self._running: set[Run] = set()
        self._unwanted: set[Run] = set()
        """Runs whose conversation is to be forgotten."""
        self._is_closed = False

    def begin(self, owner: str) -> str:
        """Return the id of a new conversation; it is kept from its first question on."""
        return secrets.token_hex(16)

    def ask(self, owner: str, id: str, question: str, draft: str | None) -> Run:
        """Have a question answered in the background, or a draft checked.

        Raises InputError, DeskBusyError, QueueFullError; then nothing is kept of the question.
        """
        return self._begin(
            (owner, id), lambda context: self._conversations.ask(owner, id, question, draft, context=context)
        )

    def decide(
        self, owner: str, id: str, decisions: Sequence[Mapping[str, Any]], by: str | None, *, turn: str | None = None
    ) -> Run:
        """Have the last answer composed anew as a person decided on its edits, and judged in the background.

        What is still being judged of an earlier decision is given up. Raises as `ask` does.
        """
        earlier = self._known((owner, id))
        if earlier is not None and earlier.is_decision:
            self._cancel(earlier)
            earlier.wait(END_S)
        return self._begin(
            (owner, id),
            lambda context: self._conversations.decide(owner, id, decisions, by=by, context=context, turn=turn),
            is_decision=True,
        )

    def current(self, owner: str, id: str) -> Run | None:
        """Return the conversation's run under way, or the one that broke off; what a restart cut off begins again."""
        key = (owner, id)
        if (run := self._known(key)) or not self._conversations.is_unfinished(owner, id):
            return run
        try:
            return self._begin(
                key, lambda context: self._conversations.resume(owner, id, context=context), was_admitted=True
            )
        except (DeskBusyError, NothingToDoError):  # somebody else came to look at the same moment
            return self._known(key)

    def stop(self, owner: str, id: str) -> None:
        """End the conversation's run; its turn says so. Does nothing where there is none."""
        if run := self._known((owner, id)):
            self._cancel(run)

    def cards(self, owner: str) -> list[Card]:
        """Return the owner's conversations, newest first."""
        return self._conversations.cards(owner)

    def turns(self, owner: str, id: str) -> list[Turn]:
        """Return what a conversation holds; nothing if there is none, or it is another owner's."""
        return self._conversations.turns(owner, id)

    def delete(self, owner: str, id: str) -> None:
        """Forget a conversation, its run stopped first; one that does not stop in time is forgotten when it ends."""
        self._give_up([(owner, id)])
        self._forget(owner, id)

    def delete_all(self, owner: str) -> None:
        """Forget all of an owner's conversations, as `delete` does."""
        ids = [card.id for card in self._conversations.cards(owner)]
        self._give_up([(owner, id) for id in ids])
        for id in ids:
            self._forget(owner, id)

    def close(self) -> None:
        """Break everything off, close the conversations, and wait a little: what is unfinished goes on at the next start."""
        with self._lock:
            self._is_closed = True
            waiting, self._waiting = list(self._waiting), deque()
            running = list(self._running)
        self._conversations.close()  # first, so that no turn is kept as one that its person has stopped
        for run in waiting:
            run.end(STOPPING, self._ended)
        for run in running:
            run.give_up(STOPPING)
        _wait(running)

    def _begin(
        self,
        key: Key,
        make: Callable[[AgentContext], Events],
        *,
        is_decision: bool = False,
        was_admitted: bool = False,
    ) -> Run:
        """Make a run and start it, or let it wait; `was_admitted`: it waited before already, so it may again."""
        with self._opened(key, was_admitted=was_admitted):
            run = begun_run(key, make, self._context, self._gate, is_decision=is_decision)
            with self._lock:
                self._runs[key] = run
                self._waiting.append(run)
                self._start_waiting()
            return run

    @contextmanager
    def _opened(self, key: Key, *, was_admitted: bool) -> Iterator[None]:
        """Keep a place for a run while its turn is being kept; raise if there is none."""
        with self._lock:
            run = self._known(key)
            if key in self._opening or (run is not None and not run.progress.is_over):
                raise DeskBusyError("the last question is still being worked on; wait for it, or stop it")
            waiting = len(self._waiting)
            taken = len(self._running) + waiting + len(self._opening)
            if self._is_closed or (taken >= self._max_running + self._max_waiting and not was_admitted):
                why = STOPPING if self._is_closed else f"{taken} questions of others are being answered or wait"
                raise QueueFullError(f"{why}; ask again in a minute")
            self._opening.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._opening.discard(key)

    def _start_waiting(self) -> None:
        """Start what may start, and tell the rest how many are ahead; with the lock held."""
        while self._waiting and len(self._running) < self._max_running:
            self._start(self._waiting.popleft())
        for ahead, run in enumerate(self._waiting):
            run.change(partial(replace, ahead=ahead))

    def _start(self, run: Run) -> None:
        self._running.add(run)
        # A daemon: the process's end need not wait for a model that doesn't answer.
        thread = threading.Thread(target=run.work, args=(self._ended,), name="clinalign-turn", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system gives no more threads; those who follow it must see its end
            run.end(explained(error), self._ended)

    def _cancel(self, run: Run) -> None:
        """End a run soon; one that waits begins at once, since its turn has to be told."""
        run.cancelled.set()
        with self._lock:
            if run in self._waiting:
                self._waiting.remove(run)
                self._start(run)
                self._start_waiting()

    def _give_up(self, keys: Iterable[Key]) -> None:
        with self._lock:
            runs = [run for key in keys if (run := self._runs.get(key))]
            self._unwanted.update(run for run in runs if not run.progress.is_over)
        for run in runs:
            self._cancel(run)
        _wait(runs)

    def _forget(self, owner: str, id: str) -> None:
        with self._lock:
            will_be = any(run.key == (owner, id) for run in self._unwanted)
        if not will_be:
            self._conversations.delete(owner, id)

    def _ended(self, run: Run) -> None:
        """Give a run's place to another; called in the run's thread."""
        with self._lock:
            self._running.discard(run)
            is_unwanted = run in self._unwanted
            self._unwanted.discard(run)
            if is_unwanted or run.broke_off_at is None:
                self._runs.pop(run.key, None)
            self._start_waiting()
        if is_unwanted:
            self._conversations.delete(*run.key)

    def _known(self, key: Key) -> Run | None:
        """Return the conversation's run that waits, works, or broke off a short while ago."""
        with self._lock:
            now = time.monotonic()
            for run in list(self._runs.values()):
                if run.broke_off_at is not None and now - run.broke_off_at > SHOWN_S:
                    del self._runs[run.key]
            return self._runs.get(key)


def cores() -> int:
    """Return how many steps that compute should happen at once on this machine."""
    return len(os.sched_getaffinity(0))


def _wait(runs: Iterable[Run]) -> None:
    deadline = time.monotonic() + END_S
    for run in runs:
        run.wait(max(deadline - time.monotonic(), 0))
