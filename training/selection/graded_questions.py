"""Graded answers, gathered by question: how often each criterion is met, and what each answer scores. Streamed.

An unknown verdict is neither met nor unmet: it opens an interval, and counts in no rate. Rows of one question may stand anywhere,
also in several files, as long as they bring the same criteria.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.batch.row_files import read_records
from agent.errors import InputError
from agent.rubric import Criterion, Score, Verdict, score
from principles_store.conversation import parse_conversation
from principles_store.errors import ClinAlignError
from training.selection.questions import Question

_VALUES = {True: "met", False: "unmet", None: "unknown"}


@dataclass
class GradedQuestion:
    """One question with what its answers earned."""

    id: str
    view: str
    """What stands for its meaning."""
    points: tuple[int, ...]
    digest: bytes
    """Of the criteria: answers graded on others can't be put together."""
    place: str
    """Of its first row, whose other keys are kept."""
    scores: list[Score] = field(default_factory=list)
    """Of the answers that have a verdict on some criterion."""
    met: list[int] = field(default_factory=list)
    """Per criterion: answers that meet it."""
    known: list[int] = field(default_factory=list)
    """Per criterion: answers with a verdict."""
    missing: int = 0
    """Rows without an answer, or without any verdict."""

    def add(self, row: GradedRow) -> None:
        """Count one answer."""
        if not any(value is not None for value in row.verdicts):
            self.missing += 1
            return
        rubric = [Criterion("criterion", points) for points in self.points]
        found = score(rubric, [Verdict(_VALUES[value]) for value in row.verdicts])  # type: ignore[arg-type]
        if found is not None:
            self.scores.append(found)
        for number, value in enumerate(row.verdicts):
            self.met[number] += value is True
            self.known[number] += value is not None


@dataclass(frozen=True)
class GradedRow:
    """One graded answer."""

    prompt_id: str
    view: str
    criteria: tuple[tuple[str, int], ...]
    verdicts: tuple[bool | None, ...]
    place: str
    data: Mapping[str, Any]

    @property
    def digest(self) -> bytes:
        return hashlib.blake2b(json.dumps(self.criteria).encode(), digest_size=8).digest()


def read_graded_questions(paths: Sequence[Path]) -> dict[str, GradedQuestion]:
    """Return the questions by id, in the order of their first rows; InputError naming file and line of what can't be read."""
    found: dict[str, GradedQuestion] = {}
    for path in paths:
        for row in graded_rows(path):
            points = tuple(number for _, number in row.criteria)
            nothing = [0] * len(points)
            question = found.setdefault(
                row.prompt_id,
                GradedQuestion(
                    row.prompt_id, row.view, points, row.digest, row.place, met=list(nothing), known=list(nothing)
                ),
            )
            if question.digest != row.digest:
                raise InputError(
                    f"{row.place}: {row.prompt_id!r} has other criteria than at {question.place}; answers to one question must "
                    "be graded on one rubric"
                )
            question.add(row)
    return found


def graded_rows(path: Path) -> Iterator[GradedRow]:
    """Yield the graded answers of a file."""
    rows = 0
    for record in read_records(path, columns=None):
        rows += 1
        place = f"{path}: {record.unit} {record.number}"
        try:
            if record.fault is not None:
                raise InputError(record.fault)
            yield _graded(record.data, place)
        except ClinAlignError as error:
            raise InputError(f"{place}: {error}") from error
    if not rows:
        raise InputError(f"{path}: no rows in it; write graded rows with clinalign eval grade")


def _graded(row: Any, place: str) -> GradedRow:
    if not isinstance(row, Mapping):
        raise InputError(f"expected an object, found {type(row).__name__}")
    prompt_id = row.get("prompt_id") or row.get("id")
    if not isinstance(prompt_id, str | int) or isinstance(prompt_id, bool):
        raise InputError("neither prompt_id nor id in it; name the question that was answered")
    criteria = tuple(_criterion(item, number) for number, item in enumerate(_listed(row, "rubrics"), start=1))
    failed = row.get("error") is not None and row.get("verdicts") is None
    verdicts = (None,) * len(criteria) if failed else tuple(map(_verdict, _listed(row, "verdicts")))
    if len(verdicts) != len(criteria):
        raise InputError(
            f"{len(verdicts)} verdicts for {len(criteria)} criteria; there must be one for each, null where unknown"
        )
    turns = parse_conversation(row.get("prompt") or row.get("conversation"))
    asked = "\n".join(turn["content"] for turn in turns if turn["role"] == "user")
    view = Question("", "", frozenset(), asked, "").view
    return GradedRow(str(prompt_id), view, criteria, verdicts, place, row)


def _listed(row: Mapping[str, Any], key: str) -> list[Any]:
    items = row.get(key)
    if not isinstance(items, list) or not items:
        raise InputError(f"no {key} in it; have answers graded with clinalign eval grade")
    return items


def _criterion(item: Any, number: int) -> tuple[str, int]:
    text, points = (item.get("criterion"), item.get("points")) if isinstance(item, Mapping) else (None, None)
    if not isinstance(text, str) or isinstance(points, bool) or not isinstance(points, int | float) or points % 1:
        raise InputError(f"criterion {number}: expected an object with criterion and whole points")
    if not text.strip() or points == 0 or not -10 <= points <= 10:
        raise InputError(f"criterion {number}: needs a text, and points in -10..10 without 0")
    return text, int(points)


def _verdict(item: Any) -> bool | None:
    met = item.get("criteria_met") if isinstance(item, Mapping) and "criteria_met" in item else item
    if met is True or met is False or met is None:
        return met
    raise InputError("a verdict is an object whose criteria_met is true, false or null")
