"""One line now and then on how far a stage is, and when it will be over."""

from __future__ import annotations

import time
from collections.abc import Callable

from training.alignment.durations import in_words

EVERY_S = 10.0


class Pace:
    """Of one stage; the first line comes after `every_s` seconds, so that a short stage has none."""

    def __init__(self, what: str, echo: Callable[[str], None], *, done: int = 0, every_s: float = EVERY_S) -> None:
        """`done`: of an earlier run, which says nothing of this one's speed."""
        self._what, self._echo, self._from, self._every_s = what, echo, done, every_s
        self._began = self._told_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Tell whether it is time for a line."""
        return time.monotonic() - self._told_at >= self._every_s

    def __call__(self, done: int, total: int, facts: str = "") -> None:
        """Tell that `done` of `total` are done, if it is time."""
        if not self.is_due:
            return
        self._told_at = time.monotonic()
        left = (self._told_at - self._began) / max(done - self._from, 1) * (total - done)
        parts = (f"{self._what} {done:,}/{total:,}", facts, f"{in_words(left)} to go")
        self._echo("  ".join(part for part in parts if part))
