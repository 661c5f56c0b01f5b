"""One turn at work in a thread of its own, and those who follow it from event loops of theirs.

It goes on when nobody follows. A follower sees the latest picture, not every one: who is slow misses some and delays nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from functools import partial

from agent.events import Event
from agent.review.progress import Progress, failed, is_pressing, progressed
from agent.review.turn import BUG, TurnChanged
from principles_store.errors import ClinAlignError

_log = logging.getLogger(__name__)
Events = Iterator[Event | TurnChanged]
Key = tuple[str, str]
"""Owner and conversation."""


class Run:
    """A turn at work."""

    def __init__(
        self, key: Key, progress: Progress, events: Events, *, cancelled: threading.Event, is_decision: bool
    ) -> None:
        self.key = key
        self.progress = progress
        """The latest picture."""
        self.is_decision = is_decision
        """Whether its turn has been answered before, and edits of it were decided on."""
        self.broke_off_at: float | None = None
        """Reading of time.monotonic() when it ended so that the store does not know of it."""
        self.cancelled = cancelled
        self._events = events
        self._given_up: str | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._followers: set[_Follower] = set()

    async def follow(self, *, every_s: float = 0.1) -> AsyncGenerator[Progress]:
        """Yield the latest progress at once, and again after each change until it is over; in any event loop.

        Where much changes, one in `every_s`; a finished step, an error and the end are not held up.
        """
        follower = _Follower()
        with self._lock:
            self._followers.add(follower)
        try:
            shown = self.progress
            yield shown
            while not shown.is_over:
                shown = await self._next(shown, follower, every_s)
                yield shown
        finally:
            with self._lock:
                self._followers.discard(follower)

    def wait(self, seconds: float) -> bool:
        """Wait in a thread until it is over; tell whether it is."""
        return self._over.wait(seconds)

    def work(self, on_end: Callable[[Run], None]) -> None:
        """Do the run, whatever happens; this is what its thread is for. `on_end` is called before anybody sees the end."""
        error: str | None = None
        self.change(lambda progress: replace(progress, ahead=0, has_started=True))
        try:
            for event in self._events:
                self.change(partial(progressed, event=event))
        except Exception as problem:  # the outer wall of a run: those who follow it must see its end
            error = self._given_up or explained(problem)
        self.end(error, on_end)

    def give_up(self, why: str) -> None:
        """Have it end soon, for a reason that is told to those who follow it where the store can't be."""
        self._given_up = why
        self.cancelled.set()

    def end(self, error: str | None, on_end: Callable[[Run], None]) -> None:
        """Let it be over; with an error that the store does not know of."""
        self._events = iter(())  # closes what is left of them
        if error is not None:
            self.broke_off_at = time.monotonic()
        try:
            on_end(self)
        except Exception as problem:
            error = error or explained(problem)
        self.change(lambda progress: replace(progress, is_over=True) if error is None else failed(progress, error))
        self._over.set()

    def change(self, change: Callable[[Progress], Progress]) -> None:
        """Exchange the progress for what `change` makes of it, and tell those who follow."""
        with self._lock:
            earlier, self.progress = self.progress, change(self.progress)
            followers = [] if self.progress is earlier else list(self._followers)
        for follower in followers:
            follower.wake()

    async def _next(self, shown: Progress, follower: _Follower, every_s: float) -> Progress:
        due = follower.loop.time() + every_s
        while (now := self.progress) is shown:
            await follower.woken(None)
        while not is_pressing(shown, now) and (left := due - follower.loop.time()) > 0:
            await follower.woken(left)
            now = self.progress
        return now


class _Follower:
    """Somebody in an event loop who can be woken from any thread."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._called = asyncio.Event()
        self._is_called = False

    def wake(self) -> None:
        """Wake it, from any thread; many calls before it wakes are one."""
        if not self._is_called:
            self._is_called = True
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has gone
                self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._is_called = False  # before it looks, so that nothing comes unseen
        self._called.set()

    async def woken(self, wait_s: float | None) -> None:
        """Wait until it is woken, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._called.wait()
        self._called.clear()


def explained(problem: Exception) -> str:
    """Return what to tell a person of an error that the store could not tell; log what is a bug."""
    if isinstance(problem, OSError | sqlite3.Error):
        return f"the conversation could not be kept ({problem}); make room on the disk it is on, then ask again"
    if isinstance(problem, ClinAlignError):
        return str(problem)
    _log.error("a run failed in a way that was not foreseen: %s", type(problem).__name__)
    _log.debug("how it failed", exc_info=problem)  # may quote what a patient wrote
    return BUG
