"""Rows with rubrics, read back: those of `rubrics synthesize`, HealthRubrics, or any rows with "rubrics"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.batch.row_files import read_records
from agent.errors import InputError

KEYS = ("rubric", "rubrics", "refined", "draft")
"""Where a row has its criteria, in the order in which they are looked at."""


@dataclass(frozen=True)
class RubricRow:
    """One row."""

    id: str
    data: Mapping[str, Any]
    key: str
    """Under which its criteria stand; empty for a row that is an error."""

    @property
    def criteria(self) -> list[Mapping[str, Any]]:
        return list(self.data[self.key]) if self.key else []


def read_rubric_rows(path: Path) -> Iterator[RubricRow]:
    """Yield the rows of a file; InputError naming the line of one that has neither criteria nor an error."""
    rows = 0
    for record in read_records(path, columns=None):
        rows += 1
        place = f"{path}: {record.unit} {record.number}"
        if record.fault is not None or not isinstance(record.data, Mapping):
            raise InputError(f"{place}: {record.fault or 'expected an object'}")
        row = record.data
        key = next((name for name in KEYS if isinstance(row.get(name), list) and row[name]), "")
        if not key and row.get("error") is None:
            raise InputError(
                f"{place}: no rubric in it; give rows of clinalign rubrics synthesize, or rows with rubrics"
            )
        if key and not all(isinstance(item, Mapping) and isinstance(item.get("criterion"), str) for item in row[key]):
            raise InputError(f"{place}: {key} must be a list of objects with criterion and points")
        yield RubricRow(str(row.get("id") or row.get("prompt_id") or f"{record.unit} {record.number}"), row, key)
    if not rows:
        raise InputError(f"{path}: no rows in it")
