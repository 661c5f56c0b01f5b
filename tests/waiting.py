"""Waiting for what comes soon, in another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], *, at_most_s: float = 60) -> Any:
    """Wait for a condition and return what it gives; fail if it does not come."""
    deadline = time.monotonic() + at_most_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so after {at_most_s} s"
        time.sleep(0.01)
    return found
