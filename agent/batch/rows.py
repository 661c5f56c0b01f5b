"""The input of a batch as rows: from a file or a sequence, one at a time, each valid for `agent.invoke` or named as bad.

A row asks in one of four forms (question, conversation, HealthBench's prompt, OpenAI's body.messages), has an id of its own,
and may bring a draft. What is wrong with one row never stops the others. Files are read in row_files.py.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

from agent.batch.row_files import ID_KEYS, Record, read_records
from agent.draft import check_draft
from agent.errors import ClinAlignError, InputError
from principles_store.conversation import Message, parse_conversation

Source = Path | Sequence[Mapping[str, Any] | str]
"""A file, or rows; a text among them is a bare question."""

_ID_CHARACTERS = 1_000
_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True)
class Row:
    """One conversation to answer or revise."""

    id: str
    conversation: list[Message]
    draft: str | None


@dataclass(frozen=True)
class BadRow:
    """One that can't be."""

    id: str
    """The row's own, where it could be read."""
    type: str
    message: str
    """Names file and line, and what to do; one line."""


@dataclass(frozen=True)
class Survey:
    """What a whole input is."""

    rows: int
    """Bad ones too."""
    bad: int
    sha256: str
    """Of a file's bytes, or of what was read of a sequence."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    outcome: Row | BadRow
    place: str
    """line 3, or row 3."""
    form: str | None
    """The key under which it asks; None where that is unknown."""


def survey(source: Source) -> Survey:
    """Read everything once, in flat memory, and return what it is; raises InputError where nothing can be read."""
    rows, bad, warning = 0, 0, None
    first: _Read | None = None
    content = hashlib.sha256()
    for read in _read(source):
        rows += 1
        bad += isinstance(read.outcome, BadRow)
        first = first or (read if read.form else None)
        if first and read.form and read.form != first.form and not warning:
            forms = f"{first.form} ({first.place}) and {read.form} ({read.place})"
            warning = f"{_prefix(source)}rows of several forms: {forms}; each is read by its own"
        if not isinstance(source, Path):
            content.update(json.dumps(_gist(read.outcome)).encode() + b"\n")
    if isinstance(source, Path):
        content = _file_hash(source)
    return Survey(rows, bad, content.hexdigest(), (warning,) if warning else ())


def read_rows(source: Source) -> Iterator[Row | BadRow]:
    """Yield the rows in their order, with ids that differ, holding one at a time; raises InputError where nothing can be read.

    Of each id that has been seen a short digest and its line are kept, about 0.1 kB.
    """
    return (read.outcome for read in _read(source))


def _read(source: Source) -> Iterator[_Read]:
    ids, prefix, rows = _Ids(), _prefix(source), 0
    for record in _records(source):
        rows += 1
        yield _checked(record, prefix, ids)
    if not rows and isinstance(source, Path):
        raise InputError(f"{source}: no rows in it")


def _records(source: Source) -> Iterator[Record]:
    if isinstance(source, Path):
        return read_records(source)
    if isinstance(source, str | bytes) or not isinstance(source, Sequence):
        raise InputError(f"rows come from a pathlib.Path or a list of objects, found {type(source).__name__}")
    rows = ({"question": row} if isinstance(row, str) else row for row in source)
    return (Record(number, "row", row) for number, row in enumerate(rows, start=1))


def _checked(record: Record, prefix: str, ids: _Ids) -> _Read:
    id, form, place = f"row-{record.number}", None, f"{record.unit} {record.number}"
    try:
        if record.fault is not None:
            raise InputError(record.fault)
        row = record.data
        if not isinstance(row, Mapping):
            raise InputError(f"expected an object, found {_kind(row)}")
        id = _own_id(row) or id
        form, asked = _asked(row)
        if earlier := ids.place_of(id):
            raise InputError(f"{record.unit} {earlier} has the same id; give each row its own: {id!r}")
        conversation = parse_conversation(asked)
        draft = None if row.get("draft") is None else check_draft(row["draft"])
        return _Read(Row(ids.claim(id, record.number, place), conversation, draft), place, form)
    except ClinAlignError as error:
        fault, kind = str(error), type(error).__name__
    except RecursionError:
        fault, kind = "nested too deep", InputError.__name__
    fault = fault if len(fault) <= _MESSAGE_CHARACTERS else f"{fault[:_MESSAGE_CHARACTERS]}…"
    message = f"{prefix}{place}: {fault}".encode("utf-8", "backslashreplace").decode()  # a file's name may be broken
    return _Read(BadRow(ids.claim(id, record.number, place), kind, message), place, form)


def _own_id(row: Mapping[str, Any]) -> str | None:
    name = next((name for name in ID_KEYS if row.get(name) is not None), None)
    if name is None:
        return None
    value = row[name]
    if _is_number(value):
        return str(value)
    if not isinstance(value, str):
        raise InputError(f"{name} must be text or a number, found {_kind(value)}")
    if not value.strip():
        raise InputError(f"{name} is empty; fill it in or leave it out")
    if len(value) > _ID_CHARACTERS:
        raise InputError(f"{name} has {len(value):,} characters, more than {_ID_CHARACTERS:,}; give a shorter one")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name} has half a character in it (a lone surrogate); decode it as UTF-8 first") from error
    return value


def _is_number(value: Any) -> bool:
    """Tell whether it is a finite number, of whatever library."""
    magnitude: Any = abs(value) if isinstance(value, Real | Decimal) and not isinstance(value, bool) else math.inf
    return bool(magnitude <= sys.float_info.max)


def _asked(row: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the name of the form in which a row asks, and what it asks."""
    body = row.get("body")
    values = {name: row.get(name) for name in ("question", "conversation", "prompt")}
    values["body.messages"] = body.get("messages") if isinstance(body, Mapping) else None
    forms = [name for name, value in values.items() if value is not None]
    if not forms:
        names = ", ".join(repr(name) for name in list(row)[:8]) or "none"
        raise InputError(f"no question in it: give {', '.join(values)}, one of them; its keys are {names}")
    if len(forms) > 1:
        raise InputError(f"{' and '.join(forms)} in one row; keep one")
    form, asked = forms[0], values[forms[0]]
    if form == "question" and not isinstance(asked, str):
        raise InputError(f"question must be text, found {_kind(asked)}; messages go under conversation")
    if form != "question" and not isinstance(asked, list | tuple):
        raise InputError(f"{form} must be a list of messages, found {_kind(asked)}; a text goes under question")
    return form, asked


