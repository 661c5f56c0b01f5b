"""Rows for the tests of selection and of the leakage check."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

POINTS = (6, 4, -5)


def saved(file: Path, rows: Sequence[Any]) -> Path:
    """Write rows as JSON lines, packed if the name says so, and return the file."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def answers(
    name: str, *verdicts: str, question: str | None = None, points: Sequence[int] = POINTS
) -> list[dict[str, Any]]:
    """Return graded rows of one question: of each answer + met, - unmet, ? unknown per criterion."""
    rubric = [{"criterion": f"Criterion {n} of {name}.", "points": p, "tags": []} for n, p in enumerate(points)]
    values = {"+": True, "-": False, "?": None}
    return [
        {
            "id": f"{name}#{number}",
            "prompt_id": name,
            "prompt": [{"role": "user", "content": question or f"What about {name}?"}],
            "response": f"answer {number}",
            "rubrics": rubric,
            "verdicts": [{"criteria_met": values[mark], "explanation": ""} for mark in marks],
            "example_tags": ["theme:x"],
        }
        for number, marks in enumerate(verdicts, start=1)
    ]
