"""Entries of YAML files, JSON lists and JSONL, with where each stands; what an entry means is its reader's business."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

import yaml
from pydantic import ValidationError

from principles_store.errors import LibraryError

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


class Identified(Protocol):
    """A pydantic model of entries that are called by their id."""

    @property
    def id(self) -> str: ...

    @classmethod
    def model_validate(cls, obj: Any) -> Self: ...


Shape = TypeVar("Shape", bound=Identified)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a set of entries, and where."""

    file: str
    entry: str
    """Id of the entry, or its place in the file; empty where the set as a whole is meant."""
    field: str
    message: str
    level: Literal["fault", "note"] = "fault"

    def __str__(self) -> str:
        entry = f"entry {self.entry}: " if self.entry else ""
        return f"{self.file}: {entry}field {self.field}: {self.message}"


def read_entries(path: Path, what: str) -> Iterator[tuple[str, int, Any]]:
    """Yield (file, position from 1, raw entry) for every entry below `path`; `what` names the entries in errors."""
    if path.is_dir():
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
        if not files:
            raise LibraryError(
                f"{path}: no *.yaml files in this folder; name a folder of YAML files with {what}, or one file"
            )
    else:
        files = [path]
    for file in files:
        for position, entry in enumerate(_parse(file, what), start=1):
            yield str(file), position, entry


def validated(
    entries: Iterable[tuple[str, int, Any]], shape: type[Shape]
) -> tuple[list[Shape], dict[str, str], list[Fault]]:
    """Return the entries that are of a shape and have an id of their own, the file of each by id, and the faults of all others."""
    found: list[Shape] = []
    files: dict[str, str] = {}
    faults: list[Fault] = []
    places: dict[str, str] = {}
    for file, position, entry in entries:
        place = _place(position, entry)
        try:
            read = shape.model_validate(entry)
        except ValidationError as error:
            faults += [Fault(file, place, _location(one["loc"]), _message(one["msg"])) for one in error.errors()]
            continue
        if read.id in files:
            faults.append(Fault(file, place, "id", f"already used by {places[read.id]}"))
            continue
        files[read.id], places[read.id] = file, f"{file}: entry {place}"
        found.append(read)
    return found, files, faults


def _place(position: int, entry: Any) -> str:
    """Return how an entry is named in an error: its position and its id."""
    return f"{position} ({entry.get('id', '?') if isinstance(entry, dict) else '?'})"


def refuse_faults(faults: list[Fault]) -> None:
    """Raise LibraryError if there are faults, telling the first."""
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise LibraryError(f"{faults[0]}{more}", tuple(str(fault) for fault in faults))


def _parse(file: Path, what: str) -> list[Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise LibraryError(f"{file}: can't be read ({error.strerror}); check the path of the {what}") from error
    except UnicodeDecodeError as error:
        raise LibraryError(f"{file}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    try:
        data = _parsed(file, text)
    except json.JSONDecodeError as error:
        raise LibraryError(f"{file}: malformed JSON at line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise LibraryError(f"{file}: nested too deeply; expected a list of {what}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise LibraryError(f"{file}: malformed YAML{line}: {getattr(error, 'problem', None) or error}") from error
    if isinstance(data, dict) and isinstance(data.get(what), list):
        data = data[what]
    if not isinstance(data, list):
        raise LibraryError(f"{file}: expected a list of {what}, found {type(data).__name__}")
    return data


def _parsed(file: Path, text: str) -> Any:
    if file.suffix == ".json":
        return json.loads(text)
    if file.suffix == ".jsonl":
        return [_line(line, number) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return yaml.load(text, Loader=StrictLoader)  # noqa: S506 - safe loader


def _line(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(error.msg, "\n" * (number - 1) + line, number - 1 + error.pos) from error


def _location(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "(whole entry)"


def _message(message: str) -> str:
    return message.removeprefix("Value error, ")