@dataclass(frozen=True)
class _Ids:
    """Which ids have been given away, and where."""

    _numbers: dict[bytes, int] = field(default_factory=dict)

    def place_of(self, id: str) -> int | None:
        """Return the number of the row that has the id."""
        return self._numbers.get(_digest(id))

    def claim(self, id: str, number: int, place: str) -> str:
        """Return the id, with its place behind it as often as is needed to tell it from all others."""
        while _digest(id) in self._numbers:
            id = f"{id} ({place})"
        self._numbers[_digest(id)] = number
        return id


def _digest(id: str) -> bytes:
    return hashlib.blake2b(id.encode(), digest_size=8).digest()


def _gist(outcome: Row | BadRow) -> Sequence[object]:
    """Return what makes a row what it is; the message of a bad one may hold a name that changes from run to run."""
    return astuple(outcome) if isinstance(outcome, Row) else (outcome.id, outcome.type)


def _file_hash(file: Path) -> Any:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256")
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror})") from error


def _prefix(source: Source) -> str:
    return f"{source}: " if isinstance(source, Path) else ""


def _kind(value: object) -> str:
    names = {
        str: "text",
        list: "a list",
        tuple: "a list",
        dict: "an object",
        bool: repr(value).lower(),
        type(None): "null",
    }
    return names.get(type(value)) or (f"{value}" if isinstance(value, float) else type(value).__name__)
