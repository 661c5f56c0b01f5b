"""Who works on which conversation: one thread of one process at a time, and nobody once that process is dead.

Between processes it is a lock on one byte of a file beside the database. Linux frees it with its process, so that a kill leaves
nothing to clear; and it belongs to an open file, not to a process, so that two `Claims` in one process exclude each other too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import ClinAlignError
from agent.review.database import PRIVATE

_FLOCK = "hhqqi0q"
"""Linux' struct flock: kind, whence, first byte, how many, process."""
_BUSY = "the conversation's last turn is still being worked on; wait for it"


class ConversationBusyError(ClinAlignError):
    """Somebody works on the conversation's last turn, or it has to be resumed first."""


class Claims:
    """Claims on conversations, by the names of their threads."""

    def __init__(self, file: Path | None) -> None:
        """Take the file whose bytes are locked; None: there are no other processes."""
        self._file = file
        self._held: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def held(self, thread: str) -> Iterator[None]:
        """Hold a conversation; raises ConversationBusyError if somebody else does."""
        with self._lock:
            if thread in self._held:
                raise ConversationBusyError(_BUSY)
            descriptor = self._locked(thread)
            self._held.add(thread)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(thread)
                if descriptor is not None:
                    os.close(descriptor)

    def is_held(self, thread: str) -> bool:
        """Tell whether anybody holds a conversation."""
        with self._lock:
            return thread in self._held or self._is_locked_elsewhere(thread)

    def _locked(self, thread: str) -> int | None:
        """Return an open file that holds the lock of a conversation."""
        if self._file is None:
            return None
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, PRIVATE)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _lock_of(thread))
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise ConversationBusyError(_BUSY) from error
            raise
        return descriptor

    def _is_locked_elsewhere(self, thread: str) -> bool:
        if self._file is None or not self._file.exists():
            return False
        descriptor = os.open(self._file, os.O_RDWR)
        try:
            found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _lock_of(thread))
        finally:
            os.close(descriptor)
        return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)


def _lock_of(thread: str) -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, int(thread[:15], 16), 1, 0)
