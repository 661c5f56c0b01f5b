"""CSV files as raw records, streamed: any of comma, semicolon and tab, a BOM, quotes, line ends in cells, gzip.

Every cell is a text. What is wrong with one row is that record's fault, and the next one follows; what the columns mean is for
`preference_rows.py`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from agent.batch.row_files import Record
from agent.errors import InputError
from agent.revise_input import MAX_BYTES

_SUFFIXES = (".csv", ".tsv")
_DELIMITERS = (",", ";", "\t")
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def is_csv(path: Path) -> bool:
    """Tell by its name whether a file is CSV."""
    return path.name.lower().removesuffix(".gz").endswith(_SUFFIXES)


def read_csv(path: Path) -> Iterator[Record]:
    """Yield the rows of a CSV file by its header's names, lower-case; raises InputError if it can't be read at all."""
    csv.field_size_limit(
        max(csv.field_size_limit(), MAX_BYTES)
    )  # the module's own limit is short of a long conversation
    try:
        with _opened(path) as lines:
            yield from _rows(path, lines)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the gzip stream is cut off or damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error}); check the path") from error


def _opened(path: Path) -> TextIO:
    """Open it as text in which a byte that isn't UTF-8 is a lone surrogate: it spoils its own row only."""
    with path.open("rb") as raw:
        head = raw.read(2)
    if head.startswith(_UTF16):
        raise InputError(f"{path}: text in UTF-16; save it as CSV in UTF-8")
    stream = gzip.open(path, "rb") if head == _GZIP else path.open("rb")  # noqa: SIM115 - closed with what wraps it
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _rows(path: Path, lines: TextIO) -> Iterator[Record]:
    header = lines.readline()
    if not header.strip():
        raise InputError(f"{path}: no header; name the columns in the first line, such as question,chosen,rejected")
    delimiter = max(_DELIMITERS, key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter))]
    if twice := [name for number, name in enumerate(names) if name and name in names[:number]]:
        raise InputError(f"{path}: the column {twice[0]!r} is there twice; keep one")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 2  # of the row's first line; the header was the first
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(number, "line", fault=f"malformed CSV: {error}; double the quotes inside a quoted cell")
            continue
        if any(cells):
            yield _record(number, names, cells)


def _record(number: int, names: list[str], cells: list[str]) -> Record:
    if len(cells) != len(names):
        fault = f"{len(cells)} cells under {len(names)} columns; put a cell with a comma or a line end in quotes"
        return Record(number, "line", fault=fault)
    if broken := next((name for name, cell in zip(names, cells, strict=True) if _NOT_UTF8.search(cell)), None):
        return Record(number, "line", fault=f"{broken}: not UTF-8; save the file as UTF-8")
    return Record(number, "line", {name: cell for name, cell in zip(names, cells, strict=True) if cell.strip()})
