"""Whether training data leaks from a benchmark: by id, by text, by a criterion, by meaning. Finds; the report is leak_report.py's.

The benchmark is held in memory (17 kB a row at most), the training data is read in blocks, and 17,000 rows against 5,000 take
minutes on two cores, nearly all of it the encoder's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from principles_store.embedding import Embedder
from training.selection.likeness import encoded, in_blocks, near_pairs
from training.selection.questions import Question, read_questions
from training.selection.wordings import RunIndex, runs, words

FAULT_SHARE, LISTED_SHARE = 0.70, 0.30
"""Of runs of words in common: PaLM's measure of a contaminated example, and what is worth a look."""
FAULT_LIKENESS, LISTED_LIKENESS = 0.95, 0.85
"""Cosine of what the users say."""
LEAST_WORDS = 4
"""Of a text that is the same in both: "hello" is nobody's."""
LEAST_CRITERION_WORDS = 8
MOST_PER_QUESTION = 5
"""Matches that are kept of one question, the worst first."""
_BLOCK = 512

How = Literal["id", "same text", "shared runs", "same criterion", "likeness"]
_GRAVITY: dict[How, int] = {"id": 4, "same text": 3, "shared runs": 2, "same criterion": 1, "likeness": 0}


@dataclass(frozen=True)
class Leak:
    """One question of the training data that is, or may be, one of a benchmark's."""

    train: str
    train_place: str
    benchmark: str
    benchmark_place: str
    how: How
    value: float
    """Share of runs or cosine, 0..1; how many criteria are the same; 1 for an id and a text."""
    is_fault: bool


@dataclass
class LeakReport:
    """What a check has found."""

    train: tuple[str, ...]
    against: tuple[str, ...]
    embedder: str
    train_rows: int = 0
    benchmark_rows: int = 0
    leaks: list[Leak] = field(default_factory=list)

    @property
    def faults(self) -> list[Leak]:
        return [leak for leak in self.leaks if leak.is_fault]

    @property
    def listed(self) -> list[Leak]:
        """Those that are worth a look and no fault."""
        return [leak for leak in self.leaks if not leak.is_fault]

    @property
    def leaking(self) -> set[str]:
        """Places of the training data's questions with a fault."""
        return {leak.train_place for leak in self.faults}


def find_leaks(train: Sequence[Path], against: Sequence[Path], embedder: Embedder) -> LeakReport:
    """Compare every question of the training data with every one of the benchmarks; InputError where a row can't be read."""
    benchmark = Benchmark([question for path in against for question in read_questions(path)], embedder)
    report = LeakReport(
        tuple(path.name for path in train),
        tuple(path.name for path in against),
        embedder.id,
        benchmark_rows=len(benchmark.questions),
    )
    for path in train:
        for block in in_blocks(read_questions(path), _BLOCK):
            report.train_rows += len(block)
            report.leaks += benchmark.leaks_of(block)
    return report


class Benchmark:
    """The questions that must not be trained on, indexed."""

    def __init__(self, questions: Sequence[Question], embedder: Embedder) -> None:
        self.questions = questions
        self._embedder = embedder
        self._vectors = encoded([question.view for question in questions], embedder)
        self._by_id = _positions((name, n) for n, question in enumerate(questions) for name in question.ids)
        self._by_text = _positions((_key(question.asked), n) for n, question in enumerate(questions))
        self._by_criterion = _positions(
            (_key(text), n) for n, question in enumerate(questions) for text in set(question.criteria)
        )
        self._runs = RunIndex(runs(words(question.said)) for question in questions)

    def leaks_of(self, questions: Sequence[Question]) -> Iterator[Leak]:
        """Yield the leaks of some questions, in their order, of each the worst."""
        vectors = encoded([question.view for question in questions], self._embedder)
        near: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for row, position, cosine in near_pairs(vectors, self._vectors, LISTED_LIKENESS):
            near[row].append((position, cosine))
        for row, question in enumerate(questions):
            found = [*self._by_words(question), *(self._alike(question, *match) for match in near[row])]
            worst: dict[int, Leak] = {}
            for position, leak in found:
                if position not in worst or _rank(leak) > _rank(worst[position]):
                    worst[position] = leak
            yield from sorted(worst.values(), key=_rank, reverse=True)[:MOST_PER_QUESTION]

    def _by_words(self, question: Question) -> Iterator[tuple[int, Leak]]:
        for position in {n for name in question.ids for n in self._by_id.get(name, ())}:
            yield position, self._leak(question, position, "id", 1.0, is_fault=True)
        for position in self._by_text.get(_key(question.asked), ()):
            is_fault = len(words(question.asked)) >= LEAST_WORDS
            yield position, self._leak(question, position, "same text", 1.0, is_fault=is_fault)
        for position, share in self._runs.shares(runs(words(question.said)), LISTED_SHARE):
            yield position, self._leak(question, position, "shared runs", share, is_fault=share >= FAULT_SHARE)
        copied: dict[int, int] = defaultdict(int)
        for text in set(question.criteria):
            for position in self._by_criterion.get(_key(text), ()) if len(words(text)) >= LEAST_CRITERION_WORDS else ():
                copied[position] += 1
        for position, count in copied.items():
            yield position, self._leak(question, position, "same criterion", float(count), is_fault=True)

    def _alike(self, question: Question, position: int, cosine: float) -> tuple[int, Leak]:
        return position, self._leak(question, position, "likeness", cosine, is_fault=cosine >= FAULT_LIKENESS)

    def _leak(self, question: Question, position: int, how: How, value: float, *, is_fault: bool) -> Leak:
        other = self.questions[position]
        return Leak(question.name, question.place, other.name, other.place, how, round(value, 4), is_fault)


def _rank(leak: Leak) -> tuple[bool, int, float]:
    return leak.is_fault, _GRAVITY[leak.how], leak.value


def _key(text: str) -> str:
    return " ".join(words(text))


def _positions(pairs: Iterator[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for key, position in pairs:
        found[key].append(position)
    return dict(found)
