"""Who does the rows: threads of this process, several processes, or a Ray cluster; all look the same to the batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from agent.batch.job import Opener
from agent.batch.task import Done, Event, Left, Task
from agent.errors import ConfigError

_AHEAD = 2
"""Tasks that wait beside those in flight, so that a thread that is done need not wait for its next."""
_ROWS_PER_PROCESS = 24
"""In flight; fewer leave a core to spare, and a process costs seconds and 400 MB to open."""
_MOST_PROCESSES = 16
_TICK_S = 1.0
"""An empty batch of events comes after so long a silence, so that a bound on time is seen."""


class Runner(Protocol):
    """Does rows, many at once."""

    @property
    def in_flight(self) -> int:
        """Rows at once."""
        ...

    def open(
        self, tasks: Iterator[Task], *, calls: Path | None, halted: threading.Event
    ) -> AbstractContextManager[Iterator[Sequence[Event]]]:
        """Open the engines, then take tasks and give events as they happen; a row ends in Done or Left.

        `calls`: file to which replies that are paid for are appended before a row goes on. `halted`, once set: no further model
        call begins.
        """
        ...


class Slots(Protocol):
    """Places for rows in flight, as threads and processes offer them."""

    count: int
    events: SimpleQueue[Event]

    def submit(self, task: Task) -> None: ...

    def halt(self) -> None: ...


@dataclass(frozen=True)
class ThreadRunner:
    """Rows in threads of this process, which share one engine."""

    opener: Opener
    in_flight: int

    @contextmanager
    def open(
        self, tasks: Iterator[Task], *, calls: Path | None, halted: threading.Event
    ) -> Iterator[Iterator[Sequence[Event]]]:
        from threadpoolctl import threadpool_limits

        from agent.batch.calls import keeper
        from agent.batch.slots import ThreadSlots

        slots = ThreadSlots(self.opener.open(), self.in_flight, keep_call=keeper(calls), halted=halted)
        try:
            with threadpool_limits(1, "blas"):  # the products are small; threads would only wait for each other
                yield driven(slots, tasks, self.in_flight + _AHEAD, halted)
        finally:
            slots.close()


@dataclass(frozen=True)
class ProcessRunner:
    """Rows in several processes, each with an engine of its own."""

    opener: Opener
    in_flight: int
    processes: int

    @contextmanager
    def open(
        self, tasks: Iterator[Task], *, calls: Path | None, halted: threading.Event
    ) -> Iterator[Iterator[Sequence[Event]]]:
        from agent.batch.processes import ProcessSlots

        slots = ProcessSlots(self.opener, self.in_flight, processes=self.processes, calls=calls)
        try:
            slots.wait()
            yield driven(slots, tasks, slots.count, halted)
        finally:
            slots.close()


def make_runner(opener: Opener, *, concurrency: int, processes: int | None) -> Runner:
    """Return the runner on this machine; `processes` None: as many as are worth it. Raises ConfigError."""
    if concurrency < 1 or (processes is not None and processes < 1):
        raise ConfigError(f"concurrency {concurrency} and processes {processes} must be at least 1")
    in_process = next(
        (name for name in opener.models if name.partition(":")[0].strip().lower() in ("hf", "vllm")), None
    )
    if processes is not None and processes > 1 and (in_process or opener.is_local):
        what = f"the model {in_process} is loaded into this process" if in_process else "a context can't be sent"
        raise ConfigError(
            f"{what}, so there can be only one process; leave processes out, or serve the model and name openai:"
        )
    if processes is None:
        processes = 1 if in_process or opener.is_local else _useful_processes(opener, concurrency)
    if processes > 1:
        return ProcessRunner(opener, concurrency, processes)
    return ThreadRunner(opener, concurrency)


def make_ray_runner(opener: Opener, address: str, *, concurrency: int, actors: int | None, gpus: float) -> Runner:
    """Return the runner on a Ray cluster; `address` "local" begins one on this machine. Raises ConfigError without Ray."""
    from agent.batch.ray_pool import RayRunner

    return RayRunner(opener, concurrency, None if address == "local" else address, actors, gpus)


def _useful_processes(opener: Opener, concurrency: int) -> int:
    """Return a process per core where the rows would keep it busy: all of the embedded engine's, or many waiting for a model."""
    from agent.cores import usable_cores

    wanted = concurrency // _ROWS_PER_PROCESS if opener.models else concurrency
    return max(1, min(usable_cores(), wanted, _MOST_PROCESSES))


def driven(slots: Slots, tasks: Iterator[Task], most: int, halted: threading.Event) -> Iterator[Sequence[Event]]:
    """Keep the slots full until there are no more tasks, and yield what happens."""
    from agent.batch.slots import drain

    given, has_halted = 0, False
    while True:
        while given < most and (task := next(tasks, None)) is not None:
            slots.submit(task)
            given += 1
        if given == 0:
            return
        if halted.is_set() and not has_halted:
            has_halted = True
            slots.halt()
        events = drain(slots.events, timeout_s=_TICK_S)
        given -= sum(isinstance(event, Done | Left) for event in events)
        yield events
