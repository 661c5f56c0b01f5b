"""Rows of conversation files as examples: HealthBench's fields, our own, and drafts beside them. Reads; never downloads.

JSONL, plain or gzip. The official files and their variants join with the evaluation commands.
"""

from __future__ import annotations

import gzip
import json
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
    except OSError as error:
        raise DatasetError(f"{path}: can't be read ({error.strerror or error}); check the path") from error
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
    prompt = row.get("prompt") or row.get("conversation") or row.get("question") or row.get("Question")
    if prompt is None:
        raise KeyError("none of prompt, conversation, question")
    return Example(
        id=str(row.get("prompt_id") or row.get("id") or number),
        conversation=parse_conversation(prompt),
        tags=tuple(row.get("example_tags", ())),
        draft=row.get("draft") or row.get("response"),
        reference=row.get("physician_ideal") or row.get("Free_form_answer"),
        rubric=tuple(Criterion(item["criterion"], int(item["points"])) for item in row.get("rubrics", ())),
        verdicts=tuple(item["criteria_met"] for item in row.get("verdicts", ())),
    )


def _reason(error: Exception) -> str:
    return f"missing {error.args[0]}" if isinstance(error, KeyError) else str(error)
