"""What `kill -9` costs a batch: rows lost, doubled or torn, and model calls paid for twice.

The batch is a process of its own with a fake model of log-normal latency, killed at random moments and started again with the same
command, until it is left to finish. The server keeps the account: a call that asks what was asked before is excused if that was
under way at a kill, or had been answered less than 50 ms before one, since so fresh an answer may not have reached the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from agent.testing import FakeServer, Fault, Reply, Request
from evals.batch.arm import environment
from evals.batch.case_rows import Pair, numbered_rows, write_rows
from evals.batch.latency import TASKS, Latency, ideal_seconds, slow_model

JUST_ANSWERED_S = 0.05
_DYING_S = 1.0
"""Within which workers have found out that their batch is gone; the next one needs longer to make its first call."""
_OPENING_S = 3.0
"""How long a batch takes, about, to open its engines."""
_WORK_SHARE = 0.7
"""Of the ideal time of the rows, about, has passed at the last kill."""


@dataclass(frozen=True)
class Moment:
    """When to kill, and what."""

    is_at_work: bool
    """Whether the seconds count from the first call, or from the start of the process."""
    seconds: float
    with_workers: bool
    """Whether the workers are killed in the same moment, or left to find out."""


@dataclass
class Asked:
    """One request to the server."""

    what: str
    answered_at: float | None = None
    """Reading of time.monotonic(); None: it was cut off."""


@dataclass(frozen=True)
class Kills:
    """What is left after so many kills."""

    kills: int
    rows: int
    missing: int
    """Rows of the input without a row of the output."""
    lost: int
    """Rows that were whole on disk at a kill and are gone, or are not what they were."""
    doubled: int
    torn: int
    calls: int
    calls_of_one_pass: int
    excused: int
    """Calls that were asked again since a kill cut them off or came right after their answer."""

    @property
    def ratio(self) -> float:
        """Calls over those of one undisturbed pass, beyond the excused."""
        return (self.calls - self.excused) / self.calls_of_one_pass

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing was lost, doubled or torn."""
        return not (self.missing or self.lost or self.doubled or self.torn)


class AccountingServer(FakeServer):
    """A fake server that notes of every request what it asked and when its answer was sent."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.asked: list[Asked] = []
        self._under_way: dict[asyncio.Task[Any] | None, Asked] = {}

    def begin(self, request: Request) -> Reply | Fault:
        asked = Asked(json.dumps(request.body["messages"]))
        self.asked.append(asked)
        self._under_way[asyncio.current_task()] = asked  # each request has a task of its own
        return super().begin(request)

    def end(self, *, is_complete: bool) -> None:
        asked = self._under_way.pop(asyncio.current_task())
        asked.answered_at = time.monotonic() if is_complete else None
        super().end(is_complete=is_complete)


def measure_kills(
    pairs: Sequence[Pair],
    *,
    kills: int = 20,
    rows: int = 400,
    in_flight: int = 16,
    processes: int | None = 2,
    call_seconds: float = 0.3,
    seed: int = 0,
) -> Kills:
    """Run a batch, kill it so often, let it finish, and return what is left; RuntimeError if it fails by itself."""
    latency = Latency(call_seconds, seed=seed)
    ideal = ideal_seconds([latency.of_row(case) for case in range(rows)], in_flight)
    server = AccountingServer(slow_model(latency))
    with tempfile.TemporaryDirectory() as folder, server:
        source = write_rows(numbered_rows(pairs, rows), Path(folder) / "in.jsonl")
        output = source.with_name("out.jsonl")
        batch = _Batch(_command(source, output, in_flight, processes), output, server)
        for moment in kill_moments(Random(seed), kills, ideal):
            batch.run(moment)
        batch.run(None)
        return _account(batch, rows)


def kill_moments(chance: Random, kills: int, ideal: float) -> Iterator[Moment]:
    """Yield when to kill: one time in five while the engines are opened, else at work, and every other time with the workers."""
    for number in range(kills):
        is_at_work = number % 5 != 4
        longest = 2 * _WORK_SHARE * ideal / (0.8 * kills) if is_at_work else _OPENING_S
        yield Moment(is_at_work, chance.uniform(0, longest), number % 2 == 1)


@dataclass
class _Batch:
    """The command that is killed and started again, and what was seen of it."""

    command: Sequence[str]
    output: Path
    server: AccountingServer
    kept: dict[str, bytes] = field(default_factory=dict)
    """Rows that were whole on disk at a kill."""
    kills: list[float] = field(default_factory=list)
    """Readings of time.monotonic()."""

    def run(self, moment: Moment | None) -> None:
        """Start it and kill it at that moment, or let it finish."""
        log, asked_before = self.output.with_name("log"), len(self.server.asked)
        address = environment(self.server.base_url)
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603  # our own command
                self.command, env=address, stdout=file, stderr=file, start_new_session=True
            )
        try:
            while moment and moment.is_at_work and len(self.server.asked) == asked_before and process.poll() is None:
                time.sleep(0.001)
            process.wait(moment.seconds if moment else None)
        except subprocess.TimeoutExpired:
            self._kill(process, with_workers=bool(moment and moment.with_workers))
            return
        finally:
            process.kill()
        if process.returncode:
            said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"the batch ended by itself, with {process.returncode}: {said}")

    def _kill(self, process: subprocess.Popen[bytes], *, with_workers: bool) -> None:
        self.kills.append(time.monotonic())
        if with_workers:
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        self.kept |= read_rows(self.output)[0]


def read_rows(output: Path) -> tuple[dict[str, bytes], int, int]:
    """Return the whole rows of an output by their id, how many are there more than once, and how many lines are torn."""
    rows: dict[str, bytes] = {}
    doubled = torn = 0
    for line in output.read_bytes().splitlines(keepends=True) if output.exists() else []:
        try:
            row_id = str(json.loads(line)["id"])
        except (ValueError, KeyError, TypeError):
            torn += 1
            continue
        torn += not line.endswith(b"\n")
        doubled += row_id in rows
        rows[row_id] = line
    return rows, doubled, torn


def count_excused(asked: Sequence[Asked], kills: Sequence[float]) -> int:
    """Return how many requests ask again what nobody got an answer to because of a kill."""
    latest: dict[str, Asked] = {}
    excused = 0
    for again in asked:
        before = latest.get(again.what)
        latest[again.what] = again
        if before is not None:
            at = before.answered_at
            excused += at is None or any(-JUST_ANSWERED_S <= at - kill <= _DYING_S for kill in kills)
    return excused


def _account(batch: _Batch, count: int) -> Kills:
    rows, doubled, torn = read_rows(batch.output)
    return Kills(
        kills=len(batch.kills),
        rows=count,
        missing=count - len(rows),
        lost=sum(rows.get(row_id) != line for row_id, line in batch.kept.items()),
        doubled=doubled,
        torn=torn,
        calls=len(batch.server.asked),
        calls_of_one_pass=len(TASKS) * count,
        excused=count_excused(batch.server.asked, batch.kills),
    )


def _command(source: Path, output: Path, in_flight: int, processes: int | None) -> list[str]:
    command = [sys.executable, "-m", "agent.cli", "batch", str(source), "-o", str(output), "--model", "openai:fake"]
    return [*command, "--concurrency", str(in_flight), *(["--processes", str(processes)] if processes else [])]
