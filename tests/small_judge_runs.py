"""Training runs of the tiny policy that two small judges reward and judge, of which one is content with less than the other."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_judge import make_tiny_judge

from agent.small_judge.calibration import Calibration, SideCalibration

WORDS = {
    "a": "clean swallow weight when know tomorrow we your con 20 system between all hi cl g",
    "b": "no pain be a more child i it not that with for in if see as",
}
"""By axis, what the untrained policy says now and then."""
GENERATIONS = 4
"""Answers to each held-out question."""


def with_small_judges(config: Path) -> Path:
    """Have a run's held-out answers judged by a judge that wants two of a criterion's words, its training by one that wants one."""
    for name, bias in (("mild", 22.5), ("strict", 19.5)):
        side = SideCalibration(slope=4.0, bias=bias, unmet_to=0.4, met_from=0.6)
        make_tiny_judge(config.parent / name, calibration=Calibration(side, side, risk=0.2))
    judges = f'[reward]\njudge = "small:mild"\ntruncated = "judge"\n[gold]\njudge = "small:strict"\ngenerations = {GENERATIONS}'
    config.write_text(config.read_text().replace("[gold]", judges))
    rubric = [{"criterion": words, "points": 5, "axis": axis} for axis, words in WORDS.items()]
    for file in config.parent.glob("*.jsonl"):
        rows = [json.loads(line) | {"rubric": rubric} for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return config
