"""A set of rubrics kept for other conversations: load it from YAML or JSONL, hash it. Finding similar ones is `seed_index.py`.

Shipped is a starter set written for ClinAlign, synthetic and not clinician-verified; `clinalign rubrics export` writes others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from principles_store.entry_files import Fault, read_entries, refuse_faults, validated
from principles_store.errors import LibraryError
from principles_store.rubric_entry import RubricEntry

SHIPPED = Path(__file__).parent / "rubrics"


@dataclass(frozen=True)
class RubricSet:
    """Rubrics in file order, and where they came from."""

    rubrics: tuple[RubricEntry, ...]
    source: str
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The file of each rubric, by id."""

    @cached_property
    def by_id(self) -> dict[str, RubricEntry]:
        return {rubric.id: rubric for rubric in self.rubrics}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over all rubrics, independent of file layout and order; hexadecimal."""
        entries = sorted((r.model_dump(mode="json") for r in self.rubrics), key=lambda entry: str(entry["id"]))
        return hashlib.sha256(json.dumps(entries, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def __iter__(self) -> Iterator[RubricEntry]:
        return iter(self.rubrics)

    def __len__(self) -> int:
        return len(self.rubrics)


def load_rubrics(path: Path | None = None) -> RubricSet:
    """Return the rubrics at `path`, a folder of YAML files or one YAML, JSON or JSONL file, or the shipped ones.

    Raises LibraryError naming file, entry and field of every fault of form.
    """
    rubrics, faults = read_rubrics(path)
    refuse_faults(faults)
    return rubrics


def read_rubrics(path: Path | None = None) -> tuple[RubricSet, list[Fault]]:
    """Return the rubrics at `path` that can be read, and the faults of form of all others.

    Raises LibraryError where a file as a whole can't be read or holds no entries.
    """
    path = path or SHIPPED
    rubrics, files, faults = validated(read_entries(path, "rubrics"), RubricEntry)
    if not rubrics and not faults:
        raise LibraryError(f"{path}: no rubrics in it; expected *.yaml files, a JSON list or JSONL")
    return RubricSet(tuple(rubrics), str(path), files), faults
