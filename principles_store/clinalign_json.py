"""Reader of ClinAlign-style JSON entries (`principles_v1.json`: a text with scenario labels) as entries of our own form.

The paper's field layout is not public, so the common spellings of its labels are accepted. Such an entry brings no
criteria: its text becomes one criterion that only a model can judge. Entries already in our form pass through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from principles_store.principle import DIMENSION_OF, SCENARIO_VALUES

_TEXT_KEYS = ("statement", "principle", "text", "description", "content")
_LABEL_KEYS = (
    "scenarios",
    "scenario",
    "labels",
    "tags",
    "conditions",
    *SCENARIO_VALUES,
    "user_expertise",
    "user expertise",
)
_ALIASES = {
    "emergency": "emergent",
    "conditional": "conditionally-emergent",
    "no-uncertainty": "none",
    "enough-context": "none",
    "any-reducible-uncertainty": "reducible",
    "reducible-uncertainty": "reducible",
    "not-enough-context": "reducible",
    "only-irreducible-uncertainty": "irreducible",
    "only-irreducible": "irreducible",
    "irreducible-uncertainty": "irreducible",
    "health-professional": "professional",
    "not-health-professional": "layperson",
    "not-a-health-professional": "layperson",
    "lay": "layperson",
    "simple": "simple-question",
    "detailed": "detailed-question",
    "enough-info-to-complete-task": "data-task-complete",
    "not-enough-info-to-complete-task": "data-task-incomplete",
    "context-does-not-matter": "setting-irrelevant",
    "context-matters-is-clear": "setting-clear",
    "context-matters-but-unclear": "setting-unclear",
}
DEFAULT_POINTS = 5
"""Of the one criterion: HealthBench's middle weight, since the file gives none."""


def entry_from_clinalign(entry: Any, position: int) -> Any:
    """Return `entry` in the form of our YAML; what can't be understood is left for the reader to refuse by name."""
    if not isinstance(entry, Mapping) or "criteria" in entry:
        return entry
    text = next((str(entry[key]).strip() for key in _TEXT_KEYS if entry.get(key)), "")
    values = list(dict.fromkeys(_value(label) for label in _labels(entry)))
    known = [value for value in values if value in DIMENSION_OF]
    return {
        "id": _identifier(entry.get("id"), position),
        "dimension": DIMENSION_OF[known[0]] if known else entry.get("dimension"),
        "scenarios": values,
        "axis": entry.get("axis", "completeness"),
        "polarity": entry.get("polarity", "do"),
        "severity": entry.get("severity", "major"),
        "title": str(entry.get("title") or text[:80]),
        "statement": text,
        "applies_when": {"situations": [text]},
        "criteria": [{"text": text, "points": DEFAULT_POINTS, "paraphrase": text}],
        "guidance": {"text": text, "edit": "advise"},
    }


def _labels(entry: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for key in _LABEL_KEYS:
        found += _flat(entry.get(key))
    return list(dict.fromkeys(found))


def _flat(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        return [label for inner in value.values() for label in _flat(inner)]
    if isinstance(value, list | tuple):
        return [label for inner in value for label in _flat(inner)]
    return [str(value)] if value else []


def _value(label: str) -> str:
    """Return the scenario value meant by `label` ("Conditionally Emergent", "urgency:emergent", …), or its slug."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.rpartition(":")[2].lower()).strip("-")
    return _ALIASES.get(slug, slug)


def _identifier(given: Any, position: int) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", str(given if given is not None else position).lower()).strip("-")
    return slug if not slug.isdigit() else f"principle-{int(slug):03d}"
