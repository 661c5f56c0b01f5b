"""Criterion, rubric, verdict, and the score they add up to: pure arithmetic, no judging.

Source of the score: openai/simple-evals, healthbench_eval.calculate_score (arXiv 2505.08775, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

VerdictValue = Literal["met", "unmet", "unknown"]

OWN_KNOWLEDGE = "model"
"""Stands for a principle where a criterion rests on the model's own medical knowledge."""


@dataclass(frozen=True)
class Criterion:
    """One atomic, Boolean, observable statement about an answer."""

    text: str
    points: int
    """-10..10, never 0; negative: a penalty if the statement holds."""
    principle_id: str | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("a criterion needs a text")
        if self.points == 0 or not -10 <= self.points <= 10:
            raise ValueError(f"points {self.points} of {self.text!r} are not in -10..10 without 0")

    def as_dict(self) -> dict[str, Any]:
        """Return the object of the JSON contract."""
        return {"criterion": self.text, "points": self.points, "principle_id": self.principle_id}


Rubric = tuple[Criterion, ...]
"""The criteria for one conversation."""


@dataclass(frozen=True)
class Verdict:
    """Whether a criterion's statement holds for an answer, and what that rests on."""

    value: VerdictValue
    evidence: str = ""
    """Quoted from the answer; empty if nothing in it bears on the criterion."""
    reason: str = ""
    fix: str | None = None
    """What to change in the answer, a line of the edit plan; empty to leave it alone, None where nobody has said."""


def is_satisfied(criterion: Criterion, verdict: Verdict) -> bool | None:
    """Tell whether the answer is as the criterion wants it (a penalty that is unmet is); None if unknown."""
    if verdict.value == "unknown":
        return None
    return (verdict.value == "met") == (criterion.points > 0)


@dataclass(frozen=True)
class Score:
    """Points earned over points possible, with what unknown verdicts leave open."""

    low: float
    """If every unknown verdict goes against the answer."""
    high: float
    """If every unknown verdict goes for it."""
    coverage: float
    """Share of criteria with a known verdict, 0..1."""

    @property
    def exact(self) -> float | None:
        """The score where all verdicts are known, else None."""
        return self.low if self.coverage == 1 else None


def score(rubric: Sequence[Criterion], verdicts: Sequence[Verdict]) -> Score | None:
    """Return points earned over points possible; may be negative, never above 1, None without positive criteria.

    Raises ValueError unless there is one verdict per criterion.
    """
    if len(rubric) != len(verdicts):
        raise ValueError(f"{len(verdicts)} verdicts for {len(rubric)} criteria")
    possible = sum(c.points for c in rubric if c.points > 0)
    if not possible:
        return None
    pairs = list(zip(rubric, verdicts, strict=True))
    met = sum(c.points for c, v in pairs if v.value == "met")
    open_points = [c.points for c, v in pairs if v.value == "unknown"]
    return Score(
        low=(met + sum(p for p in open_points if p < 0)) / possible,
        high=(met + sum(p for p in open_points if p > 0)) / possible,
        coverage=1 - len(open_points) / len(rubric),
    )


def critique_rows(rubric: Sequence[Criterion], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return one critique in the form of the JSON contract."""
    return [
        {
            "criterion": c.text,
            "principle_id": c.principle_id,
            "verdict": v.value,
            "evidence": v.evidence,
            "reason": v.reason,
            "fix": v.fix,
        }
        for c, v in zip(rubric, verdicts, strict=True)
    ]
