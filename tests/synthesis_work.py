"""Runs of rubric synthesis on the fake server, for the tests of the job, its command and its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripted_model import with_model

from agent.batch.run import BatchRun
from agent.batch.runners import ThreadRunner
from agent.config import Settings
from agent.state import AgentContext
from agent.testing import FakeServer
from principles_store.library import SHIPPED
from training.synthesis.job import SynthesisOpener, Synthesizing
from training.synthesis.tally import SynthesisTally

SETTINGS = Settings(model="openai:fake", library=SHIPPED / "uncertainty.yaml")
"""A part of the library, since every plan reads it anew; the context has the whole of it."""
SYMPTOMS = ("headache", "swollen ankle", "cough", "nosebleed", "sore throat", "dizziness", "rash", "earache")


def asked(count: int) -> list[dict[str, Any]]:
    """Return questions that say which case they are."""
    return [
        {"id": f"r{n}", "question": f"My {SYMPTOMS[n % 8]} has been there since noon (case {n}). What can I take?"}
        for n in range(count)
    ]


def synthesis(
    context: AgentContext, server: FakeServer | None, rows: list[dict[str, Any]] | Path, output: Path, **options: Any
) -> BatchRun:
    """Return a run in threads of this process; without a server, that of the embedded engine."""
    seeds = options.pop("seeds", None)
    settings = options.pop("settings", SETTINGS if server else Settings(library=SETTINGS.library))
    engine = with_model(context, server, max_attempts=1, seeds=seeds) if server else context
    runner = ThreadRunner(SynthesisOpener(settings, engine), options.pop("concurrency", 4))
    run = BatchRun(Synthesizing(rows, settings), runner, output=output, **options)
    run.tally = SynthesisTally(labels=run.job.labels)
    return run


def rows_of(output: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in map(json.loads, output.read_text().splitlines())}


def written(*criteria: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reply of nine good criteria, the first of them replaced by these."""
    texts = (
        ("Says that an ankle that can't bear weight needs an X-ray.", 9),
        ("Names paracetamol as the first medicine for the pain.", 6),
        ("Tells the reader to raise the leg above the hip.", 5),
        ("Gives two weeks as the usual time until walking is easy.", 4),
        ("Asks whether the reader takes blood thinners.", 4),
        ("Explains how to wrap an elastic bandage.", 3),
        ("Recommends heat in the first hours.", -6),
        ("Calls every swelling a blood clot.", -5),
        ("Adds a paragraph on the history of splints.", -3),
    )
    good = [criterion(text, points) for text, points in texts]
    return {"criteria": [*criteria, *good[len(criteria) :]]}


def criterion(text: str, points: int = 5, *, principle: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "principle": principle,
        "criterion": text,
        "points": points,
        "axis": "accuracy",
        "tags": ["medicine"],
    } | fields


TEMPLATE = "Says when to see a doctor."


def rubric(name: str, *own: str, template: str = TEMPLATE, **fields: Any) -> dict[str, Any]:
    """Return a row with a rubric: a template, and criteria of its own."""
    words = ("course", "cause", "drug", "dose", "sign", "test", "risk")
    texts = [template, *(own or (f"Names the {word} of {name}." for word in words))]
    criteria = [{"criterion": text, "points": 5, "principle_id": "p"} for text in texts]
    return {"id": name, "rubric": criteria, "problems": []} | fields
