"""Questions with rubrics for training: any file of rows that has both, read one row at a time. What goes where is datasets.py's.

Read are rows of `rubrics synthesize` and `rubrics select`, HealthRubrics, graded rows (the answers are not looked at), and any
other rows with a conversation and criteria. A row that can't be trained on is refused, never skipped: a file that loses rows in
silence trains another model. Passed over, and counted, are only rows that say of themselves that there is nothing in them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agent.batch.row_files import Record, read_records
from agent.batch.row_lines import row_digest
from agent.errors import ClinAlignError, InputError
from agent.rubric import Criterion
from principles_store.conversation import Message, parse_conversation
from training.preference_rows import record_of
from training.synthesis.rubric_rows import KEYS

ID_KEYS = ("prompt_id", "id", "custom_id")
"""In the order in which they are looked at: the id of a graded row is its answer's."""
_ASK_KEYS = ("conversation", "prompt", "question")
_AXIS = "axis:"
_NO_RUBRIC = ("rejected", "set aside", "new")
"""States of a HealthRubrics record that clinicians threw out, that could not be drafted, or that nobody has drafted."""


@dataclass(frozen=True, slots=True)
class RewardCriterion:
    """One criterion, with what its rewards are reported by."""

    text: str
    points: int
    """-10..10, never 0; negative: a penalty if the statement holds."""
    axis: str | None = None
    principle_id: str | None = None

    @property
    def criterion(self) -> Criterion:
        """The same as a judge takes it."""
        return Criterion(self.text, self.points, self.principle_id)

    def as_dict(self) -> dict[str, Any]:
        """Return the object that stands in the column `rubric`."""
        return {
            "criterion": self.text,
            "points": self.points,
            "axis": self.axis,
            "principle_id": self.principle_id,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the criterion of such an object."""
        return cls(data["criterion"], data["points"], data.get("axis"), data.get("principle_id"))


@dataclass(frozen=True, slots=True)
class Row:
    """One question with its rubric."""

    id: str
    conversation: list[Message]
    """Ends with a user turn."""
    rubric: tuple[RewardCriterion, ...]
    """With at least one criterion that earns points."""

    @property
    def asked(self) -> int:
        """8 bytes that stand for the conversation: rows with the same ask the same."""
        return row_digest(json.dumps([[turn["role"], turn["content"]] for turn in self.conversation]))

    @property
    def content(self) -> int:
        """8 bytes that stand for conversation and rubric."""
        return row_digest(json.dumps([self.asked, [list(item.as_dict().values()) for item in self.rubric]]))


def read_rows(path: Path, *, passed_over: Counter[str] | None = None) -> Iterator[Row]:
    """Yield the questions of a file, each once; InputError naming file, line, field and remedy of one that can't be trained on.

    `passed_over` counts the rows that are not yielded, by reason. One row is in memory, and about 0.2 kB of each that was seen.
    """
    seen = Seen()
    for place, row in placed_rows(path, passed_over):
        if seen.is_new(row, place):
            yield row
        elif passed_over is not None:
            passed_over["repeated"] += 1


def placed_rows(path: Path, passed_over: Counter[str] | None = None) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a file as they stand there, also those that repeat another, with their places."""
    rows = 0
    for record in read_records(path, columns=None):
        rows += 1
        place = f"{path}: {record.unit} {record.number}"
        try:
            found = _row(record, path)
        except ClinAlignError as error:
            raise InputError(f"{place}: {error}") from error
        except RecursionError as error:
            raise InputError(f"{place}: nested too deep") from error
        if isinstance(found, Row):
            yield place, found
        elif passed_over is not None:
            passed_over[found] += 1
    if not rows:
        raise InputError(f"{path}: no rows in it; write some with clinalign rubrics synthesize")


class Seen:
    """The ids that were read, each with what it stood for; about 0.2 kB of each."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[int, str]] = {}

    def is_new(self, row: Row, place: str) -> bool:
        """Tell whether the id is new; InputError where the row differs from that id's, as no answer has two rubrics."""
        key, content = row_digest(row.id), row.content
        if key not in self._rows:
            self._rows[key] = (content, place)
            return True
        if self._rows[key][0] != content:
            raise InputError(
                f"{place}: {row.id!r} has another question or rubric than at {self._rows[key][1]}; keep one, or give each "
                "its own id"
            )
        return False

    def place_of(self, row_id: str) -> str | None:
        """Return where an id was first read."""
        found = self._rows.get(row_digest(row_id))
        return found and found[1]


def _row(record: Record, path: Path) -> Row | str:
    """Return the row, or why there is none in it."""
    data = record.data
    if record.fault is not None or not isinstance(data, Mapping):
        raise InputError(record.fault or "expected an object with a conversation and a rubric")
    key = next((name for name in KEYS if isinstance(data.get(name), list) and data[name]), None)
    if "schema_version" in data:
        return _of_record(data, path)
    if key is None and data.get("error") is not None:
        return "an error of an earlier step"
    if key is None:
        raise InputError(f"no rubric in it: give {', '.join(KEYS[:2])} with at least one criterion{_hint(data)}")
    conversation = _conversation(data)
    rubric = tuple(_criterion(item, f"{key}.{number}") for number, item in enumerate(data[key]))
    return _earning(Row(_id(data, conversation), conversation, rubric), key)


def _hint(data: Mapping[str, Any]) -> str:
    asks = any(data.get(name) for name in _ASK_KEYS)
    return "; clinalign rubrics synthesize writes one for each question" if asks else ""


def _of_record(data: Mapping[str, Any], path: Path) -> Row | str:
    record = record_of(data, source=path.name, numbering=lambda: 0)  # its own positions count from 0
    if record.status in _NO_RUBRIC and (record.status == "rejected" or not record.rubric):
        return f"rubric {record.status}"
    rubric = tuple(RewardCriterion(item.criterion, item.points, item.axis, item.principle_id) for item in record.rubric)
    return _earning(Row(record.id, list(record.conversation), rubric), "refined" if record.refined else "draft")


def _earning(row: Row, key: str) -> Row:
    if not any(item.points > 0 for item in row.rubric):
        raise InputError(
            f"{key} of {row.id!r}: no criterion with points above 0, so nothing can be earned; add one, or leave the row out"
        )
    return row


def _conversation(data: Mapping[str, Any]) -> list[Message]:
    keys = [name for name in _ASK_KEYS if data.get(name) is not None]
    if len(keys) != 1:
        told = f"{' and '.join(keys)} in one row; keep one" if keys else f"no question in it: give {_ASK_KEYS[0]}"
        raise InputError(told)
    try:
        return parse_conversation(data[keys[0]])
    except ClinAlignError as error:
        raise InputError(f"{keys[0]}: {error}") from error


def _id(data: Mapping[str, Any], conversation: list[Message]) -> str:
    """Return the row's own id; without one, one that depends on the conversation alone, so that a row's place is of no matter."""
    name = next((name for name in ID_KEYS if data.get(name) is not None), None)
    if name is None:
        text = json.dumps([[turn["role"], turn["content"]] for turn in conversation])
        return f"question-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    value = data[name]
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise InputError(f"{name} must be a text that isn't empty, or a whole number; found {value!r}")
    return str(value)


def _criterion(item: Any, place: str) -> RewardCriterion:
    text, points = (item.get("criterion"), item.get("points")) if isinstance(item, Mapping) else (None, None)
    if not isinstance(item, Mapping) or not isinstance(text, str) or not text.strip():
        raise InputError(f"{place}.criterion: expected an object whose criterion is a text that isn't empty")
    if isinstance(points, bool) or not isinstance(points, int | float) or points % 1 or not 0 < abs(points) <= 10:
        raise InputError(f"{place}.points: expected a whole number in -10..10 without 0, found {points!r}")
    principle = item.get("principle_id")
    if principle is not None and not isinstance(principle, str):
        raise InputError(f"{place}.principle_id: expected text, found {principle!r}")
    return RewardCriterion(text, int(points), _axis(item, place), principle)


def _axis(item: Mapping[str, Any], place: str) -> str | None:
    tags = item.get("tags") or ()
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
        raise InputError(f"{place}.tags: expected a list of texts")
    axis = item.get("axis") or next((tag.removeprefix(_AXIS) for tag in tags if tag.startswith(_AXIS)), None)
    if axis is not None and not isinstance(axis, str):
        raise InputError(f"{place}.axis: expected text, found {axis!r}")
    return axis
