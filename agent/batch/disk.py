"""Writing so that a kill or a power cut leaves the old content or the new, and what to tell when the disk refuses.

A rename happens within one folder, which is where every file system, a network's too, does it in one step.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agent.batch.errors import BatchError

PRIVATE = 0o600
"""Mode of what may hold a patient's words."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}


class JournalError(BatchError):
    """What a batch keeps on disk can't be written, or isn't what the batch wrote; rows written before are safe."""


def disk_error(what: str, error: OSError) -> JournalError:
    """Return the error to raise for an OSError: `what` failed, why, and what to do."""
    if error.errno in _NO_SPACE:
        remedy = "free space, then run the same command again: it continues"
    elif error.errno in _NO_PERMISSION:
        remedy = "get the right to write there, or name an output in another folder"
    else:
        remedy = "put that right, then run the same command again: it continues"
    return JournalError(f"{what} ({error.strerror or type(error).__name__}); {remedy}")


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of `data`; an OSError says that the disk took only a part of it, or nothing."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def leftover_of(file: Path) -> Path:
    """Return what a kill in the middle of `replace_file` leaves behind; of no use to anyone."""
    return file.with_name(f"{file.name}.clinalign-new")


def replace_file(file: Path, parts: Iterable[bytes]) -> None:
    """Give a file new content in one step; on any failure the old content stays. `parts` may be read from the file itself.

    Its mode stays too; a new file is its owner's alone.
    """
    new = leftover_of(file)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    try:
        if file.exists():
            shutil.copymode(file, new)
        for part in parts:
            write_whole(descriptor, part)
        os.fsync(descriptor)  # else a power cut after the rename could leave an empty file
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    os.replace(new, file)  # noqa: PTH105 - beside the other calls of os
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Have names that came, went or changed in a folder outlive a power cut."""
    with suppress(OSError):  # some network file systems can't, and keep names by themselves
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
