"""Exact search over a library in memory: scenario × meaning, narrowed by each principle's own condition, with diversity.

Pure arithmetic on given vectors; keeping the vectors is `store.py`'s job. At 119 principles a search takes a fraction of a
millisecond, where a Chroma query costs more and may be stale (docs/adr/0002-exact-search.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from principles_store.embedding import Vectors
from principles_store.library import Library
from principles_store.principle import SCENARIO_VALUES, Principle

Kind = Literal["situation", "criterion", "meets", "breaks"]
Floats = npt.NDArray[np.float32]

DEFAULT_K = 8
MIN_SCENARIO_WEIGHT = 0.3
"""A principle is left out when its scenario values are less likely than this in any of its dimensions."""
MIN_SIMILARITY = 0.40
"""Of the conversation to the nearest situation, for a principle without a topic."""
MIN_TOPIC_SIMILARITY = 0.22
"""The same where the user's words also match the principle's topic."""
TOPIC_BONUS = 0.15
MIN_MISTAKE_SIMILARITY = 0.75
"""Of a draft's sentence to an exemplar of the mistake that a penalty names."""
DIVERSITY = 0.3
"""Weight of likeness to what is already chosen (maximal marginal relevance, Carbonell & Goldstein 1998)."""
POOL = 96
"""Principles looked at closely; bounds the cost of regular expressions in a large library."""


@dataclass(frozen=True)
class Record:
    """One text of the library that has a vector."""

    id: str
    principle_id: str
    kind: Kind
    criterion: int
    """Position of the criterion within its principle; -1 for situations."""
    text: str


@dataclass(frozen=True)
class Query:
    """What to search for: a conversation, and the draft answer if there is one."""

    vectors: Vectors
    """Of the last user turn and, in a longer conversation, of all user turns; shape (1 or 2, D)."""
    user_text: str
    """All user turns; topics are matched on it."""
    scenario: Mapping[str, float]
    """Probability of each scenario value; a missing value counts as certain."""
    draft_vectors: Vectors | None = None
    """Of the draft's sentences, shape (N, D)."""


@dataclass(frozen=True)
class Retrieved:
    """A principle, how strongly it applies (0..1.15), and why it was brought up."""

    principle: Principle
    score: float
    why: tuple[str, ...]


def library_records(library: Library) -> list[Record]:
    """Return every text of the library that is compared by meaning, in library order."""
    records: list[Record] = []
    for principle in library:
        texts: list[tuple[Kind, int, str]] = [("situation", -1, text) for text in principle.applies_when.situations]
        for position, criterion in enumerate(principle.criteria):
            texts += [("criterion", position, text) for text in (criterion.text, criterion.paraphrase)]
            texts += [("meets", position, text) for text in criterion.meets]
            texts += [("breaks", position, text) for text in criterion.breaks]
        records += [
            Record(f"{principle.id}/{kind}/{criterion}/{number}", principle.id, kind, criterion, text)
            for number, (kind, criterion, text) in enumerate(texts)
        ]
    return records


class _Rows:
    """Vectors of one kind in library order, for a maximum per principle."""

    def __init__(self, records: Sequence[Record], vectors: Vectors, positions: Mapping[str, int]) -> None:
        self._texts = [record.text for record in records]
        self._vectors = vectors
        self._owners = np.array([positions[record.principle_id] for record in records], dtype=np.int64)
        self._starts = np.flatnonzero(np.diff(self._owners, prepend=-1))
        self._count = len(positions)

    def products(self, queries: Vectors | None) -> Floats:
        """Return each row's similarity to the nearest query, shape (rows,); zeros without a query."""
        if queries is None or not len(queries):
            return np.zeros(len(self._texts), dtype=np.float32)
        products: Floats = self._vectors @ queries.T
        return products[:, 0] if len(queries) == 1 else products.max(axis=1)

    def best(self, products: Floats) -> Floats:
        """Return the highest product per principle, shape (principles,); 0 for a principle without rows."""
        best = np.zeros(self._count, dtype=np.float32)
        if len(products):
            best[self._owners[self._starts]] = np.maximum.reduceat(products, self._starts)
        return best

    def nearest(self, products: Floats, position: int) -> str:
        """Return the text with the highest product among those of the principle at `position`."""
        start, end = np.searchsorted(self._owners, [position, position + 1])
        return self._texts[int(start) + int(products[start:end].argmax())]


