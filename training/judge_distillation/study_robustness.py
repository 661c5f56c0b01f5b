"""How steady the study's judges are under changes that should move no verdict, with and without the augmentation against them.

The likelier verdict of each criterion is compared. Within their bounds judges that saw few conversations decide so little that
nothing could be said of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from evals.graded import read_graded
from evals.reports.files import write_report
from training.judge_distillation.trials import JUDGE, PLAIN, TEST, in_turn

ROBUSTNESS = "robustness-likelier.json"
_ANSWERS = 30
"""Answers of the half that tests, of as many conversations as can be; each is judged a dozen times."""


def measure_robustness(folder: Path, seed: int) -> None:
    """Write how the judge of a trial that is done takes changed answers."""
    from agent.small_judge.judge import load_small_judge
    from evals.grading.local import LocalGrader
    from evals.robustness.judging import try_judge

    answers = in_turn(list(read_graded(folder / TEST)), seed)  # those behind the first ones lend passages
    grader = LocalGrader(load_small_judge(folder / JUDGE).likelier())
    found = try_judge(answers, grader, limit=_ANSWERS, seed=seed)
    write_report(folder / ROBUSTNESS, json.dumps(found.as_dict()) + "\n")


def robustness_table(folder: Path) -> str:
    """Return the mean over the judges of each arm, per attack; empty if none has been tried."""
    found = {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob(f"*/{ROBUSTNESS}")}
    arms = {
        "with augmentation": [one for name, one in found.items() if not name.endswith(PLAIN)],
        "without": [one for name, one in found.items() if name.endswith(PLAIN)],
    }
    if not found:
        return ""
    head = ("attack", "judges", "verdicts", "turned", "unmet to met", "met to unmet", "score moved by")
    lines = [
        "**Changes that should move no verdict: the likelier verdict of each criterion, before and after**",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(
            _line(attack["attack"], arm, judges)
            for attack in next(iter(found.values()))["attacks"]
            for arm, judges in arms.items()
            if judges
        ),
    ]
    return "\n".join(lines)


def _line(attack: str, arm: str, judges: Sequence[Mapping[str, Any]]) -> str:
    tried = [one for judge in judges for one in judge["attacks"] if one["attack"] == attack]
    shares = [_mean([one[name]["share"] for one in tried]) for name in ("flipped", "to_met", "to_unmet")]
    moved = _mean([one["score"]["mean"] for one in tried])
    cells = (
        f"{attack}, {arm}",
        str(len(tried)),
        f"{sum(one['flipped']['of'] for one in tried):,}",
        *("–" if share is None else f"{share:.1%}" for share in shares),
        "–" if moved is None else f"{moved:+.3f}",
    )
    return f"| {' | '.join(cells)} |"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
