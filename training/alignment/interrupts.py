"""Ctrl+C and SIGTERM end a run after the step, with a checkpoint; while the judge is waited for, at once.

The second one ends it without, as Python does.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from training.alignment.stopping import TrainingStopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Which signal came, if any; handlers are set while it is entered, in the main thread only."""

    def __init__(self, *, processes: int = 1) -> None:
        self._alone = processes == 1
        self._waits = False
        self._before: dict[signal.Signals, object] = {}
        self.signal: signal.Signals | None = None

    def __enter__(self) -> Interrupts:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Say that nothing happens within but waiting, which a signal may end at once.

        Not on one process of several: the others would wait for it in vain.
        """
        self._waits = self._alone
        try:
            yield
        finally:
            self._waits = False

    def came_anywhere(self) -> bool:
        """Tell whether a signal came to any of the processes, which must all ask at the same place."""
        if self._alone:
            return self.signal is not None
        from accelerate.utils import gather_object

        found = [number for number in gather_object([self.signal]) if number is not None]
        self.signal = found[0] if found else None
        return bool(found)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)
        if self._waits:
            raise TrainingStopped(f"{self.signal.name} while the judge was waited for")
