"""Rows of conversation files as examples: HealthBench's fields, our own, and drafts beside them. Reads; never downloads.

JSONL, plain or gzip. The official files and their variants join with the evaluation commands.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.rubric import Criterion
from principles_store.conversation import Message, parse_conversation
from principles_store.errors import ClinAlignError


class DatasetError(ClinAlignError):
    """A file of conversations can't be read; the message names file and line."""


@dataclass(frozen=True)
class Example:
    """One conversation with what the file says of it."""

    id: str
    conversation: list[Message]
    tags: tuple[str, ...] = ()
    draft: str | None = None
    reference: str | None = None
    """An answer written by a physician."""
    rubric: tuple[Criterion, ...] = ()
    verdicts: tuple[bool | None, ...] = ()
    """Whether a grader found each criterion met; empty where nobody graded."""


def read_examples(path: Path, *, limit: int | None = None) -> list[Example]:
    """Return the examples of a JSONL file; raises DatasetError naming the line at fault."""
    examples: list[Example] = []
    for number, row in _rows(path):
        if limit is not None and len(examples) >= limit:
            break
        try:
            examples.append(_example(row, number))
        except (ClinAlignError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path}: line {number}: {_reason(error)}") from error
    if not examples:
        raise DatasetError(f"{path}: no rows in it")
    return examples


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(line, path, number)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path}: can't be read ({reason}); check the path") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8 at byte {error.start}") from error


def _object(line: str, path: Path, number: int) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: line {number}: malformed JSON at column {error.colno}: {error.msg}") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{path}: line {number}: expected an object, found {type(row).__name__}")
    return row


def _example(row: Mapping[str, Any], number: int) -> Example:
    prompt = _first(row, "prompt", "conversation", "question", "Question")
    if prompt is None:
        raise ValueError("none of prompt, conversation, question in it")
    return Example(
        id=str(_first({**row, "number": number}, "prompt_id", "id", "number")),
        conversation=parse_conversation(prompt),
        tags=_tags(row.get("example_tags") or ()),
        draft=_text(row, "draft", "response"),
        reference=_text(row, "physician_ideal", "Free_form_answer"),
        rubric=tuple(Criterion(item["criterion"], _points(item["points"])) for item in row.get("rubrics") or ()),
        verdicts=tuple(_verdict(item["criteria_met"]) for item in row.get("verdicts") or ()),
    )


def _first(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _text(row: Mapping[str, Any], *names: str) -> str | None:
    value = _first(row, *names)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{' or '.join(names)} must be text, found {type(value).__name__}")
    return value or None


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(tag, str) for tag in value):
        raise TypeError("example_tags must be a list of texts")
    return tuple(value)


def _points(value: Any) -> int:
    if int(value) != value:
        raise ValueError(f"points {value!r} is no whole number")
    return int(value)


def _verdict(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise TypeError(f"criteria_met must be true, false or null, found {value!r}")


def _reason(error: Exception) -> str:
    return f"missing {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
