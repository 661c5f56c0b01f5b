"""Exact search over a library in memory: scenario × meaning, narrowed by each principle's own condition, with diversity.

Pure arithmetic on given vectors; keeping the vectors is `store.py`'s job. At 119 principles a search takes a fraction of a
millisecond, where a Chroma query costs more and may be stale (docs/adr/0002-exact-search.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

from principles_store.closeness import Floats, Rows, ScenarioTable
from principles_store.embedding import Vectors
from principles_store.library import Library
from principles_store.principle import DIMENSION_OF, Principle

Kind = Literal["situation", "criterion", "meets", "breaks"]

DEFAULT_K = 8
MIN_SCENARIO_WEIGHT = 0.3
"""A principle is left out when its scenario values are less likely than this in any of its dimensions."""
MIN_SIMILARITY = 0.40
"""Of the conversation to the nearest situation, for a principle without a topic."""
MIN_TOPIC_SIMILARITY = 0.22
"""The same where the user's words also match the principle's topic."""
TOPIC_BONUS = 0.15
MIN_NEAR_SCORE = 0.35
"""Similarity × scenario weight of a principle that is brought up though its condition doesn't hold; below, it is noise."""
MIN_MISTAKE_SIMILARITY = 0.75
"""Of a draft's sentence to an exemplar of the mistake that a penalty names."""
DIVERSITY = 0.3
"""Weight of likeness to what is already chosen (maximal marginal relevance, Carbonell & Goldstein 1998)."""
TELLING = 3
"""Characters of a match that say something; a topic made of lookaheads matches fewer."""
POOL = 96
"""Nearest principles whose regular expressions are tried; bounds their cost in a large library."""
CHOICE = 3
"""Times `k` principles that apply are enough to choose from."""


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


@dataclass(frozen=True)
class _Closeness:
    """How near a query comes to the library, computed once per search."""

    weights: Floats
    """Probability of each principle's scenario, shape (P,)."""
    situation_rows: Floats
    situations: Floats
    """Similarity to each situation, and the highest per principle, shape (P,)."""
    mistake_rows: Floats
    mistakes: Floats
    """The same of the draft to the mistakes that penalties name."""


@dataclass(frozen=True)
class _Fired:
    """A principle that is brought up."""

    position: int
    score: float
    topic: str | None
    """The user's words that match its topic."""
    applies: bool = True
    """False: it is only near."""


