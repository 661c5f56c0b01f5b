"""The output of a batch as it stands, for reading: its whole rows, and what they add up to. Writing it is journal.py.

It may still be growing: what is read ends where the file ended when it was opened, and a last line that is torn is no row.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from agent.batch.exports.row_shapes import fault_of, without_half_characters
from agent.batch.row_lines import row_digest
from agent.errors import InputError

OutputRow = dict[str, Any]
"""An answer with its id, or {"id", "error"}, as `fault_of` has checked it."""


@dataclass
class Counts:
    """What the rows of an output add up to."""

    accepted: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    """Drafts that came back as they were, by reason."""
    failed: Counter[str] = field(default_factory=Counter)
    """By type of error."""
    engines: Counter[str] = field(default_factory=Counter)
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Writer and judge."""
    libraries: Counter[str] = field(default_factory=Counter)
    """By content hash."""

    @property
    def answered(self) -> int:
        """Rows that have an answer."""
        return self.accepted + self.kept.total()

    @property
    def rows(self) -> int:
        """All of them."""
        return self.answered + self.failed.total()

    def told(self) -> str:
        """Return the counts in words, for a message."""
        parts = [f"{self.accepted:,} revised"]
        for name, counts in (("kept as they were", self.kept), ("failed", self.failed)):
            if counts:
                reasons = ", ".join(f"{reason}: {count:,}" for reason, count in counts.most_common())
                parts.append(f"{counts.total():,} {name} ({reasons})")
        return f"{in_rows(self.rows)}, {', '.join(parts)}"

    def add(self, row: OutputRow) -> None:
        """Count a row."""
        if "error" in row:
            self.failed[row["error"].get("type") or "unknown"] += 1
            return
        if row["accepted"]:
            self.accepted += 1
        else:
            self.kept[row.get("stopped_because") or "unknown"] += 1
        models: Mapping[str, str] = row.get("models") or {}
        self.engines[row.get("engine") or "unknown"] += 1
        self.models[models.get("writer") or "unknown", models.get("judge") or "unknown"] += 1
        self.libraries[row.get("library_hash") or "unknown"] += 1


class OutputFile:
    """The file, open; a row can be asked for again by where it starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb", buffering=1 << 20)
        except OSError as error:
            advice = "name the file that `clinalign batch` wrote with -o"
            raise InputError(f"{path}: can't be read ({error.strerror}); {advice}") from error
        self._size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def read(self) -> Iterator[tuple[int, int, OutputRow]]:
        """Yield (start, size in bytes, row) in the order of the file; raises InputError naming the line that is no row."""
        start, number = 0, 0
        ids: set[int] = set()
        self._file.seek(0)
        while start < self._size:
            line = self._file.readline(self._size - start)
            number += 1
            if not line.isspace():
                row = self._row(line, number, is_last=start + len(line) == self._size)
                if row is None:
                    return
                if (digest := row_digest(row["id"])) in ids:
                    raise InputError(
                        f"{self.path}, line {number}: the id {row['id']!r} is there twice; keep one of them"
                    )
                ids.add(digest)
                yield start, len(line), row
            start += len(line)

    def read_again(self, start: int) -> OutputRow:
        """Return the row that starts there."""
        self._file.seek(start)
        try:
            return _parsed(self._file.readline())
        except ValueError as error:
            raise InputError(f"{self.path}: changed while it was read; run the same command again") from error

    def _row(self, line: bytes, number: int, *, is_last: bool) -> OutputRow | None:
        """Return the row of a line; None for a last line that is torn."""
        try:
            row = _parsed(line)
        except (ValueError, RecursionError) as error:
            if is_last and line.startswith((b"{", b"\0")):  # what the journal takes for torn too
                return None
            raise InputError(f"{self.path}, line {number}: not a row of `clinalign batch` ({error})") from error
        if fault := fault_of(row):
            raise InputError(f"{self.path}, line {number}: {fault}")
        return row


def _parsed(line: bytes) -> OutputRow:
    text = line.decode()
    row: OutputRow = json.loads(text)
    if "\\ud" in text:  # whole characters beyond 16 bits are not written as escapes
        row = json.loads(without_half_characters(json.dumps(row, ensure_ascii=False)))
    return row


def in_rows(count: int, kind: str = "row") -> str:
    """Return a number of rows in words."""
    return f"{count:,} {kind}{'' if count == 1 else 's'}"
