"""Seconds by step of a distillation, told to whoever wants to know more of each step, such as its memory."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Counts a step's seconds when it ends."""

    def __init__(self, heard: Callable[[str], None] = lambda step: None) -> None:
        """`heard` is called with each step's name as it ends."""
        self.seconds: dict[str, float] = {}
        self._heard = heard
        self._since = time.perf_counter()

    def start(self) -> None:
        """Begin the next step now: what went before belongs to none."""
        self._since = time.perf_counter()

    def lap(self, step: str) -> None:
        """End a step, and begin the next."""
        self.seconds[step] = round(time.perf_counter() - self._since, 2)
        self._heard(step)
        self.start()
