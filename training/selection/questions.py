"""The questions of any file that goes into training or comes from a benchmark, with what they are compared by.

Read are all rows of the batch, HealthBench in both its forms, preferences, HealthRubrics, graded rows, rubrics in YAML. A row
whose question can't be found is refused: a check that skipped it would say that all is well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.batch.row_files import read_records
from agent.errors import InputError
from principles_store.conversation import VIEW_CHARACTERS
from principles_store.rubric_set import load_rubrics

_IDS = ("prompt_id", "id", "custom_id")
_ASKS = ("conversation", "prompt", "question", "Question", "messages")
_RUBRICS = ("rubrics", "rubric", "rubric_items", "refined", "draft")
_NO_ID = re.compile(r"(row|line|case|question|prompt|example|answer|q|r)?[ _#-]*\d{0,6}", re.IGNORECASE)
"""Numbers and counters: two files share them by chance."""
_SAMPLE = re.compile(r"#\d+$")


@dataclass(frozen=True, slots=True)
class Question:
    """One row."""

    name: str
    """Its id, else its place: what a report calls it."""
    place: str
    """FILE: line N."""
    ids: frozenset[str]
    """Those by which it could be told among all files."""
    asked: str
    """What the user says in all turns."""
    said: str
    """What user and assistant say in all turns."""
    criteria: tuple[str, ...] = ()

    @property
    def view(self) -> str:
        """What stands for its meaning: the head and the tail of a long text."""
        half = VIEW_CHARACTERS // 2
        return self.asked if len(self.asked) <= VIEW_CHARACTERS else f"{self.asked[:half]}\n{self.asked[-half:]}"


def read_questions(path: Path) -> Iterator[Question]:
    """Yield the questions of a file, or of a folder of rubrics; InputError naming file and line of one that can't be read.

    Rows that only say that something failed (`error`, and no question) are passed over: nothing is trained on them.
    """
    if path.is_dir() or path.suffix in (".yaml", ".yml"):
        for rubric in load_rubrics(path):
            yield _question(rubric.model_dump(mode="json"), rubric.id, f"{path}: {rubric.id}")
        return
    rows = 0
    for record in read_records(path, columns=None):
        rows += 1
        place = f"{path}: {record.unit} {record.number}"
        if record.fault is not None:
            raise InputError(f"{place}: {record.fault}")
        if not isinstance(record.data, Mapping):
            raise InputError(f"{place}: expected an object, found {type(record.data).__name__}")
        if record.data.get("error") is not None and not any(record.data.get(key) for key in _ASKS):
            continue
        yield _question(record.data, f"{record.unit} {record.number}", place)
    if not rows:
        raise InputError(f"{path}: no rows in it")


def _question(row: Mapping[str, Any], place_name: str, place: str) -> Question:
    ids = [_SAMPLE.sub("", str(row[key])) for key in _IDS if isinstance(row.get(key), str | int)]
    turns = list(_turns(row))
    asked = "\n".join(text for role, text in turns if role == "user")
    if not asked.strip():
        names = ", ".join(repr(str(name)) for name in list(row)[:8]) or "none"
        raise InputError(f"{place}: no question in it that can be compared; its keys are {names}")
    return Question(
        name=ids[0] if ids else place_name,
        place=place,
        ids=frozenset(name for name in ids if not _NO_ID.fullmatch(name)),
        asked=asked,
        said="\n".join(text for _, text in turns),
        criteria=tuple(_criteria(row)),
    )


def _turns(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield role and text of each turn that isn't the system's: many rows share theirs."""
    body = row.get("body")
    values = [row.get(key) for key in _ASKS] + [body.get("messages") if isinstance(body, Mapping) else None]
    asked: Any = next((value for value in values if value), None) or row.get("chosen")
    if isinstance(asked, Mapping):  # HealthBench Professional
        asked = asked.get("messages")
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    for message in asked if isinstance(asked, Sequence) else ():
        role, content = (message.get("role"), message.get("content")) if isinstance(message, Mapping) else ("", "")
        if isinstance(content, list):  # OpenAI's content parts
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
        if role in ("user", "assistant", "human") and isinstance(content, str):
            yield ("assistant" if role == "assistant" else "user"), content


def _criteria(row: Mapping[str, Any]) -> Iterator[str]:
    for key in _RUBRICS:
        items = row.get(key)
        for item in items if isinstance(items, list) else ():
            text = (item.get("criterion") or item.get("criterion_text")) if isinstance(item, Mapping) else None
            if isinstance(text, str):
                yield text
