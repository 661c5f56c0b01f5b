"""The set of principles: load it from YAML or JSON, hash it, and tell two versions apart. Checking its quality is `lint.py`.

A library is a folder of YAML files, one such file, or a ClinAlign-style JSON list of entries with a text and scenario labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from principles_store.clinalign_json import entry_from_clinalign
from principles_store.entry_files import Fault, read_entries, refuse_faults, validated
from principles_store.errors import LibraryError
from principles_store.principle import Principle

SHIPPED = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Library:
    """Principles in file order, and where they came from."""

    principles: tuple[Principle, ...]
    source: str
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The file of each principle, by id."""

    @cached_property
    def by_id(self) -> dict[str, Principle]:
        return {principle.id: principle for principle in self.principles}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over all entries, independent of file layout and order; hexadecimal."""
        entries = sorted((p.model_dump(mode="json") for p in self.principles), key=lambda entry: str(entry["id"]))
        return hashlib.sha256(json.dumps(entries, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def __iter__(self) -> Iterator[Principle]:
        return iter(self.principles)

    def __len__(self) -> int:
        return len(self.principles)

    def get(self, principle_id: str) -> Principle:
        """Return the principle called `principle_id`; raises LibraryError with the nearest ids."""
        import difflib

        if principle_id in self.by_id:
            return self.by_id[principle_id]
        near = difflib.get_close_matches(principle_id, self.by_id, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "`clinalign principles list` shows all"
        raise LibraryError(f"no principle {principle_id!r} in {self.source}: {hint}")


@dataclass(frozen=True)
class LibraryDiff:
    """What changed between two libraries, by id."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    """Names of the changed top-level fields of each changed principle."""


def load_library(path: Path | None = None) -> Library:
    """Return the library at `path`, or the shipped one.

    Raises LibraryError naming file, entry and field of every fault of form.
    """
    library, faults = read_library(path)
    refuse_faults(faults)
    return library


def read_library(path: Path | None = None) -> tuple[Library, list[Fault]]:
    """Return the entries at `path` that can be read, and the faults of form of all others.

    Raises LibraryError where a file as a whole can't be read or holds no entries.
    """
    path = path or SHIPPED
    principles, files, faults = validated(_entries(path), Principle)
    if not principles and not faults:
        raise LibraryError(f"{path}: no principles in it; expected *.yaml files or a JSON list")
    return Library(tuple(principles), str(path), files), faults


def diff_libraries(old: Library, new: Library) -> LibraryDiff:
    """Compare two libraries entry by entry."""
    changed: dict[str, tuple[str, ...]] = {}
    for name in (name for name in new.by_id if name in old.by_id):
        before, after = old.by_id[name].model_dump(), new.by_id[name].model_dump()
        fields = tuple(field for field in after if after[field] != before[field])
        if fields:
            changed[name] = fields
    return LibraryDiff(
        added=tuple(name for name in new.by_id if name not in old.by_id),
        removed=tuple(name for name in old.by_id if name not in new.by_id),
        changed=changed,
    )


def _entries(path: Path) -> Iterator[tuple[str, int, Any]]:
    """Yield (file, position from 1, entry) for every entry below `path`; a JSON list is ClinAlign's own form."""
    for file, position, entry in read_entries(path, "principles"):
        yield file, position, entry_from_clinalign(entry, position) if file.endswith(".json") else entry
