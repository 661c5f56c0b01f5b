"""Turns at computing: so many steps at once, and whoever has not been there yet goes first.

With an engine that computes, twenty answers at once would each take twenty times as long, and all twenty people would look at
nothing until the end. Taken step by step, each of them soon sees a first one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import CancelledError


class StepGate:
    """Lets a bounded number of steps happen at once, from two lines: first steps, then the rest; each in the order they came."""

    def __init__(self, steps_at_once: int) -> None:
        self._lock = threading.Lock()
        self._free = steps_at_once
        self._first_steps: deque[threading.Event] = deque()
        self._later_steps: deque[threading.Event] = deque()

    @contextmanager
    def place(self, *, is_first: bool) -> Iterator[None]:
        """Wait for a place, and hold it until the block ends."""
        self._enter(self._first_steps if is_first else self._later_steps)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, line: deque[threading.Event]) -> None:
        called = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            line.append(called)
        called.wait()

    def _leave(self) -> None:
        with self._lock:
            line = self._first_steps or self._later_steps
            if line:
                line.popleft().set()  # the place goes from hand to hand: nobody slips in between
            else:
                self._free += 1


class RunSteps:
    """The steps of one run, one after the other through a gate; none begins after the run was cancelled."""

    def __init__(self, gate: StepGate, cancelled: threading.Event) -> None:
        self._gate, self._cancelled = gate, cancelled
        self._is_first = True

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for the next step's place, and hold it until the block ends."""
        with self._gate.place(is_first=self._is_first):
            if self._cancelled.is_set():
                raise CancelledError("the run was cancelled: nobody waits for its answer any more")
            self._is_first = False
            yield
