"""Questions with rubrics for the tests of alignment, and configs around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from principles_store.conversation import Message
from training.alignment.config import AlignmentConfig

CRITERIA = [
    {"criterion": "Names the dose.", "points": 6, "axis": "accuracy", "principle_id": "dose-first"},
    {"criterion": "Invents a lab value.", "points": -8, "axis": "accuracy", "principle_id": None},
]


def question(number: int | str, *, text: str = "", criteria: Sequence[dict[str, Any]] = CRITERIA) -> dict[str, Any]:
    """Return a row as `rubrics synthesize` writes it."""
    asked = [{"role": "user", "content": text or f"What about case {number}?"}]
    return {"id": f"q{number}", "conversation": asked, "rubric": list(criteria), "templated": False}


def questions(most: int) -> list[dict[str, Any]]:
    return [question(number) for number in range(most)]


def saved(file: Path, rows: Sequence[Any]) -> Path:
    """Write rows as JSON lines and return the file."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def config_of(file: Path | str, *, grpo: dict[str, Any] | None = None, **sections: Any) -> AlignmentConfig:
    """Return a config of one file; keyword arguments are sections' keys that differ."""
    given = {"run": {"output": Path("runs/x")}, "model": {"path": "tiny"}, "grpo": grpo or {}} | sections
    given["data"] = {"files": [file]} | given.get("data", {})
    return AlignmentConfig(source=Path("x.toml"), **given)


def words(messages: Sequence[Message]) -> int:
    """Count tokens, one per word."""
    return sum(len(message["content"].split()) for message in messages)
