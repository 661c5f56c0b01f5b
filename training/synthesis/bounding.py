"""Bound in how many rubrics the same criterion stands, as a pass over a finished file.

Which of the rubrics keep it is drawn by a hash of the criterion and the rubric's id: the same whatever the order of the rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.batch.disk import replace_file
from training.rubric_checks import MIN_CRITERIA
from training.synthesis.copies import holders, wording
from training.synthesis.rubric_rows import RubricRow, read_rubric_rows


@dataclass
class Bounded:
    """What was taken out."""

    max_copies: int
    templates: int = 0
    """Criteria that stood in more rubrics."""
    taken_out: int = 0
    too_few: list[str] = field(default_factory=list)
    """Ids of the rubrics that were left out, since too little of them was left."""
    kept: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "max_copies": self.max_copies,
            "templates": self.templates,
            "criteria_taken_out": self.taken_out,
            "rubrics_left_out": self.too_few,
            "rubrics_kept": self.kept,
        }

    def told(self) -> list[str]:
        """Return the figures in a few lines."""
        were = "criterion" if self.templates == 1 else "criteria"
        return [
            f"{self.templates:,} {were} stood in more than {self.max_copies} rubrics: taken out {self.taken_out:,} times",
            f"{self.kept:,} rubrics kept; {len(self.too_few):,} left out, with fewer than {MIN_CRITERIA} criteria or none above 0 "
            "points left",
        ]


def bound_copies(source: Path, output: Path, most: int) -> Bounded:
    """Write the rubrics without a criterion's copies beyond so many; rows that are errors are passed over."""
    staying = {text: _chosen(text, ids, most) for text, ids in holders(source).items() if len(ids) > most}
    found = Bounded(most, len(staying))

    def lines() -> Iterator[bytes]:
        for row in read_rubric_rows(source):
            if not row.key or row.data.get("error") is not None:
                continue
            left = _left(row, staying)
            taken = len(row.criteria) - len(left)
            if taken and (len(left) < MIN_CRITERIA or not any(item["points"] > 0 for item in left)):
                found.too_few.append(row.id)
                continue
            found.taken_out += taken
            found.kept += 1
            yield (
                json.dumps({**row.data, row.key: left}, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
            )

    replace_file(output, lines())
    return found


def _left(row: RubricRow, staying: dict[str, set[str]]) -> list[Any]:
    return [item for item in row.criteria if row.id in staying.get(wording(item["criterion"]), (row.id,))]


def _chosen(text: str, ids: list[str], most: int) -> set[str]:
    return set(sorted(ids, key=lambda name: hashlib.blake2b(f"{text}\0{name}".encode()).digest())[:most])
