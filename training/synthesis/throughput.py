"""How near synthesis comes to the ideal with a model of fixed latency, how much memory it takes, and what it writes.

The model is a fake server in a process of its own; the batch runs in another, from conversations to rubrics on disk. The ideal
is the time of the same rows if nothing but the model took any. The conversations are those of the shipped rubrics, numbered.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from agent.testing import FakeServer
from evals.batch.arm import environment
from evals.batch.latency import ideal_seconds
from evals.batch.process_usage import MemoryWatch
from principles_store.rubric_set import load_rubrics
from training.synthesis.rehearsed import RehearsedRubricWriter

_MODEL = "openai:fake"


@dataclass(frozen=True)
class Throughput:
    """One run."""

    rows: int
    in_flight: int
    call_seconds: float
    seconds: float
    """From when the model is open until the last row is on disk."""
    ideal_seconds: float
    calls: int
    input_tokens_per_row: float
    outcomes: dict[str, int]
    """Rows by how they ended: passed, mended, failed."""
    peak_bytes: int
    """Of the batch and its workers together."""

    @property
    def share(self) -> float:
        """Ideal time over time."""
        return self.ideal_seconds / self.seconds


def write_conversations(count: int, file: Path) -> Path:
    """Write so many conversations, no two the same, and return the file."""
    with file.open("w", encoding="utf-8") as lines:
        for number, rubric in enumerate(islice(cycle(load_rubrics()), count)):
            *earlier, last = rubric.conversation
            asked = [*earlier, {"role": "user", "content": f"{last['content']} (case {number})"}]
            lines.write(json.dumps({"id": f"case {number}", "conversation": asked}, ensure_ascii=False) + "\n")
    return file


def measure(
    *,
    rows: int,
    in_flight: int,
    call_seconds: float,
    processes: int | None = None,
    faulty_every: int = 0,
    keep: Path | None = None,
) -> Throughput:
    """Synthesize rubrics in fresh processes and return what it took; `keep`: where the rubrics are put."""
    with tempfile.TemporaryDirectory() as name, _slow_model(call_seconds, faulty_every) as address:
        folder = Path(name)
        source = write_conversations(rows, folder / "in.jsonl")
        arm = {
            "source": str(source),
            "output": str(keep or folder / "out.jsonl"),
            "in_flight": in_flight,
            "processes": processes,
        }
        told, peak = _run(arm, address)
    calls = [2 if faulty_every and number % faulty_every == 0 else 1 for number in range(rows)]
    return Throughput(
        rows=rows,
        in_flight=in_flight,
        call_seconds=call_seconds,
        seconds=told["usage"]["seconds"],
        ideal_seconds=ideal_seconds([count * call_seconds for count in calls], in_flight),
        calls=told["usage"]["calls"],
        input_tokens_per_row=told["usage"]["input_tokens"] / rows,
        outcomes={key: told[key] for key in ("passed", "mended", "failed")},
        peak_bytes=peak,
    )


def _run(arm: dict[str, Any], address: str) -> tuple[dict[str, Any], int]:
    command = [sys.executable, "-m", "training.synthesis.throughput", "run", json.dumps(arm)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(address))  # noqa: S603  # our own module
    with MemoryWatch(process.pid, every_s=0.2) as watch:
        said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"synthesis ended with {process.returncode}; standard error says why")
    told: dict[str, Any] = json.loads(said)
    return told, watch.peak


@contextmanager
def _slow_model(call_seconds: float, faulty_every: int) -> Iterator[str]:
    command = [sys.executable, "-m", "training.synthesis.throughput", "serve", str(call_seconds), str(faulty_every)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _serve(call_seconds: float, faulty_every: int) -> None:
    with FakeServer(RehearsedRubricWriter(call_seconds, faulty_every)) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        threading.Event().wait()


def _synthesize(source: str, output: str, in_flight: int, processes: int | None) -> None:
    from agent.batch.run import BatchRun
    from agent.batch.runners import make_runner
    from agent.config import load_settings
    from training.synthesis.job import SynthesisOpener, Synthesizing
    from training.synthesis.tally import SynthesisTally

    settings = load_settings(model=_MODEL)
    runner = make_runner(SynthesisOpener(settings), concurrency=in_flight, processes=processes)
    run = BatchRun(Synthesizing(Path(source), settings), runner, output=Path(output))
    run.tally = SynthesisTally(labels=run.job.labels)
    for _ in run:
        pass
    sys.stdout.write(json.dumps(run.tally.as_dict()))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(float(sys.argv[2]), int(sys.argv[3]))
    else:
        _synthesize(**json.loads(sys.argv[2]))
