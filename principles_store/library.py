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
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from principles_store.clinalign_json import entry_from_clinalign
from principles_store.errors import LibraryError
from principles_store.principle import Principle

SHIPPED = Path(__file__).parent / "data"
_Loader: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # the C loader is ten times as fast; not every build has it


class StrictLoader(_Loader):  # type: ignore[misc]
    """The safe loader, which refuses a key given twice: plain YAML would silently keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(keys)):
            twice = next(key for number, (key, _) in enumerate(node.value) if key.value in keys[:number])
            raise yaml.constructor.ConstructorError(None, None, f"key {twice.value!r} is given twice", twice.start_mark)
        return super().construct_mapping(node, deep)


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
class Fault:
    """What is wrong with a library, and where."""

    file: str
    entry: str
    """Id of the principle, or its place in the file; empty where the library as a whole is meant."""
    field: str
    message: str
    level: Literal["fault", "note"] = "fault"

    def __str__(self) -> str:
        entry = f"entry {self.entry}: " if self.entry else ""
        return f"{self.file}: {entry}field {self.field}: {self.message}"


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
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise LibraryError(f"{faults[0]}{more}", tuple(str(fault) for fault in faults))
    return library


def read_library(path: Path | None = None) -> tuple[Library, list[Fault]]:
    """Return the entries at `path` that can be read, and the faults of form of all others.

    Raises LibraryError where a file as a whole can't be read or holds no entries.
    """
    path = path or SHIPPED
    principles: list[Principle] = []
    faults: list[Fault] = []
    files: dict[str, str] = {}
    places: dict[str, str] = {}
    for file, position, entry in _entries(path):
        place = f"{position} ({entry.get('id', '?') if isinstance(entry, Mapping) else '?'})"
        try:
            principle = Principle.model_validate(entry)
        except ValidationError as error:
            faults += [Fault(file, place, _location(e["loc"]), _message(e["msg"])) for e in error.errors()]
            continue
        if principle.id in files:
            taken = f"{files[principle.id]}: entry {places[principle.id]}"
            faults.append(Fault(file, place, "id", f"already used by {taken}"))
            continue
        files[principle.id], places[principle.id] = file, place
        principles.append(principle)
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
    """Yield (file, position from 1, raw entry) for every entry below `path`."""
    if path.is_dir():
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
        if not files:
            raise LibraryError(
                f"{path}: no *.yaml files in this folder; name a folder of principle files or a JSON list"
            )
    else:
        files = [path]
    for file in files:
        for position, entry in enumerate(_parse(file), start=1):
            yield str(file), position, entry


def _parse(file: Path) -> list[Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise LibraryError(f"{file}: can't be read ({error.strerror}); check the path of the library") from error
    except UnicodeDecodeError as error:
        raise LibraryError(f"{file}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    try:
        data = json.loads(text) if file.suffix == ".json" else yaml.load(text, Loader=StrictLoader)  # noqa: S506 - safe loader
    except json.JSONDecodeError as error:
        raise LibraryError(f"{file}: malformed JSON at line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise LibraryError(f"{file}: nested too deeply to be a library; expected a list of principles") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise LibraryError(f"{file}: malformed YAML{line}: {getattr(error, 'problem', None) or error}") from error
    if isinstance(data, dict) and isinstance(data.get("principles"), list):
        data = data["principles"]
    if not isinstance(data, list):
        raise LibraryError(f"{file}: expected a list of principles, found {type(data).__name__}")
    if file.suffix == ".json":
        return [entry_from_clinalign(entry, position) for position, entry in enumerate(data, start=1)]
    return data


def _location(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "(whole entry)"


def _message(message: str) -> str:
    return message.removeprefix("Value error, ")
