"""What a file of rows holds: which rows are done, and where its whole lines end. Reads only; `journal.py` writes.

A line is a JSON object with its id first, so nothing behind the id is parsed: 50,000 lines of 15 kB take about a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from agent.batch.disk import JournalError

BUFFER = 1 << 20
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
_BLANK = rb"[ \t\r]*+"
_LEADING = re.compile(
    _BLANK.join([rb"", rb"\{", rb'"(?P<key>\w++)"', rb":", rb"(?P<text>" + _STRING + rb")", rb"[,}]"])
)
_ERROR = re.compile(_BLANK.join([rb"", rb'"error"', rb":"]))


class Head(NamedTuple):
    """What a line says of its row."""

    id: str
    is_error: bool


@dataclass
class Contents:
    """What a file of rows holds."""

    done: set[int] = field(default_factory=set)
    """`row_digest` of the id of every row."""
    failed: set[int] = field(default_factory=set)
    """The same of those whose line is an error."""
    end: int = 0
    """Bytes up to the end of the last whole line; what follows is torn."""
    lacks_newline: bool = False
    """Whether the last whole line is whole but for the character that ends it."""

    def add(self, head: Head) -> None:
        """Count a row."""
        digest = row_digest(head.id)
        self.done.add(digest)
        if head.is_error:
            self.failed.add(digest)


def row_digest(id: str) -> int:
    """Return 8 bytes that stand for an id: among ten million rows two are alike with a chance of 1 in 370,000."""
    return int.from_bytes(blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def leading_text(line: bytes, key: str) -> str | None:
    """Return the text under `key` if the line is an object that begins with it; None where it is not or can't be told."""
    found = _LEADING.match(line)
    if found is None or found["key"] != key.encode():
        return None
    text = _json(found["text"])
    return text if isinstance(text, str) else None


def head_of(line: bytes) -> Head | None:
    """Return what a line says of its row; None if it is no row."""
    found = _LEADING.match(line)
    if found and found["key"] == b"id" and line.endswith((b"}\n", b"}")):
        id = _json(found["text"])
        return Head(id, _ERROR.match(line, found.end()) is not None) if isinstance(id, str) else None
    return _parsed_head(line)  # someone has written the file anew, with its keys in another order


def read_contents(file: Path) -> Contents:
    """Return what a file of rows holds.

    A torn last line, as a kill or a full disk leaves it, is not counted. Raises JournalError naming the line where the file
    holds anything else that is no row: that was not written here, and is nobody's to delete.
    """
    contents, size, torn = Contents(), file.stat().st_size, 0
    for number, start, line in numbered_lines(file):
        if torn:
            raise _no_row(file, torn)
        is_last = start + len(line) == size
        head = _parsed_head(line) if is_last else head_of(line)
        if head is not None:
            contents.add(head)
            contents.end = start + len(line)
            contents.lacks_newline = not line.endswith(b"\n")
        elif not line.isspace():
            if not _looks_torn(line):
                raise _no_row(file, number)
            torn = number
    return contents


def numbered_lines(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield every line with its number, from 1, and the byte at which it starts."""
    start = 0
    with file.open("rb", buffering=BUFFER) as lines:
        for number, line in enumerate(lines, start=1):
            yield number, start, line
            start += len(line)


def _parsed_head(line: bytes) -> Head | None:
    row = _json(line)
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        return None
    return Head(row["id"], "error" in row)


def _looks_torn(line: bytes) -> bool:
    """Tell the beginning of a row, or the zeros that a power cut leaves, from what somebody else has written."""
    return line.startswith((b"{", b"\0")) and _json(line) is None


def _json(text: bytes) -> Any:
    """Return what a text says; None if it is no JSON."""
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _no_row(file: Path, number: int) -> JournalError:
    return JournalError(
        f"{file}: line {number} is no row that clinalign wrote; delete that line (its row is then done again), "
        "or begin anew with --fresh, which keeps the old output"
    )
