"""A file of records looked through: rows that can't be read, and what is wrong with the rubrics of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.batch.rows import BadRow
from agent.rubric import VerdictValue
from training.preference_files import read_rows
from training.preferences import HealthRubric, RecordCriterion
from training.rubric_checks import Problem, check_rubric

if TYPE_CHECKING:
    from principles_store.embedding import Embedder


@dataclass
class Checked:
    """What a file holds."""

    rows: int = 0
    unreadable: list[str] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    """Each with id, kind and message."""
    statuses: Counter[str] = field(default_factory=Counter)
    with_preference: int = 0
    with_rubric: int = 0
    criteria: int = 0

    @property
    def faults(self) -> int:
        """Rows that can't be read, and problems of the others."""
        return len(self.unreadable) + len(self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        counts = {"rows": self.rows, "with_preference": self.with_preference, "with_rubric": self.with_rubric}
        kinds = Counter(problem["kind"] for problem in self.problems)
        return {
            **counts,
            "criteria": self.criteria,
            "statuses": dict(self.statuses),
            "unreadable": self.unreadable,
            "problem_kinds": dict(kinds),
            "problems": self.problems,
        }

    def told(self) -> str:
        """Return it in one line."""
        rubrics = f"{self.with_rubric:,} with a rubric ({self.criteria:,} criteria)"
        held = f"{self.rows:,} rows: {self.with_preference:,} with a preference, {rubrics}"
        return f"{held}; {len(self.unreadable):,} can't be read, {len(self.problems):,} problems"


def check_file(path: Path, embedder: Embedder | None, *, tell: Callable[[str], None] | None = None) -> Checked:
    """Look through a file of any form that preferences come in; `tell` hears of each fault as it is found."""
    found = Checked()
    tell = tell or (lambda _: None)
    for row in read_rows(path):
        found.rows += 1
        if isinstance(row, BadRow):
            found.unreadable.append(row.message)
            tell(f"fault: {row.message}")
            continue
        _count(row, found)
        for problem in problems_of(row, embedder):
            found.problems.append({"id": row.id, "kind": problem.kind, "message": problem.message})
            tell(f"{problem.kind}: {row.id}: {problem}")
    return found


def problems_of(record: HealthRubric, embedder: Embedder | None) -> list[Problem]:
    """Return what is wrong with the rubric of a record; nothing where it has none."""
    if not record.rubric:
        return []
    return check_rubric(
        record.rubric,
        conversation=record.conversation,
        responses=[response.text for response in record.responses],
        verdicts=verdicts_of(record.rubric),
        preferred=record.preferred,
        embedder=embedder,
    )


def verdicts_of(criteria: Sequence[RecordCriterion]) -> list[list[VerdictValue]] | None:
    """Return the verdicts of each response; None where a criterion hasn't been judged."""
    if not all(item.verdicts for item in criteria):
        return None
    return [list(row) for row in zip(*(item.verdicts for item in criteria), strict=True)]


def _count(record: HealthRubric, found: Checked) -> None:
    found.statuses[record.status] += 1
    found.with_preference += record.preferred is not None
    found.with_rubric += bool(record.rubric)
    found.criteria += len(record.rubric)
