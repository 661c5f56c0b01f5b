"""The output of a batch as it lies on disk: input, rows, and the record of the run; for tests that only read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.batch.plan import Plan, save_plan, state_folder
from agent.batch.task import json_line
from agent.errors import InputError

Row = dict[str, Any]
DRAFT = "Rest and drink enough."


def answer(id: str, *, answer: str = DRAFT, draft: str = DRAFT, **more: Any) -> Row:
    """Return a row that was answered; it was revised if its answer is not the draft."""
    revised = answer != draft
    criterion = {"criterion": "Names a red flag", "points": 5, "principle_id": "red-flags"}
    verdict = {"criterion": "Names a red flag", "principle_id": "red-flags", "evidence": "", "reason": "nothing of it"}
    edit = {"op": "ADD", "before": "", "after": "Ring 112 if it spreads.", "principle_id": "red-flags"}
    return {
        "id": id,
        "answer": answer,
        "draft": draft,
        "accepted": revised,
        "stopped_because": "revision accepted" if revised else "nothing to improve",
        "scenario": {
            "urgency": "emergent",
            "uncertainty": "none",
            "expertise": "layperson",
            "task_type": "simple-question/setting-clear",
            "confidence": {"urgency": 0.91, "uncertainty": 0.5, "expertise": 1.0, "task_type": 0.25},
        },
        "principles": [{"id": "red-flags", "title": "Name red flags", "dimension": "urgency", "score": 1, "why": []}],
        "seeds": [
            {"rubric_id": "gout", "similarity": 0.7, "verified": False, "question": "Is it gout?", "criteria": 3}
        ],
        "rubric": [criterion] if revised else [],
        "critiques": [[verdict | {"verdict": "unmet", "fix": "add it"}], [verdict | {"verdict": "met", "fix": None}]]
        if revised
        else [],
        "edits": [edit | {"criterion": "Names a red flag", "reason": "it is missing"}] if revised else [],
        "patches": [{"start": 22, "end": 22, "text": " Ring 112 if it spreads.", "edit": 0}] if revised else [],
        "rounds": int(revised),
        "usage": {"calls": 0, "input_tokens": 0, "output_tokens": 0, "cost": 0.0, "seconds": 0.011},
        "calls": [],
        "engine": "embedded (all-MiniLM-L6-v2)",
        "models": {"writer": "embedded", "judge": "embedded"},
        "library_hash": "5e" * 32,
        "rubrics_hash": "",
        "warnings": [],
        **more,
    }


def revised(id: str, **more: Any) -> Row:
    return answer(id, **{"answer": f"{DRAFT} Ring 112 if it spreads.", **more})


def failed(id: str, kind: str = "ModelError", message: str = "the server is overloaded") -> Row:
    return {"id": id, "error": {"type": kind, "message": message}}


def written(
    folder: Path, rows: Sequence[Row], *, asked: Sequence[Mapping[str, Any]] | None = None, tail: bytes = b""
) -> Path:
    """Write an output with its input and the record of its run, and return it; `asked` are the rows of the input."""
    asked = [{"id": row["id"], "question": f"What about {row['id']}?"} for row in rows] if asked is None else asked
    source, output = folder / "asked.jsonl", folder / "out.jsonl"
    source.write_bytes(b"".join(json_line(row) + b"\n" for row in asked))
    output.write_bytes(b"".join(json_line(row) + b"\n" for row in rows) + tail)
    recorded(output, source=source)
    return output


def recorded(output: Path, *, source: Path | None, sha256: str = "") -> None:
    """Keep the record of a run that read this input."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest() if source else sha256
    plan = Plan(str(source) if source else None, digest, "shipped", "5e" * 32, settings={}, prompts={})
    state_folder(output).mkdir(exist_ok=True)
    save_plan(plan, output)


def rows_of(file: Path) -> list[Row]:
    """Return the rows of a file of JSON lines."""
    return [json.loads(line) for line in file.read_bytes().split(b"\n") if line]


def loaded(folder: Path, name: str | None = None) -> list[Row]:
    """Return what a user loads from an exported folder; the cache is beside it, and conftest has told the hub to stay away."""
    import datasets

    return list(datasets.load_dataset(str(folder), name, split="train", cache_dir=str(folder.parent / "cache")))


def refusal(export: Callable[..., Any], output: Path, target: Path, **options: Any) -> str:
    """Return why an export is refused, which leaves nothing behind."""
    folder = target.parent
    before = sorted(folder.iterdir()) if folder.is_dir() else []
    with pytest.raises(InputError) as caught:
        export(output, target, **options)
    assert (sorted(folder.iterdir()) if folder.is_dir() else []) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)
