"""A process that does rows for a batch, and what it and the batch say to each other; `processes.py` starts it.

It talks over one socket: first come the settings, then tasks; back go events. When the batch is gone, so is this.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NoReturn

from agent.batch.task import Event, Fatal
from agent.config import Settings
from principles_store.errors import ClinAlignError

HALT = "halt"


@dataclass(frozen=True)
class Ready:
    """The engine is open; tasks may come."""


@dataclass(frozen=True)
class Order:
    """What a worker has to know before its first task."""

    settings: Settings
    slots: int
    calls: Path | None
    """File to which replies that are paid for are appended; None: they are not kept."""


def run_worker(descriptor: int) -> NoReturn:
    """Be a worker that talks over this socket; ends when the other side has gone."""
    with contextlib.suppress(EOFError, OSError):
        _obey(Connection(descriptor))
    os._exit(0)  # at once: every further call would be paid for and lost


def _obey(connection: Connection[Any, Any]) -> None:
    from agent.batch.calls import CallLog
    from agent.batch.slots import ThreadSlots
    from agent.context import load_context

    order: Order = connection.recv()
    try:
        context = load_context(order.settings)
    except ClinAlignError as error:
        connection.send([Fatal(str(error))])
        return
    keep = CallLog(order.calls).append if order.calls else _forget
    slots = ThreadSlots(context, order.slots, keep_call=keep, halted=threading.Event())
    connection.send([Ready()])
    threading.Thread(target=_send_events, args=(slots.events, connection), daemon=True).start()
    while True:
        message = connection.recv()
        if message == HALT:
            slots.halt()
        else:
            slots.submit(message)


def drain(events: SimpleQueue[Any], *, timeout_s: float | None = None) -> list[Any]:
    """Return all that is in a queue, after waiting for the first; empty when nothing came in time."""
    found = []
    try:
        found.append(events.get(timeout=timeout_s))
        while True:
            found.append(events.get_nowait())
    except Empty:
        return found


def _send_events(events: SimpleQueue[Event], connection: Connection[Any, Any]) -> NoReturn:
    while True:
        try:
            connection.send(drain(events))
        except OSError:
            os._exit(1)  # nobody is there to hear it


def _forget(_: Any) -> None:
    """Keep nothing: a batch without an output can't be continued."""
