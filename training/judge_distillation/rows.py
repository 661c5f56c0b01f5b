"""Labels for a small judge: the verdicts of graded rows, less those that it can't or must not learn from."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.judge_spec import SMALL
from evals.graded import Grade, GradedAnswer, read_graded

NO_JUDGE = "no judge named"
_SMALL = re.compile(rf"(?:^|[(,]\s*){SMALL}")
"""At the beginning of a name: other models are called small, too."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """What of the rows is no label."""

    failed: int = 0
    """Answers whose row is an error."""
    unjudged: int = 0
    """Other answers without a single verdict."""
    unknown: int = 0
    """Verdicts that are null, in answers that have others."""
    own: int = 0
    """Verdicts in which a small judge had a voice: it would learn its own mistakes."""
    repeated: int = 0
    """Answers that are there already, with the same criteria and verdicts."""


@dataclass(frozen=True)
class Labels:
    """Graded answers with one verdict at least each, in an order that is that of no file."""

    answers: tuple[GradedAnswer, ...]
    """Verdicts that are no label are null."""
    digest: str
    """SHA-256 in hex of all that is learned from; the order of files and rows doesn't matter."""
    skipped: Skipped
    judges: Mapping[str, int]
    """Labels by the judge that gave them."""

    @property
    def verdicts(self) -> int:
        """Count the labels."""
        return sum(self.judges.values())

    @property
    def conversations(self) -> int:
        """Count the conversations that differ."""
        return len({conversation_key(answer) for answer in self.answers})


def read_labels(files: Sequence[Path]) -> Labels:
    """Return the labels of graded rows, of several judges too.

    Raises ClinAlignError naming file and line of what can't be read, InputError if there is no label at all.
    """
    if not files:
        raise InputError("no graded rows: name the files that clinalign eval grade wrote")
    found: dict[str, GradedAnswer] = {}
    skipped: Counter[str] = Counter()
    judges: Counter[str] = Counter()
    for file in files:
        for answer in read_graded(file):
            labelled = _labelled(answer, skipped)
            if labelled is None:
                continue
            name = _answer_digest(labelled)
            if name in found:
                skipped["repeated"] += 1
                continue
            found[name] = labelled
            judges[labelled.judge or NO_JUDGE] += _count(labelled)
    if not found:
        raise InputError(_no_labels(files, skipped))
    names = sorted(found)
    digest = sha256("\n".join(names).encode()).hexdigest()
    return Labels(tuple(found[name] for name in names), digest, Skipped(**skipped), dict(judges))


def conversation_key(answer: GradedAnswer) -> str:
    """Name the conversation that was answered by its messages: the same one under two ids is one."""
    return _digest([[message["role"], message["content"]] for message in answer.conversation])[:16]


def is_small(judge: str | None) -> bool:
    """Tell whether a judge's name is that of a small one, or of a cascade or panel with one."""
    return judge is not None and _SMALL.search(judge) is not None


def _labelled(answer: GradedAnswer, skipped: Counter[str]) -> GradedAnswer | None:
    """Return the answer with its labels alone, None if there are none; counts what is passed over."""
    if answer.error is not None and all(grade.met is None for grade in answer.grades):
        skipped["failed"] += 1
        return None
    own = _own_voices(answer)
    grades = tuple(Grade(None) if is_own else grade for grade, is_own in zip(answer.grades, own, strict=True))
    skipped["own"] += sum(own)
    unknown = sum(grade.met is None for grade in answer.grades)
    if unknown == len(grades):
        skipped["unjudged"] += 1
        return None
    skipped["unknown"] += unknown
    if all(grade.met is None for grade in grades):
        return None
    return replace(answer, grades=grades)


def _own_voices(answer: GradedAnswer) -> list[bool]:
    """Tell per criterion whether its verdict is, in part, a small judge's."""
    small = [grades for name, grades in answer.judges.items() if is_small(name)]
    if small:
        voices = [any(grades[number].met is not None for grades in small) for number in range(len(answer.rubric))]
    else:  # who gave which verdict is not told
        voices = [is_small(answer.judge)] * len(answer.rubric)
    return [voice and grade.met is not None for voice, grade in zip(voices, answer.grades, strict=True)]


def _count(answer: GradedAnswer) -> int:
    return sum(grade.met is not None for grade in answer.grades)


def _answer_digest(answer: GradedAnswer) -> str:
    """Return a digest of what is learned from an answer, and of nothing else."""
    criteria = [
        [criterion.text, criterion.points, list(criterion.tags), grade.met]
        for criterion, grade in zip(answer.rubric, answer.grades, strict=True)
    ]
    return _digest([conversation_key(answer), answer.response, criteria])


def _digest(value: Any) -> str:
    """Return the SHA-256 of JSON in ASCII, which half a character doesn't break."""
    return sha256(json.dumps(value).encode()).hexdigest()


def _no_labels(files: Iterable[Path], skipped: Mapping[str, int]) -> str:
    told = {
        "failed": "{} answers that failed",
        "unjudged": "{} answers without a verdict",
        "own": "{} verdicts of a small judge, which must not learn from itself",
    }
    reasons = ", ".join(text.format(skipped[name]) for name, text in told.items() if skipped[name])
    names = ", ".join(str(file) for file in files)
    return f"{names}: missing verdicts: {reasons}; grade the answers with another judge by clinalign eval grade"
