"""A few kept rubrics, and seeds out of them."""

from __future__ import annotations

from typing import Any

from agent.seeds import StoredSeeds
from principles_store.embedding import Embedder
from principles_store.rubric_entry import RubricEntry
from principles_store.rubric_set import RubricSet
from principles_store.seed_index import SeedIndex, rubric_text

GOUT = "Woke up with a red, swollen and very painful big toe. Is this gout?"
TICK = "I pulled a tick off my leg this morning, do I need antibiotics?"
PULSE = "Is a resting pulse of 58 normal for me?"


def toy_entry(id: str, question: str, count: int = 8, **fields: Any) -> dict[str, Any]:
    """Return a rubric as it stands in a file: falling points, the last two penalties."""
    rubric = [
        {
            "criterion": f"Says fact {n} of {id}.",
            "points": max(1, 10 - n),
            "axis": "accuracy",
            "tags": ["direct-answer"],
        }
        for n in range(1, count - 1)
    ]
    rubric += [
        {"criterion": f"Says {wrong} about {id}.", "points": -8, "axis": "accuracy", "tags": ["diagnosis"]}
        for wrong in ("the opposite", "something harmful")
    ]
    source = {"organisation": "World Health Organization", "title": "A guideline", "year": 2020}
    return {
        "id": id,
        "theme": "skin",
        "question": question,
        "rubric": rubric,
        "sources": [source],
        "origin": "synthetic",
    } | fields


def toy_rubrics(*entries: dict[str, Any]) -> RubricSet:
    """Return a set of these, or of three."""
    given = entries or (toy_entry("gout", GOUT), toy_entry("tick", TICK), toy_entry("pulse", PULSE))
    return RubricSet(tuple(RubricEntry.model_validate(entry) for entry in given), "toy")


def toy_seeds(embedder: Embedder, *entries: dict[str, Any]) -> StoredSeeds:
    rubrics = toy_rubrics(*entries)
    return StoredSeeds(SeedIndex(rubrics, embedder.encode([rubric_text(rubric) for rubric in rubrics])), embedder)
