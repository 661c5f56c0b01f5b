"""Runs of the agent in threads: bounded in number, their events handed to the event loop, ended when nobody waits for them.

The agent is synchronous; here it meets asyncio. A run computes first (scenario, search) and then waits for models most of its
time: many may wait at once, but no more compute than there are cores, since they would only keep each other and the event loop
from their turn. All but what is said to be the run's thread's happens in the event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agent.errors import CancelledError
from agent.events import Event
from principles_store.errors import ClinAlignError


class QueueFullError(ClinAlignError):
    """As many requests wait as may wait."""


class Run:
    """One run: read it with `batch` until that gives None, and cancel it when nobody reads any more."""

    def __init__(self, make_events: MakeEvents, pool: RunPool) -> None:
        self.has_started = False
        self.cancelled = threading.Event()
        self._make_events = make_events
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Event] = deque()
        self._wake_is_due = False
        self._arrived = asyncio.Event()
        self._error: Exception | None = None
        self._is_over = False

    async def batch(self, *, wait_s: float) -> list[Event] | None:
        """Return the events that came since the last batch, [] if none came in time, and None after the last.

        Raises what the run raised, after the events that came before.
        """
        if not self._inbox and not self._is_over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._arrived.wait()
        self._arrived.clear()
        if self._inbox or not self._is_over:
            return [self._inbox.popleft() for _ in range(len(self._inbox))]
        if self._error:
            raise self._error
        return None

    def cancel(self) -> None:
        """End the run; its slot is free once its thread has noticed. Does nothing to a run that is over."""
        self.cancelled.set()
        if not self.has_started:
            self._end(None)

    def settle(self) -> None:
        """Say, from the run's thread, that from here on it waits for models more than it computes."""
        self._tell(self._pool.settled, self)

    def work(self) -> None:
        """Do the run; this is what its thread is for."""
        error: Exception | None = None
        try:
            with contextlib.closing(self._make_events(self)) as events:
                for event in events:
                    self._inbox.append(event)
                    if not self._wake_is_due:  # a token each 10 ms from 64 runs: one wake-up for all that has come
                        self._wake_is_due = True
                        self._tell(self._wake)
                    if self.cancelled.is_set():
                        raise CancelledError("nobody waits for the answer any more")
        except Exception as raised:  # the outer wall of a run: whatever it is, the reader gets it
            error = raised
        finally:
            self._tell(self._end, error)

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has gone, and its readers with it
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _wake(self) -> None:
        self._wake_is_due = False  # before the inbox is emptied, so that nothing comes unheard
        self._arrived.set()

    def _end(self, error: Exception | None) -> None:
        if self._is_over:
            return
        self._is_over, self._error = True, error
        self._arrived.set()
        self._pool.ended(self)


MakeEvents = Callable[[Run], Generator[Event]]
"""Given the run, returns its events; called in the run's thread."""


class RunPool:
    """Starts runs as slots and cores come free, in the order they came."""

    def __init__(self, *, max_running: int, max_waiting: int, max_computing: int) -> None:
        self._max_running, self._max_waiting, self._max_computing = max_running, max_waiting, max_computing
        self._threads = ThreadPoolExecutor(max_running, thread_name_prefix="clinalign-run")
        self._running: set[Run] = set()
        self._computing: set[Run] = set()
        self._waiting: deque[Run] = deque()

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Tell whether another run would be refused."""
        return self.running + self.waiting >= self._max_running + self._max_waiting

    def submit(self, make_events: MakeEvents) -> Run:
        """Start a run, or let it wait; raise QueueFullError if it may not even wait."""
        if self.is_full:
            raise QueueFullError(f"{self.running} requests are at work and {self.waiting} wait; try again later")
        run = Run(make_events, self)
        self._waiting.append(run)
        self._start_waiting()
        return run

    def settled(self, run: Run) -> None:
        """Let another run compute."""
        self._computing.discard(run)
        self._start_waiting()

    def ended(self, run: Run) -> None:
        """Give a run's place to another."""
        self._running.discard(run)
        with contextlib.suppress(ValueError):  # cancelled while it waited
            self._waiting.remove(run)
        self.settled(run)

    def close(self) -> None:
        """Cancel everything."""
        waiting, self._waiting = self._waiting, deque()
        for run in (*waiting, *self._running):
            run.cancel()
        self._threads.shutdown(wait=False)

    def _start_waiting(self) -> None:
        while self._waiting and self.running < self._max_running and len(self._computing) < self._max_computing:
            run = self._waiting.popleft()
            self._running.add(run)
            self._computing.add(run)
            run.has_started = True
            self._threads.submit(run.work)
