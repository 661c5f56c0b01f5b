"""rewards.jsonl of the run's folder: a line per step, and per batch of held-out answers; no text of anybody.

It is what the totals of a continued run begin with.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.batch.disk import replace_file
from training.alignment.reward_report import GOLD, RewardTotals

REWARDS = "rewards.jsonl"
_log = logging.getLogger(__name__)


def append_step(folder: Path, step: int, split: str, line: Mapping[str, Any]) -> None:
    """Add the line of a step, or of held-out answers after it; a disk that refuses is told, and costs no step."""
    written = json.dumps({"step": step, "split": split, **line})
    try:
        with (folder / REWARDS).open("a", encoding="utf-8") as file:
            file.write(f"{written}\n")
    except OSError as error:
        _log.warning("%s: step %d can't be noted: %s", folder / REWARDS, step, error.strerror)


def forget_after(folder: Path, step: int) -> None:
    """Drop the lines of later steps, and a torn one, before a run goes on from that step's checkpoint: it makes them again.

    Step 0 is a new beginning, which judges the untrained policy again too: nothing is left.
    """
    file = folder / REWARDS
    if file.is_file():
        replace_file(file, (written for written, line in _lines(file) if step and line["step"] <= step))


def forget_unjudged(folder: Path, judged: Collection[int]) -> None:
    """Drop the lines of held-out answers after steps but `judged`: of a judgement that was cut short, and is made anew."""
    file = folder / REWARDS
    if file.is_file():
        lines = _lines(file)
        replace_file(file, (written for written, line in lines if line["split"] != GOLD or line["step"] in judged))


def read_totals(folder: Path) -> RewardTotals:
    """Return what the steps so far add up to."""
    totals = RewardTotals()
    file = folder / REWARDS
    for _, line in _lines(file) if file.is_file() else ():
        totals.of(line["split"]).add(line)
    return totals


def _lines(file: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the whole lines, as they stand there and as what they say."""
    with file.open("rb") as lines:
        for written in lines:
            if written.endswith(b"\n"):
                yield written, json.loads(written)
