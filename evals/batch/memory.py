"""How much memory a batch takes, and whether that grows with its rows.

Rows of about 2 kB go through everything that holds rows: input, processes, engine, journal. So that 50,000 of them take minutes,
the engine is the embedded one, ended before its first round, and all sentences come from one small stock that the encoder soon
knows. Left out is what sentences that all differ would add: the encoder's memory of them, which is bounded
(principles_store.embedding.LONGEST_MEMORY, about 30 MB per process).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from evals.batch.arm import Arm, Outcome, run_arm
from evals.batch.case_rows import Pair, sized_rows, write_rows

ROW_BYTES = 2_000


@dataclass(frozen=True)
class Growth:
    """What 10,000 more rows take, in bytes."""

    rows: tuple[int, int]
    """From so many to so many."""
    own: float
    """In the batch's own process."""
    together: float


def measure_memory(
    pairs: Sequence[Pair], sizes: Sequence[int], *, in_flight: int = 16, processes: int | None = None
) -> Iterator[Outcome]:
    """Run a batch of every size in a process of its own, and yield what it took."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            file = write_rows(sized_rows(pairs, size, ROW_BYTES), Path(folder) / "in.jsonl")
            arm = Arm("batch", str(file), in_flight, processes, settings={"max_rounds": 0})
            yield run_arm(arm, watches_memory=True)


def growth(outcomes: Sequence[Outcome]) -> list[Growth]:
    """Return the growth from each size to the next."""
    return [
        Growth(
            (less.rows, more.rows),
            10_000 * (more.own_peak - less.own_peak) / (more.rows - less.rows),
            10_000 * (more.together_peak - less.together_peak) / (more.rows - less.rows),
        )
        for less, more in pairwise(outcomes)
        if more.rows > less.rows
    ]
