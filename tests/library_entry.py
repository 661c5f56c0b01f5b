"""A small sound principle as its YAML entry, and ways to change it and write it down."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from principles_store.library import Library, load_library

_ENTRY: dict[str, Any] = {
    "id": "tick-bite",
    "dimension": "urgency",
    "scenarios": ["non-emergent", "layperson"],
    "axis": "completeness",
    "polarity": "do",
    "severity": "major",
    "title": "Say when a tick bite needs a doctor",
    "statement": "After a tick bite, say which rash or fever means seeing a doctor, and for how long to watch the skin.",
    "applies_when": {
        "situations": ["a tick bit me", "pulled a tick off my son", "Tick on my leg, now what?", "is a tick bite bad"],
        "topic": r"\btick",
        "unless": r"\bdog\b",
    },
    "criteria": [
        {
            "text": "Tells the reader to see a doctor if a spreading rash or fever follows.",
            "points": 6,
            "paraphrase": "Names rash and fever after the bite as reasons for a visit.",
            "meets": [
                "See a doctor if a ring-shaped rash appears.",
                "Fever within four weeks means a visit to a doctor.",
            ],
            "breaks": ["Tick bites are harmless.", "Nothing more needs to be done."],
            "detect": {"any": [{"pattern": r"\b(rash|fever)\b.*\b(appears|visit)"}]},
        }
    ],
    "guidance": {
        "text": "Add the signs and the time.",
        "edit": "add",
        "wording": {"lay": "Watch the skin. See a doctor if a rash or fever appears in the weeks after."},
    },
    "sources": [{"organisation": "NICE", "title": "Lyme disease (NG95)", "year": 2018}],
}


def entry(**fields: Any) -> dict[str, Any]:
    """Return the entry with top-level fields replaced."""
    return {**copy.deepcopy(_ENTRY), **fields}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the entry with the field at a dotted path replaced, as in `criteria.0.points`."""
    result: Any = entry()
    *parents, last = path.split(".")
    inner = result
    for name in parents:
        inner = inner[int(name) if name.isdigit() else name]
    inner[int(last) if last.isdigit() else last] = value
    return result


def write_library(path: Path, *entries: Any) -> Path:
    """Write entries as one YAML file and return its path."""
    path.write_text(yaml.safe_dump(list(entries), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def library_of(folder: Path, *entries: Any) -> Library:
    """Return a user's own library of these entries."""
    return load_library(write_library(folder / "own.yaml", *entries))
