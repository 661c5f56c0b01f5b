"""Rows as a batch writes them, and runs that have written some."""

from __future__ import annotations

import json
from pathlib import Path

from agent.batch.journal import Journal
from agent.batch.plan import Plan

PLAN = Plan(None, "0" * 64, "library", "1" * 64, {"model": "openai:a", "k": 10}, {"critique": "aa", "judge": "bb"})
OTHER_PLAN = Plan(None, "2" * 64, "library", "3" * 64, {"model": "openai:b", "k": 9}, {"critique": "ab", "judge": "bb"})
WORDS = "Ring 112 now – é 痛み \"quoted\" {'id': 1}\u2028 \\ end. "


def row(id: str, size: int = 100) -> bytes:
    """Return the line of an answer of `size` characters."""
    return json.dumps({"id": id, "answer": (WORDS * (size // len(WORDS) + 1))[:size]}, ensure_ascii=False).encode()


def failed_row(id: str) -> bytes:
    """Return the line of a row that failed."""
    return json.dumps({"id": id, "error": {"type": "ModelError", "message": "away"}}).encode()


def ids_in(output: Path) -> list[str]:
    """Return the ids of an output, every line of which must be whole."""
    data = output.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(line)["id"] for line in data.splitlines()]


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def written(output: Path, *lines: bytes, plan: Plan = PLAN) -> Path:
    """Have a run write these lines, and return its output."""
    with Journal.open(output, plan) as journal:
        journal.write(lines)
    return output
