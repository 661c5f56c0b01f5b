"""Candidate principles: a cluster as an entry of a library, made by a model or, without one, its medoid as it stands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from principles_store.principle import Principle
from training.distillation.material import Material

MEDOID = "Medoid, not abstracted"
"""How the title of a principle begins that no model and no person has worded."""
_TITLE_WORDS = 12
_SLUG_CHARACTERS = 46


@dataclass(frozen=True)
class Candidate:
    """A principle, and where it comes from."""

    principle: Principle
    clusters: tuple[int, ...]
    """Numbers of the clusters it was made from, its own first."""
    is_abstracted: bool
    """False: a medoid."""
    reason: str = ""
    """The model's, for taking these criteria as one rule."""
    model: str = ""
    """That worded it."""


def medoid_candidate(material: Material) -> Candidate:
    """Return the criterion that stands for a cluster as a principle: valid, marked, and to be worded by a person."""
    words = material.medoid.split()
    clipped = " ".join(words[:_TITLE_WORDS]).rstrip(".,;") + (" …" if len(words) > _TITLE_WORDS else "")
    what = "a penalty" if material.polarity == "avoid" else "asked for"
    entry = {
        **common_fields(material),
        "id": principle_id(material.medoid, material),
        "dimension": material.key.dimension,
        "scenarios": material.key.scenarios,
        "severity": material.severity,
        "title": f"{MEDOID}, {what}: {clipped}",
        "statement": material.medoid,
        "applies_when": {"situations": material.questions},
        "criteria": [{"text": material.medoid, "points": material.points, "paraphrase": _paraphrase(material)}],
        "guidance": {
            "text": f"{'Mend' if material.polarity == 'avoid' else 'See to'}: {material.medoid}",
            "edit": "advise",
        },
    }
    return Candidate(Principle.model_validate(entry), (material.number,), is_abstracted=False)


def common_fields(material: Material) -> dict[str, Any]:
    """Return what an entry has from its cluster, whoever words it."""
    sources = [source.model_dump() for source in material.sources]
    return {"axis": material.axis, "polarity": material.polarity, "sources": sources}


def principle_id(words: str, material: Material) -> str:
    """Return an id that says what it is about, and that no other cluster's has."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:_SLUG_CHARACTERS].strip("-")
    digest = hashlib.sha256(material.id.encode()).hexdigest()[:6]
    return f"{slug}-{digest}" if slug else f"principle-{digest}"


def medoid_candidates(materials: Sequence[Material]) -> list[Candidate]:
    """Return the medoids of all clusters, one for those that have the same text and polarity."""
    seen: dict[tuple[str, str], Candidate] = {}
    for material in materials:
        seen.setdefault((material.medoid, material.polarity), medoid_candidate(material))
    return list(seen.values())


def _paraphrase(material: Material) -> str:
    """Return the next nearest criterion: the nearest there is to the same in other words."""
    return material.criteria[1][1] if len(material.criteria) > 1 else material.medoid
