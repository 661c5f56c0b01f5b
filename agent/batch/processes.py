"""Rows in flight in several processes: Python runs on one core per process, and many rows at once need more than one.

Each process opens its own engine and holds its share of the rows. Rows of a process that dies are done by its successor.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from agent.batch.calls import CallLog
from agent.batch.errors import BatchError
from agent.batch.job import Opener, with_settings
from agent.batch.task import Done, Event, Fatal, Left, Task
from agent.batch.worker import HALT, Order, Ready
from agent.cores import usable_cores

_AHEAD = 2
"""Tasks that wait in a process, so that a thread that is done need not wait for the batch."""
_MAX_DEATHS = 3
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""The products are small; threads that wait for each other take the cores from the rows."""


_PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # Ctrl-C goes to all; what becomes of it the batch says
    "from agent.batch.worker import run_worker; run_worker(int(sys.argv[1]))"
)
_STANDARD_ERROR = 2
"""Its number; in a notebook `sys.stderr` is no file."""


class ProcessSlots:
    """Processes that do rows; what happens is put into `events`."""

    def __init__(self, opener: Opener, count: int, *, processes: int, calls: Path | None) -> None:
        self.count = count + _AHEAD * processes
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._calls = calls
        self._lock = threading.Lock()
        self._is_closed = self._is_halted = False
        self._deaths = 0
        threads = opener.settings.threads or max(1, usable_cores() // processes)
        shares = [count // processes + (number < count % processes) for number in range(processes)]
        opener = with_settings(opener, opener.settings.model_copy(update={"threads": threads}))
        orders = [Order(opener, share, calls) for share in shares if share]
        self._workers = [self._start(order) for order in orders]

    def wait(self) -> None:
        """Wait until every engine is open; raise BatchError if one can't be."""
        for worker in self._workers:
            worker.is_ready.wait()
            if worker.refusal:
                raise BatchError(worker.refusal)

    def submit(self, task: Task) -> None:
        """Have a row done by the process that has the fewest."""
        with self._lock:
            worker = min(self._workers, key=lambda worker: len(worker.tasks))
            worker.tasks[task.row.id] = task
        worker.send(task)

    def halt(self) -> None:
        """Begin no further model call; rows that need one are left."""
        self._is_halted = True
        for worker in self._workers:
            worker.send(HALT)

    def close(self) -> None:
        """End the processes, whatever they do."""
        self._is_closed = True
        for worker in self._workers:
            worker.end()

    def _start(self, order: Order) -> _Worker:
        worker = _Worker(order)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                for event in worker.connection.recv():
                    self._heard(event, worker)
        worker.connection.close()  # here, since a number that is read from must not become another file's
        if not self._is_closed:
            self._succeed(worker)

    def _heard(self, event: Event | Ready, worker: _Worker) -> None:
        if isinstance(event, Ready):
            worker.is_ready.set()
            return
        if isinstance(event, Fatal) and not worker.is_ready.is_set():
            worker.refusal = event.message
            worker.is_ready.set()
        if isinstance(event, Done | Left):
            with self._lock:
                worker.tasks.pop(event.id, None)
        self.events.put(event)

    def _succeed(self, dead: _Worker) -> None:
        """Start another process in place of one that has died, and give it the rows; what was paid for them is kept."""
        self._deaths += 1
        if self._deaths > _MAX_DEATHS or not dead.is_ready.is_set() or dead.refusal:
            when = "for the fourth time" if dead.is_ready.is_set() else "while it opened its engine"
            died = f"a process of the batch has died ({dead.exit_status()}), {when}; its last words are above, if it had any"
            dead.refusal = dead.refusal or f"{died}. With fewer processes less memory is needed; run again to continue"
            dead.is_ready.set()
            self.events.put(Fatal(dead.refusal))
            return
        kept = CallLog(self._calls).load(dead.tasks.__contains__) if self._calls else {}
        successor = self._start(dead.order)
        with self._lock:
            self._workers[self._workers.index(dead)] = successor
            successor.tasks.update(dead.tasks)
        if self._is_closed:  # meanwhile, and without knowing of the successor
            successor.end()
        for row_id, task in dead.tasks.items():
            successor.send(Task(task.row, kept.get(row_id, task.kept)))
        if self._is_halted:
            successor.send(HALT)


@dataclass(eq=False)
class _Worker:
    """One process and the tasks that it has."""

    order: Order
    tasks: dict[str, Task] = field(default_factory=dict)
    is_ready: threading.Event = field(default_factory=threading.Event)
    refusal: str = ""
    """Why it could not open its engine."""

    def __post_init__(self) -> None:
        self._sending = threading.Lock()
        self.connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdout=_STANDARD_ERROR,  # whatever a library prints there must not stand among our results
            )
        self.send(self.order)

    connection: Connection[Any, Any] = field(init=False)

    def send(self, message: Any) -> None:
        """Send it; to a process that has died nothing is sent, since its successor gets its tasks."""
        with self._sending, contextlib.suppress(OSError):
            self.connection.send(message)

    def exit_status(self) -> str:
        """Return how it ended, in words."""
        status = self._process.wait()
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    def end(self) -> None:
        """Kill it; whoever listens to it closes the connection."""
        self._process.kill()
        self._process.wait()
