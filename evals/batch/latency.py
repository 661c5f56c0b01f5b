"""A fake model that takes its time as real ones do, and the least time in which a batch could be done with it.

How long a call takes is a seeded function of what is asked, so that whoever asks the same things meets the same model. Each row
of the work says which case it is; `python -m evals.batch.latency MEAN SIGMA SEED` serves the model until it is killed.
"""

from __future__ import annotations

import heapq
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import log
from random import Random
from typing import Any

from agent.testing import FakeServer, Reply
from evals.rehearsed import RehearsedModel

TASKS = ("CRITIQUE", "REVISE", "JUDGE")
"""The calls of a revised row, in their order."""
SIGMA = 0.5
"""Of the latency's logarithm. One call in 20 then takes twice the mean and one in 100 three times the median, as replies of a
served model do, whose lengths and waits differ."""

_CASE = re.compile(r"\(case (\d+)\)")
_TASK = re.compile(r"^Task: (\w+)\s*\Z", re.MULTILINE)


@dataclass(frozen=True)
class Latency:
    """Seconds a call takes: log-normal with this mean."""

    mean_s: float
    sigma: float = SIGMA
    seed: int = 0

    def of_call(self, case: int, task: str) -> float:
        """Return the seconds that one call of a case takes."""
        middle = log(self.mean_s) - self.sigma**2 / 2
        return Random(f"{self.seed}:{case}:{task}").lognormvariate(middle, self.sigma)

    def of_row(self, case: int) -> float:
        """Return the seconds that the calls of a case take, one after the other."""
        return sum(self.of_call(case, task) for task in TASKS)


def slow_model(latency: Latency) -> Callable[[Mapping[str, Any]], Reply]:
    """Return the rehearsed model with that latency."""
    model = RehearsedModel()

    def reply(body: Mapping[str, Any]) -> Reply:
        texts = [str(message["content"]) for message in body["messages"]]
        case, task = _CASE.search("\n".join(texts)), _TASK.search(texts[-1])
        if case is None or task is None:
            raise ValueError(
                "neither case nor task in the request: the rows must come from evals.batch.case_rows, with a draft"
            )
        return replace(model(body), delay_s=latency.of_call(int(case[1]), task[1]))

    return reply


def ideal_seconds(durations: Sequence[float], slots: int) -> float:
    """Return when the last row would be done if nothing but the model took time: each row, in order, in the first free slot."""
    free_at = [0.0] * slots  # a heap
    for duration in durations:
        heapq.heapreplace(free_at, free_at[0] + duration)
    return max(free_at)


@contextmanager
def slow_server(latency: Latency) -> Iterator[tuple[str, int]]:
    """Serve the model in a process of its own; give its address and its process id."""
    figures = (str(figure) for figure in (latency.mean_s, latency.sigma, latency.seed))
    command = [sys.executable, "-m", "evals.batch.latency", *figures]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own interpreter and module
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.kill()


def main() -> None:
    """Serve until killed."""
    mean_s, sigma, seed = sys.argv[1:]
    with FakeServer(slow_model(Latency(float(mean_s), float(sigma), int(seed)))) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
