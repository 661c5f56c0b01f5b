"""`clinalign rubrics select`: graded answers in, the questions that teach out, and a report of what was dropped and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.batch.disk import replace_file
from principles_store.embedding import Embedder
from training.selection.graded_questions import GradedQuestion, GradedRow, graded_rows, read_graded_questions
from training.selection.leak_report import report_object
from training.selection.leaks import LeakReport, find_leaks
from training.selection.teaching import Bounds, Reason, doubles, judged, teaching_of, telling

_OF_THE_ANSWER = frozenset(
    [
        "id",
        "response",
        "verdicts",
        "rubrics",
        "judges",
        "usage",
        "error",
        "draft",
        "edits",
        "revision",
        "answer",
        "warnings",
    ]
)
"""Keys of a graded row that say nothing of its question."""


@dataclass
class Selection:
    """What was kept, and what was dropped why."""

    kept: list[str] = field(default_factory=list)
    dropped: dict[str, Reason] = field(default_factory=dict)
    """Reason by question."""
    double_of: dict[str, str] = field(default_factory=dict)
    criteria: dict[str, list[bool]] = field(default_factory=dict)
    """Of each question that is kept: which of its criteria stay."""
    answers: int = 0
    unknown: int = 0
    """Verdicts of the kept questions."""
    leaks: LeakReport | None = None

    @property
    def criteria_dropped(self) -> int:
        return sum(stays.count(False) for stays in self.criteria.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the report."""
        return {
            "questions": len(self.kept) + len(self.dropped),
            "answers": self.answers,
            "kept": len(self.kept),
            "dropped": dict(Counter(self.dropped.values()).most_common()),
            "criteria_kept": sum(stays.count(True) for stays in self.criteria.values()),
            "criteria_dropped": self.criteria_dropped,
            "unknown_verdicts_kept": self.unknown,
            "questions_dropped": [
                {"prompt_id": name, "reason": reason} | ({"of": self.double_of[name]} if name in self.double_of else {})
                for name, reason in self.dropped.items()
            ],
            "criteria_dropped_of": {
                name: [number for number, stay in enumerate(stays) if not stay]
                for name, stays in self.criteria.items()
                if not all(stays)
            },
        } | ({"leaks": report_object(self.leaks)} if self.leaks else {})

    def told(self) -> list[str]:
        """Return the report in a few lines."""
        total = len(self.kept) + len(self.dropped)
        lines = [
            f"{total:,} questions with {self.answers:,} answers: {len(self.kept):,} kept, {len(self.dropped):,} dropped"
        ]
        lines += [f"  {count:>7,} {reason}" for reason, count in Counter(self.dropped.values()).most_common()]
        every = sum(map(len, self.criteria.values()))
        if every:
            lines.append(
                f"{self.criteria_dropped:,} of {every:,} criteria of the kept questions dropped: all answers agree on them"
            )
        if self.unknown:
            lines.append(f"{self.unknown:,} verdicts of the kept questions are unknown, and counted neither way")
        return lines


def select(
    sources: Sequence[Path], output: Path, bounds: Bounds, embedder: Embedder, *, against: Sequence[Path] = ()
) -> Selection:
    """Write the questions that teach, one row each, in the order of their first answers; return what was done.

    Raises InputError naming file and line; nothing is written then.
    """
    questions = read_graded_questions(sources)
    found = Selection(answers=sum(len(each.scores) + each.missing for each in questions.values()))
    left = dict(questions)
    if against:
        found.leaks = find_leaks(sources, against, embedder)
        leaking = _leaking(sources, found.leaks)
        _drop(found, left, dict.fromkeys(leaking, "leaks from a benchmark"))
    _drop(found, left, {name: reason for name, each in left.items() if (reason := judged(each, bounds))})
    found.double_of = doubles(list(left.values()), embedder, bounds.max_likeness)
    _drop(found, left, dict.fromkeys(found.double_of, "nearly the same question as another"))
    found.kept = list(left)
    found.criteria = {name: telling(each, bounds) for name, each in left.items()}
    found.unknown = sum(len(each.scores) * len(each.known) - sum(each.known) for each in left.values())
    replace_file(output, _lines(sources, left, found.criteria))
    return found


def _drop(found: Selection, left: dict[str, GradedQuestion], reasons: Mapping[str, Reason]) -> None:
    for name, reason in reasons.items():
        if left.pop(name, None) is not None:
            found.dropped[name] = reason


def _leaking(sources: Sequence[Path], report: LeakReport) -> list[str]:
    """Return the ids of the questions that leak; a report names rows by their places."""
    places = report.leaking
    return [row.prompt_id for path in sources for row in graded_rows(path) if row.place in places] if places else []


def _lines(
    sources: Sequence[Path], questions: Mapping[str, GradedQuestion], criteria: Mapping[str, Sequence[bool]]
) -> Iterator[bytes]:
    for path in sources:
        for row in graded_rows(path):
            question = questions.get(row.prompt_id)
            if question is not None and question.place == row.place:
                data = _kept_row(row, question, criteria[row.prompt_id])
                yield json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _kept_row(row: GradedRow, question: GradedQuestion, stays: Sequence[bool]) -> dict[str, Any]:
    """Return the question with the criteria that tell answers apart, and how they did."""
    found = teaching_of(question.scores)
    rates = [met / known if known else None for met, known in zip(question.met, question.known, strict=True)]
    rest = {key: value for key, value in row.data.items() if key not in _OF_THE_ANSWER | {"prompt_id", "prompt"}}
    return {
        "prompt_id": row.prompt_id,
        "prompt": row.data.get("prompt") or row.data.get("conversation"),
        "rubrics": [item for item, stay in zip(row.data["rubrics"], stays, strict=True) if stay],
        **rest,
        "selection": {
            "answers": len(question.scores),
            "mean": [round(found.low, 6), round(found.high, 6)],
            "variance": round(found.variance, 6),
            "pass_rates": [
                None if rate is None else round(rate, 4) for rate, stay in zip(rates, stays, strict=True) if stay
            ],
        },
    }
