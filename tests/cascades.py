"""A cascade to grade with: the tiny judge, sure of some criteria, before a model on the fake server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading_work import answer_rows

from agent.rubric import Criterion
from agent.small_judge.judge import load_small_judge
from evals.graded import Grade
from evals.grading.cascade import CascadeGrader
from evals.grading.grader import Grader
from evals.grading.local import LocalGrader

SURE = (Criterion("rest", 5), Criterion("Says aspirin", -4))
"""Every word is in the answer, and none: met, and not met."""
UNSURE = (Criterion("Says doctor", 3), Criterion("Names doctor", 2))
"""One word of two is."""
MIXED = (SURE[0], UNSURE[0], SURE[1], UNSURE[1])


def small_grader(folder: Path) -> LocalGrader:
    return LocalGrader(load_small_judge(folder), "each criterion by itself, by a small model")


def cascade(folder: Path, rest: Grader) -> CascadeGrader:
    return CascadeGrader(small_grader(folder), rest)


def cascade_rows(count: int, rubric: tuple[Criterion, ...] = MIXED) -> list[dict[str, Any]]:
    """Return answers that are asked about these criteria."""
    rubrics = [{"criterion": one.text, "points": one.points, "tags": []} for one in rubric]
    return [row | {"rubrics": rubrics} for row in answer_rows(count)]


@dataclass(frozen=True)
class Fixed:
    """Says the same of every criterion it is asked about."""

    name: str
    says: Grade
    protocol: str = "fixed"

    def grade(self, conversation: Any, response: str, rubric: Any, **_: Any) -> list[Grade]:
        return [self.says] * len(rubric)
