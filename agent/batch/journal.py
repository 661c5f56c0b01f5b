"""The output of a batch as its journal: a row is done when its line is on disk, and only then.

Lines are appended in one write and forced to the disk; a line that a kill or a full disk has torn never counted, and is cut off
when the file is opened again. The ids in the file are all that a resumed run needs to know.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from agent.batch.calls import CallLog
from agent.batch.disk import JournalError, disk_error, replace_file, write_whole
from agent.batch.plan import Plan
from agent.batch.row_lines import Contents, Head, head_of, numbered_lines, read_contents, row_digest
from agent.batch.run_folder import (
    calls_file,
    check_output,
    drop_leftovers,
    finish_moving,
    lock_output,
    move_aside,
    settle_plan,
)

_log = logging.getLogger(__name__)


class Journal:
    """An output that is being written; use `Journal.open`, and close it."""

    def __init__(self, output: Path, contents: Contents, lock: FileLock) -> None:
        self.output = output
        self.calls = CallLog(calls_file(output))
        self._contents = contents
        self._lock = lock
        self._file = output.open("ab", buffering=0)
        self._writing = threading.Lock()

    @classmethod
    def open(cls, output: Path, plan: Plan, *, fresh: bool = False, retry_errors: bool = False) -> Journal:
        """Return the journal of a run that is new or continued, repaired, and locked against any other.

        `fresh` first renames an earlier output and its state to the first free `<output>.1`, `.2` …; `retry_errors` first
        drops the rows that are errors, so that they count as not done. Raises InputError or ConfigError if the output
        can't be that of this plan, JournalError if the disk refuses or the file holds what no run has written.
        """
        output = Path(os.path.realpath(output))  # a link to an output is the same output, with the same lock
        lock = None
        try:
            check_output(output, plan, fresh=fresh)
            lock = lock_output(output)
            finish_moving(output)
            if fresh:
                move_aside(output)
            drop_leftovers(output)
            settle_plan(output, plan)
            return cls(output, _prepared(output, retry_errors=retry_errors), lock)
        except BaseException as error:
            if lock is not None:
                lock.release()
            if isinstance(error, OSError):
                raise disk_error(f"can't keep the run in {output} and {calls_file(output).parent}", error) from error
            raise

    @property
    def done(self) -> int:
        """Rows on disk, those that are errors included."""
        return len(self._contents.done)

    @property
    def errors(self) -> int:
        """Rows on disk that are errors."""
        return len(self._contents.failed)

    def is_done(self, id: str) -> bool:
        """Tell whether a row is on disk, as an answer or as an error."""
        return row_digest(id) in self._contents.done

    def write(self, lines: Sequence[bytes]) -> None:
        """Append rows, each JSON on one line that begins with its id; they are on disk when this returns.

        On failure none of them is in the file, and the same rows may be written again. Raises JournalError if the disk
        refuses, or if somebody else has removed or changed the file; ValueError for what is no row, or a row that is done.
        """
        heads = [_checked_head(line) for line in lines]
        digests, data = {row_digest(head.id) for head in heads}, b"".join(line + b"\n" for line in lines)
        with self._writing:
            if len(digests) < len(heads) or digests & self._contents.done:
                raise ValueError(f"a row is done already, among {[head.id for head in heads]}")
            self._append(data)
            for head in heads:
                self._contents.add(head)

    def finish(self) -> None:
        """Drop the calls that were kept: all rows are done."""
        self.calls.remove()

    def close(self) -> None:
        """Let others write to the output."""
        with self._writing:
            self._file.close()
        self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, data: bytes) -> None:
        descriptor, end = self._file.fileno(), self._contents.end
        self._check_undisturbed()
        try:
            write_whole(descriptor, data)
            os.fsync(descriptor)
        except BaseException as error:
            with suppress(OSError):  # what can't be cut off now is cut off when the run is continued
                os.ftruncate(descriptor, end)
            if isinstance(error, OSError):
                raise disk_error(f"can't write to {self.output}", error) from error
            raise
        self._contents.end = end + len(data)

    def _check_undisturbed(self) -> None:
        """See that the rows go where they will be looked for: not into a file that was deleted, nor behind what others wrote."""
        try:
            now = self.output.stat()
        except OSError as error:
            raise disk_error(f"{self.output} is gone while the run was writing to it", error) from error
        if now.st_ino != os.fstat(self._file.fileno()).st_ino or now.st_size != self._contents.end:
            raise JournalError(
                f"{self.output} was replaced or changed while the run was writing to it; "
                "leave it to the run, then run the same command again: it continues"
            )


def _prepared(output: Path, *, retry_errors: bool) -> Contents:
    """Repair an output, forget the calls of its answers, and drop the rows that are to be done again."""
    contents = read_contents(output)
    if contents.lacks_newline or contents.end < output.stat().st_size:
        _repair(output, contents)
    answered = contents.done - contents.failed
    CallLog(calls_file(output)).compact(lambda row: row_digest(row) not in answered)
    if retry_errors and contents.failed:
        replace_file(output, _answers(output))
        contents = read_contents(output)
    return contents


def _repair(output: Path, contents: Contents) -> None:
    torn = output.stat().st_size - contents.end
    with output.open("r+b") as file:
        file.truncate(contents.end)
        if contents.lacks_newline:
            file.seek(contents.end)
            contents.end += file.write(b"\n")
        file.flush()
        os.fsync(file.fileno())
    if torn:
        _log.warning("%s: %d bytes of a row that was not finished are cut off; the row is done again", output, torn)


def _answers(output: Path) -> Iterator[bytes]:
    for _, _, line in numbered_lines(output):
        head = head_of(line)
        if head is not None and not head.is_error:
            yield line


def _checked_head(line: bytes) -> Head:
    head = head_of(line)
    if head is None or b"\n" in line:
        raise ValueError(f"no row: {line[:80]!r}; write JSON on one line that begins with its id")
    return head
