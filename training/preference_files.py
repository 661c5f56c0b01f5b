"""Files of preferences and HealthRubrics, read one row at a time, and written. What a row means is `preference_rows.py`'s job.

JSONL, plain or gzip, Parquet and CSV; of a file of any size one row is in memory, and about 0.1 kB of each id that was seen.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from agent.batch.disk import disk_error, replace_file
from agent.batch.row_files import Record, read_records
from agent.batch.row_lines import row_digest
from agent.batch.rows import BadRow, Survey
from agent.errors import ClinAlignError, InputError
from training.csv_records import is_csv, read_csv
from training.preference_rows import PREFERRED_KEYS, id_in, record_of
from training.preferences import HealthRubric

_MESSAGE_CHARACTERS = 500
_HASHED_BYTES = 1 << 20


def read_preferences(path: Path) -> Iterator[HealthRubric]:
    """Yield the records of a file in its order; raises InputError naming file, row and field at the first that is none."""
    for row in read_rows(path):
        if isinstance(row, BadRow):
            raise InputError(row.message)
        yield row


def read_rows(path: Path) -> Iterator[HealthRubric | BadRow]:
    """Yield every row, as a record or as what is wrong with it, with ids that differ; InputError where nothing can be read."""
    ids, rows = _Ids(), 0
    numbering = _Numbering(path)
    for record in _records(path):
        rows += 1
        yield _checked(record, path, ids, numbering)
    if not rows:
        raise InputError(f"{path}: no rows in it")


def survey_preferences(path: Path) -> Survey:
    """Read everything once and return what it is, as a batch wants to know it."""
    rows = bad = 0
    for row in read_rows(path):
        rows += 1
        bad += isinstance(row, BadRow)
    with path.open("rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    return Survey(rows, bad, content, ())


def as_row(record: HealthRubric) -> dict[str, Any]:
    """Return a record as a JSON object, its id first: the form in which it is written and read again."""
    return {"id": record.id, **record.model_dump(mode="json")}


def write_records(records: Iterable[HealthRubric], path: Path) -> None:
    """Write records as JSONL, compressed where the name ends in .gz, in one step: on any failure an old file stays as it was."""
    if path.suffix not in (".jsonl", ".gz"):
        raise InputError(f"{path}: records are written as JSONL; name a FILE.jsonl or FILE.jsonl.gz")
    lines = ((json.dumps(as_row(record)) + "\n").encode() for record in records)
    try:
        replace_file(path, map(gzip.compress, lines) if path.suffix == ".gz" else lines)
    except OSError as error:
        raise disk_error(f"can't write {path}", error) from error


def _records(path: Path) -> Iterator[Record]:
    return read_csv(path) if is_csv(path) else read_records(path, columns=None)


def _checked(record: Record, path: Path, ids: _Ids, numbering: _Numbering) -> HealthRubric | BadRow:
    id, place = f"row-{record.number}", f"{record.unit} {record.number}"
    try:
        if record.fault is not None:
            raise InputError(record.fault)
        if not isinstance(record.data, Mapping):
            raise InputError(f"expected an object, found {type(record.data).__name__}")
        id = id_in(record.data) or id
        found = record_of(record.data, source=path.name, numbering=numbering)
        if earlier := ids.place_of(found.id):
            same = f"the same id {found.id!r}" if id_in(record.data) else "the same conversation and responses"
            raise InputError(f"{earlier} has {same}; keep one of them, or give each an id of its own")
        ids.claim(found.id, place)
        return found
    except ClinAlignError as error:
        fault, kind = str(error), type(error).__name__
    except RecursionError:
        fault, kind = "nested too deep", InputError.__name__
    fault = fault if len(fault) <= _MESSAGE_CHARACTERS else f"{fault[:_MESSAGE_CHARACTERS]}…"
    message = f"{path}: {place}: {fault}".encode("utf-8", "backslashreplace").decode()
    return BadRow(ids.claim(id, place), kind, message)


class _Ids:
    """Which ids have been given away, and where."""

    def __init__(self) -> None:
        self._places: dict[int, str] = {}

    def place_of(self, id: str) -> str | None:
        """Return where the row stands that has the id."""
        return self._places.get(row_digest(id))

    def claim(self, id: str, place: str) -> str:
        """Return the id, with its place behind it as often as is needed to tell it from all others."""
        while row_digest(id) in self._places:
            id = f"{id} ({place})"
        self._places[row_digest(id)] = place
        return id


class _Numbering:
    """Whether a file that names the preferred response by number counts from 0 or from 1: its other rows tell."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> int:
        """Return the number of the first response; InputError where it can't be told."""
        if len(self._numbers) == 1:
            return 0 if "0" in self._numbers else 1
        why = "0 and 2 both stand in this file" if self._numbers else "no 0 and no 2 stands in this file to tell"
        raise InputError(f"preferred: 1 may be the first or the second response, and {why}; write a, b or tie")

    @cached_property
    def _numbers(self) -> frozenset[str]:
        rows = (record.data for record in _records(self._path) if isinstance(record.data, Mapping))
        told = (str(row[key]).strip() for row in rows for key in PREFERRED_KEYS if key in row)
        return frozenset(number for number in told if number in ("0", "2"))