class Index:
    """A library with the vectors of its texts; never changes, so threads may share it."""

    def __init__(self, library: Library, records: Sequence[Record], vectors: Vectors) -> None:
        """Take `library_records(library)` and one unit row for each, shape (len(records), D)."""
        self.library = library
        self._records, self._vectors = tuple(records), vectors
        penalties = {(p.id, number) for p in library for number, c in enumerate(p.criteria) if c.points < 0}
        self._situations = self._rows([record.kind == "situation" for record in records])
        self._mistakes = self._rows(
            [r.kind == "breaks" and (r.principle_id, r.criterion) in penalties for r in records]
        )
        self._centres = self._situations.centres()
        self._scenarios = ScenarioTable(library)
        self._conditions = [
            tuple(re.compile(p, re.IGNORECASE) if p else None for p in (w.topic, w.unless))
            for w in (principle.applies_when for principle in library)
        ]
        has_topic = np.array([topic is not None for topic, _ in self._conditions])
        self._bonus = np.where(has_topic, TOPIC_BONUS, 0).astype(np.float32)
        self._least = np.where(has_topic, MIN_TOPIC_SIMILARITY, MIN_SIMILARITY).astype(np.float32)

    def _rows(self, wanted: list[bool]) -> Rows:
        positions = {principle.id: position for position, principle in enumerate(self.library)}
        numbers = np.flatnonzero(wanted)
        texts = [self._records[n].text for n in numbers]
        owners = [positions[self._records[n].principle_id] for n in numbers]
        return Rows(texts, owners, self._vectors[numbers], len(self.library))

    def vectors_of(self, *kinds: Kind) -> tuple[list[Record], Vectors]:
        """Return the records of some kinds with their vectors, in library order."""
        numbers = [number for number, record in enumerate(self._records) if record.kind in kinds]
        return [self._records[number] for number in numbers], self._vectors[numbers]

    def search(self, query: Query, k: int = DEFAULT_K, *, wide: bool = False) -> list[Retrieved]:
        """Return at most `k` principles that apply to the conversation, best first, each with its reasons.

        `wide`: where fewer than `k` apply, those that are nearest in meaning follow, for whoever can tell which are right.
        """
        close = self._closeness(query)
        fired = list(islice(self._fire(query, close, POOL), CHOICE * k))
        positions = [item.position for item in fired]
        chosen = [fired[number] for number in _diverse([item.score for item in fired], self._centres[positions], k)]
        if wide and len(chosen) < k:
            chosen += islice(self._near(close, {item.position for item in chosen}), k - len(chosen))
        return [self._retrieved(query, close, item) for item in chosen]

    def firing(self, query: Query) -> list[str]:
        """Return the ids of all principles whose condition holds, before the best `k` are picked."""
        fired = self._fire(query, self._closeness(query), len(self.library))
        return [self.library.principles[item.position].id for item in fired]

    def _closeness(self, query: Query) -> _Closeness:
        situations = self._situations.products(query.vectors)
        mistakes = self._mistakes.products(query.draft_vectors)
        return _Closeness(
            weights=self._scenarios.weights(query.scenario),
            situation_rows=situations,
            situations=self._situations.best(situations),
            mistake_rows=mistakes,
            mistakes=self._mistakes.best(mistakes),
        )

    def _fire(self, query: Query, close: _Closeness, pool: int) -> Iterator[_Fired]:
        """Yield the principles that apply, best first; words are matched for the `pool` nearest, and only when asked for."""
        by_mistake = close.mistakes >= MIN_MISTAKE_SIMILARITY
        strength = np.where(by_mistake, np.maximum(close.situations, close.mistakes), close.situations)
        scores = strength * close.weights + self._bonus
        possible = (close.weights >= MIN_SCENARIO_WEIGHT) & (by_mistake | (close.situations >= self._least))
        near = np.flatnonzero(possible)
        order = near[np.argsort(-scores[near], kind="stable")][:pool]
        for position, score in zip(order.tolist(), scores[order].tolist(), strict=True):
            topic, unless = self._conditions[position]
            match = topic.search(query.user_text) if topic else None
            if (topic and not match) or (unless and unless.search(query.user_text)):
                continue
            yield _Fired(position, score, match.group() if match else None)

    def _near(self, close: _Closeness, taken: set[int]) -> Iterator[_Fired]:
        """Yield the other principles whose scenario isn't ruled out, nearest first; their words needn't match."""
        scores = close.situations * close.weights
        for position in np.argsort(-scores, kind="stable").tolist():
            if scores[position] < MIN_NEAR_SCORE:
                return
            if position not in taken:
                yield _Fired(position, float(scores[position]), None, applies=False)

    def _retrieved(self, query: Query, close: _Closeness, fired: _Fired) -> Retrieved:
        principle = self.library.principles[fired.position]
        likeness, mistake = float(close.situations[fired.position]), float(close.mistakes[fired.position])
        chosen = [value for value in principle.scenarios if query.scenario.get(value, 0.0) >= 1]
        why = [f"{DIMENSION_OF[value].replace('_', ' ')}: {value}" for value in chosen]
        if fired.topic and len(fired.topic.strip()) >= TELLING:
            why.append(f"the question says {fired.topic!r}")
        if likeness >= MIN_TOPIC_SIMILARITY:
            why.append(f"like {self._situations.nearest(close.situation_rows, fired.position)!r} ({likeness:.2f})")
        if mistake >= MIN_MISTAKE_SIMILARITY:
            nearest = self._mistakes.nearest(close.mistake_rows, fired.position)
            why.append(f"the draft is like {nearest!r} ({mistake:.2f})")
        if not fired.applies:
            why.append("near, though its own condition doesn't hold")
        return Retrieved(principle, round(fired.score, 4), tuple(why))


def _diverse(scores: Sequence[float], centres: Floats, k: int) -> list[int]:
    """Return up to `k` positions by maximal marginal relevance, the first being the best score's."""
    likeness = centres @ centres.T
    penalty = np.zeros(len(scores), dtype=np.float32)
    open_scores = np.array(scores, dtype=np.float32)
    chosen: list[int] = []
    for _ in range(min(k, len(scores))):
        best = int((open_scores - DIVERSITY * penalty).argmax())
        chosen.append(best)
        open_scores[best] = -np.inf
        np.maximum(penalty, likeness[best], out=penalty)
    return chosen
