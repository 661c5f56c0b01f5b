"""One event loop in one background thread for the whole process: all model calls share it, and with it their connections."""

from __future__ import annotations

import asyncio
import os
import threading

_lock = threading.Lock()
_shared: asyncio.AbstractEventLoop | None = None


def start_loop(name: str) -> asyncio.AbstractEventLoop:
    """Return a new event loop that runs in a daemon thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=name, daemon=True).start()
    return loop


def shared_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of the model calls; it is started when first asked for."""
    global _shared  # noqa: PLW0603 -- connections belong to a loop, so there is one
    with _lock:
        if _shared is None:
            _shared = start_loop("clinalign-model-calls")
        return _shared


def _forget_in_child() -> None:
    """Drop the loop, whose thread does not live on in a forked process."""
    global _shared, _lock
    _shared, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