class Index:
    """A library with the vectors of its texts; never changes, so threads may share it."""

    def __init__(self, library: Library, records: Sequence[Record], vectors: Vectors) -> None:
        """`vectors` holds one unit row per record, shape (len(records), D)."""
        self.library = library
        self._records, self._vectors = tuple(records), vectors
        self._positions = {principle.id: position for position, principle in enumerate(library)}
        penalties = {
            (principle.id, number)
            for principle in library
            for number, criterion in enumerate(principle.criteria)
            if criterion.points < 0
        }
        situations = [n for n, record in enumerate(records) if record.kind == "situation"]
        mistakes = [
            n for n, r in enumerate(records) if r.kind == "breaks" and (r.principle_id, r.criterion) in penalties
        ]
        self._situations = self._rows(situations)
        self._mistakes = self._rows(mistakes)
        self._allowed = _allowed_values(library)
        self._conditions = [
            tuple(re.compile(p, re.IGNORECASE) if p else None for p in (w.topic, w.unless))
            for w in (principle.applies_when for principle in library)
        ]
        owners = np.array([self._positions[records[n].principle_id] for n in situations])
        sums = np.add.reduceat(vectors[situations], np.flatnonzero(np.diff(owners, prepend=-1)), axis=0)
        self._centres: Floats = sums / np.linalg.norm(sums, axis=1, keepdims=True)

    def _rows(self, numbers: list[int]) -> _Rows:
        return _Rows([self._records[n] for n in numbers], self._vectors[numbers], self._positions)

    def vectors_of(self, *kinds: Kind) -> tuple[list[Record], Vectors]:
        """Return the records of some kinds with their vectors, in library order."""
        numbers = [number for number, record in enumerate(self._records) if record.kind in kinds]
        return [self._records[number] for number in numbers], self._vectors[numbers]

    def search(self, query: Query, k: int = DEFAULT_K) -> list[Retrieved]:
        """Return at most `k` principles that apply to the conversation, best first, each with its reasons."""
        found = self._fire(query)
        positions = np.array([position for position, _ in found], dtype=np.int64)
        scores = np.array([score for _, score in found], dtype=np.float32)
        chosen = _diverse(scores, self._centres[positions], k) if found else []
        return self._explain(query, [found[number] for number in chosen])

    def firing(self, query: Query) -> list[str]:
        """Return the ids of all principles whose condition holds, before the best `k` are picked."""
        return [self.library.principles[position].id for position, _ in self._fire(query)]

    def _fire(self, query: Query) -> list[tuple[int, float]]:
        """Return (position, score) of every principle that applies, best first."""
        weights = self._scenario_weights(query.scenario)
        likeness = self._situations.best(self._situations.products(query.vectors))
        mistake = self._mistakes.best(self._mistakes.products(query.draft_vectors))
        by_mistake = mistake >= MIN_MISTAKE_SIMILARITY
        strength = np.where(by_mistake, np.maximum(likeness, mistake), likeness) * weights
        possible = (weights >= MIN_SCENARIO_WEIGHT) & (by_mistake | (likeness >= MIN_TOPIC_SIMILARITY))
        pool = np.flatnonzero(possible)
        if len(pool) > POOL:
            pool = pool[np.argpartition(-strength[pool], POOL)[:POOL]]
        found: list[tuple[int, float]] = []
        for position in pool.tolist():
            topic, unless = self._conditions[position]
            if topic is None and not by_mistake[position] and likeness[position] < MIN_SIMILARITY:
                continue
            if (topic and not topic.search(query.user_text)) or (unless and unless.search(query.user_text)):
                continue
            found.append((position, float(strength[position]) + (TOPIC_BONUS if topic else 0.0)))
        return sorted(found, key=lambda item: (-item[1], item[0]))

    def _scenario_weights(self, scenario: Mapping[str, float]) -> Floats:
        """Return per principle the probability of its scenario values in its least likely dimension, shape (P,)."""
        weights = np.ones(len(self.library), dtype=np.float32)
        for values, allowed in self._allowed:
            probabilities = np.array([scenario.get(value, 1.0) for value in values], dtype=np.float32)
            np.minimum(weights, allowed @ probabilities, out=weights)
        return np.minimum(weights, 1.0)

    def _explain(self, query: Query, chosen: Sequence[tuple[int, float]]) -> list[Retrieved]:
        near = self._situations.products(query.vectors)
        mistakes = self._mistakes.products(query.draft_vectors)
        likeness, mistake = self._situations.best(near), self._mistakes.best(mistakes)
        retrieved = []
        for position, score in chosen:
            principle = self.library.principles[position]
            why = [f"the scenario is {value}" for value in principle.scenarios if query.scenario.get(value, 0.0) >= 0.5]
            topic = self._conditions[position][0]
            if topic and (match := topic.search(query.user_text)):
                why.append(f"the question says {match.group()!r}")
            if likeness[position] >= MIN_TOPIC_SIMILARITY:
                why.append(f"like {self._situations.nearest(near, position)!r} ({likeness[position]:.2f})")
            if mistake[position] >= MIN_MISTAKE_SIMILARITY:
                why.append(
                    f"the draft is like {self._mistakes.nearest(mistakes, position)!r} ({mistake[position]:.2f})"
                )
            retrieved.append(Retrieved(principle, round(score, 4), tuple(why)))
        return retrieved


def _allowed_values(library: Library) -> list[tuple[tuple[str, ...], Floats]]:
    """Return per dimension its values and which principle allows which, shape (P, values); a silent one allows all once.

    A task type has two facets, so its values count as two dimensions here.
    """
    task = SCENARIO_VALUES["task_type"]
    facets = [values for name, values in SCENARIO_VALUES.items() if name != "task_type"]
    facets += [
        tuple(v for v in task if not v.startswith("setting-")),
        tuple(v for v in task if v.startswith("setting-")),
    ]
    tables = []
    for values in facets:
        table = np.zeros((len(library), len(values)), dtype=np.float32)
        for position, principle in enumerate(library):
            named = [value in principle.scenarios for value in values]
            table[position] = named if any(named) else 1.0
        tables.append((values, table))
    return tables


def _diverse(scores: Floats, centres: Floats, k: int) -> list[int]:
    """Return up to `k` positions by maximal marginal relevance, the first being the best score's."""
    likeness = centres @ centres.T
    penalty = np.zeros(len(scores), dtype=np.float32)
    open_scores = scores.copy()
    chosen: list[int] = []
    for _ in range(min(k, len(scores))):
        best = int((open_scores - DIVERSITY * penalty).argmax())
        chosen.append(best)
        open_scores[best] = -np.inf
        np.maximum(penalty, likeness[best], out=penalty)
    return chosen
