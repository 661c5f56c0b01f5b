"""What one run of `clinalign eval grade` has done: rows and calls as in any batch, and what became of the criteria."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.batch.tally import Tally
from agent.batch.task import Done, Paid
from evals.shares import Shares, counted


@dataclass
class GradeTally(Tally):
    """The running account of one run."""

    criteria: int = 0
    unknown: int = 0
    """Of the criteria, those without a verdict."""
    in_part: int = 0
    """Of the rows that failed, those that have a verdict on some of their criteria."""
    divided: int = 0
    """Criteria on which judges of a panel differ."""
    judged: int = 0
    """Rows that a model was asked about."""
    cascade: Shares | None = None
    """Who gave the verdicts, where a small judge is asked first."""

    def add(self, event: Done | Paid) -> None:
        super().add(event)
        if not isinstance(event, Done):
            return
        row = json.loads(event.line)
        known = [verdict["criteria_met"] is not None for verdict in row.get("verdicts") or ()]
        self.criteria += len(known)
        self.unknown += known.count(False)
        self.in_part += bool(event.error) and any(known)
        judges = {name: [vote["criteria_met"] for vote in votes] for name, votes in row.get("judges", {}).items()}
        self.divided += _divided(judges)
        self.cascade = counted(self.cascade, row.get("judge"), row.get("protocol"), judges)
        self.judged += bool(row.get("usage", {}).get("calls"))

    @property
    def calls_per_answer(self) -> float | None:
        """Calls of this run for each answer that it ended and a model was asked about; None without one."""
        return self.spent.calls / self.judged if self.judged else None

    def as_dict(self) -> dict[str, Any]:
        counts = {"in_part": self.in_part, "criteria": self.criteria, "unknown": self.unknown, "divided": self.divided}
        calls = self.calls_per_answer
        told = {"calls_per_answer": None if calls is None else round(calls, 3)}
        return super().as_dict() | counts | told | {"cascade": self.cascade.as_dict() if self.cascade else None}

    def told(self) -> list[str]:
        """Return what there is to say beside the table, a line each."""
        lines = []
        if self.criteria:
            lines.append(
                f"{_criteria(self.criteria)}, {self.unknown:,} without a verdict ({self.unknown / self.criteria:.2%})"
            )
        if self.in_part:
            lines.append(
                f"{self.in_part:,} of the rows that failed {'is' if self.in_part == 1 else 'are'} graded in part"
            )
        if self.divided:
            lines.append(f"the judges differ on {_criteria(self.divided)}")
        if self.cascade:
            given, saved = self.cascade.told()
            lines += [given, f"saved {saved}"]
        if calls := self.calls_per_answer:
            lines.append(f"{calls:.2f} calls per answer")
        return lines


def _criteria(number: int) -> str:
    return f"{number:,} {'criterion' if number == 1 else 'criteria'}"


def _divided(judges: Mapping[str, Sequence[bool | None]]) -> int:
    given = (Counter(votes) for votes in zip(*judges.values(), strict=True))
    return sum(bool(count[True] and count[False]) for count in given)
