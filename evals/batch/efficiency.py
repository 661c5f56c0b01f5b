"""How near a batch comes to the ideal with a model that takes its time as real ones do, beside LangGraph's own `abatch`.

The ideal is the time of the same rows if nothing but the model took any: each row, in input order, in the first slot that is
free. The server's own time counts against whoever is measured. Both arms run the same graph, from input to rows on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from evals.batch.arm import Arm, Kind, Outcome, run_arm
from evals.batch.case_rows import Pair, numbered_rows, write_rows
from evals.batch.latency import TASKS, Latency, ideal_seconds, slow_server
from evals.batch.process_usage import cpu_seconds

ROWS_PER_SLOT = 6
"""At least, so that the tail, when slots run empty, does not rule."""


@dataclass(frozen=True)
class Efficiency:
    """One arm's runs, each with latencies of its own."""

    kind: Kind
    in_flight: int
    call_seconds: float
    """Mean."""
    ideal_seconds: tuple[float, ...]
    runs: tuple[Outcome, ...]
    server_cpu_s: tuple[float, ...]

    @property
    def shares(self) -> list[float]:
        """Ideal time over time of each run, ascending."""
        return sorted(ideal / run.seconds for ideal, run in zip(self.ideal_seconds, self.runs, strict=True))

    @property
    def share(self) -> float:
        """The middle one."""
        return median(self.shares)

    @property
    def cpu_per_row(self) -> tuple[float, float, float]:
        """Processor seconds per row of the batch's own process, of its workers, and of the fake server."""
        rows = sum(run.rows for run in self.runs)
        own, workers = sum(run.own_cpu_s for run in self.runs), sum(run.workers_cpu_s for run in self.runs)
        return own / rows, workers / rows, sum(self.server_cpu_s) / rows

    @property
    def busy_cores(self) -> float:
        """Cores that all of it together kept busy."""
        return sum(self.cpu_per_row) * sum(run.rows for run in self.runs) / sum(run.seconds for run in self.runs)

    @property
    def parts_per_row(self) -> dict[str, float]:
        """Processor seconds per row by part, most first, where it was metered."""
        rows = sum(run.rows for run in self.runs)
        names = {name for run in self.runs for name in run.parts_cpu_s}
        parts = {name: sum(run.parts_cpu_s.get(name, 0.0) for run in self.runs) / rows for name in names}
        return dict(sorted(parts.items(), key=lambda part: -part[1]))


def measure_efficiency(
    pairs: Sequence[Pair],
    kinds: Sequence[Kind],
    *,
    in_flight: int,
    call_seconds: float,
    processes: int | None = None,
    repeats: int = 1,
    rows_per_slot: int = ROWS_PER_SLOT,
) -> list[Efficiency]:
    """Run the same rows by each kind of arm in turn, so often.

    `processes` are ours; None: as many as the batch itself finds worth it.
    """
    count = rows_per_slot * in_flight
    ideals: list[float] = []
    runs: dict[Kind, list[tuple[Outcome, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        file = write_rows(numbered_rows(pairs, count), Path(folder) / "in.jsonl")
        for seed in range(repeats):
            latency = Latency(call_seconds, seed=seed)
            ideals.append(ideal_seconds([latency.of_row(case) for case in range(count)], in_flight))
            for kind in kinds:
                arm = Arm(kind, str(file), in_flight, processes, len(TASKS), {"model": "openai:fake"})
                with slow_server(latency) as (address, pid):
                    before = cpu_seconds([pid])
                    outcome = run_arm(arm, base_url=address)
                    runs[kind].append((outcome, cpu_seconds([pid]) - before))
    return [
        Efficiency(kind, in_flight, call_seconds, tuple(ideals), *zip(*found, strict=True))
        for kind, found in runs.items()
    ]
