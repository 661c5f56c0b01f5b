"""One row of a batch: what there is to do, how it is done, and what is told of it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent.batch.calls import KeptCall
from agent.batch.job import JobRow, Outcome, Work
from agent.batch.rows import BadRow
from agent.call_memory import KeptReply
from agent.errors import CancelledError, ClinAlignError
from agent.ledger import CallRecord, Usage

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A row, and the replies that an earlier run of the batch has paid for."""

    row: JobRow
    kept: Sequence[KeptCall] = ()


@dataclass(frozen=True)
class Done:
    """A row that is done: its line of the output, and what the tally wants to know of it."""

    id: str
    line: bytes
    """JSON without a line's end, `id` first."""
    label: str = ""
    """Which of the job's labels it counts as."""
    error: str = ""
    """Type of the error of a row that failed."""
    fault: str = ""
    """Which fault of a model it was, if it was one."""
    message: str = ""
    is_in_vain: bool = False
    """As `Outcome` has it."""


@dataclass(frozen=True)
class Left:
    """A row that was begun and is not done, since the batch ends; a later run continues it."""

    id: str


@dataclass(frozen=True)
class Paid:
    """A model call that was made and paid for."""

    usage: Usage


@dataclass(frozen=True)
class Fatal:
    """Nothing more can be done, for a reason that has nothing to do with a row."""

    message: str


Event = Done | Left | Paid | Fatal


@dataclass
class RowMemory:
    """The replies of one row: those kept are given again, new ones are kept and told."""

    begins_anew = True
    task: Task
    keep_call: Callable[[KeptCall], None]
    tell: Callable[[Event], None]
    halted: threading.Event
    recalled: list[KeptCall] = field(default_factory=list, init=False)
    """What was given again since the last call that was made."""
    _kept: dict[str, list[KeptCall]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for call in self.task.kept:
            self._kept.setdefault(call.request, []).append(call)

    def recall(self, request: str) -> KeptReply | None:
        if waiting := self._kept.get(request):
            call = waiting.pop(0)  # asked twice, answered twice: in the order in which it was
            self.recalled.append(call)
            return KeptReply(call.text, tuple(CallRecord(**record) for record in call.calls), call.cost)
        if self.halted.is_set():
            raise CancelledError("the batch ends; run it again to continue")
        return None

    def keep(self, request: str, reply: KeptReply) -> None:
        calls = [record.as_dict() for record in reply.calls]
        try:
            self.keep_call(KeptCall(self.task.row.id, request, reply.text, calls, reply.cost))
        except Exception as error:  # a full disk, a lost node: not the row's fault, so no error of the row
            self.tell(Fatal(str(error)))
            raise CancelledError("the reply could not be kept") from error

    def paid(self, calls: Sequence[CallRecord], cost: float) -> None:
        self.recalled.clear()
        for number, record in enumerate(calls):
            self.tell(Paid(Usage(1, record.input_tokens, record.output_tokens, cost if number == 0 else 0.0)))


def do_task(
    task: Task,
    work: Work,
    *,
    keep_call: Callable[[KeptCall], None],
    tell: Callable[[Event], None],
    halted: threading.Event,
) -> Done | Left:
    """Do one row; whatever goes wrong with it becomes its error."""
    row = task.row
    memory = RowMemory(task, keep_call, tell, halted)
    try:
        if halted.is_set():
            return Left(row.id)
        return _done(row.id, work(row, memory))
    except CancelledError:
        return Left(row.id)
    except ClinAlignError as error:
        fault = getattr(error, "fault", "")
        if memory.recalled and fault == "malformed reply":  # kept, with its repair: both would only fail again
            usable = [call for call in task.kept if call not in memory.recalled[-2:]]
            return do_task(Task(row, usable), work, keep_call=keep_call, tell=tell, halted=halted)
        return failed(row.id, type(error).__name__, str(error), fault=fault, data=work.beside_error(row))
    except Exception as error:  # the outer wall of a row
        _log.error("row %r failed in a way that was not foreseen: %s", row.id, type(error).__name__)
        _log.debug("how row %r failed", row.id, exc_info=True)  # may quote what a patient wrote
        return failed(row.id, type(error).__name__, str(error) or type(error).__name__, data=work.beside_error(row))


def _done(row_id: str, outcome: Outcome) -> Done:
    if outcome.error is not None:
        done = failed(row_id, *outcome.error, fault=outcome.fault, data=outcome.data)
        return replace(done, is_in_vain=outcome.is_in_vain)
    return Done(row_id, json_line({"id": row_id, **outcome.data}), outcome.label)


def refused(row: BadRow) -> Done:
    """Return what is written of a row that can't be read."""
    return failed(row.id, row.type, row.message)


def failed(row_id: str, kind: str, message: str, *, fault: str = "", data: Mapping[str, Any] | None = None) -> Done:
    """Return what is written of a row that failed: its error, and then what there is of it all the same."""
    line = json_line({"id": row_id, "error": {"type": kind, "message": message}, **(data or {})})
    return Done(row_id, line, error=kind, fault=fault, message=message)


def json_line(data: Mapping[str, Any]) -> bytes:
    """Return an object as one line of JSON in UTF-8; half a character, which a model may write, stays an escape."""
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace")
