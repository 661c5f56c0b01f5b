"""How many answers a second the embedded engine gives in a batch, beside one at a time and beside the bare encoder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from evals.batch.arm import Arm, run_arm
from evals.batch.case_rows import Pair, unlike_rows, write_rows

LOOP = "one at a time"
FLOOR = "encoder alone"


@dataclass(frozen=True)
class Rate:
    """Answers per second of one way to do the rows."""

    way: str
    rows: int
    per_second: tuple[float, ...]
    """Of each run, ascending."""

    @property
    def middle(self) -> float:
        """The median run's."""
        return median(self.per_second)


def measure_embedded(
    pairs: Sequence[Pair], *, rows: int = 400, in_flight: int = 16, processes: int = 2, repeats: int = 1
) -> list[Rate]:
    """Return the rates of the ways in turn: the floor, one row at a time, and the batch in one process (in threads) and in several.

    No two rows share a sentence of their drafts, so the encoder has all of them to do.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = str(write_rows(unlike_rows(pairs, rows), Path(folder) / "in.jsonl"))
        ways = {
            FLOOR: Arm("encoder", file),
            LOOP: Arm("loop", file),
            "batch in one process": Arm("batch", file, in_flight, 1),
            f"batch in {processes} processes": Arm("batch", file, in_flight, processes),
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, arm in ways.items():
                found[way].append(rows / run_arm(arm).seconds)
    return [Rate(way, rows, tuple(sorted(rates))) for way, rates in found.items()]
