"""What processes use, read from /proc: processor time and resident memory. Linux only."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that running processes have taken so far, in steps of 10 ms."""
    total = 0
    for pid in pids:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(after_name[11]) + int(after_name[12])  # user and system
    return total / _TICKS


def child_pids(pid: int) -> list[int]:
    """Return the processes that this one has started and that still run; empty if it has ended."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found += map(int, file.read_text().split())
    return found


def resident_bytes(pid: int) -> int:
    """Return what a process has in memory now; 0 if it has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def peak_bytes(pid: int) -> int:
    """Return the most that a process has had in memory, as the kernel keeps it.

    Not `ru_maxrss`: that of a process begins with what the one that started it had.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


class MemoryWatch:
    """Looks until the end of `with` at what a process and its children have in memory together."""

    def __init__(self, pid: int, *, every_s: float = 0.1) -> None:
        self.peak = 0
        """In bytes; what they share is counted for each of them."""
        self._pid, self._every_s = pid, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._every_s):
            self.peak = max(self.peak, sum(map(resident_bytes, [self._pid, *child_pids(self._pid)])))
