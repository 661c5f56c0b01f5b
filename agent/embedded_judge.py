"""The judge that needs no LLM: detectors for the library's own criteria, and for foreign criteria that mean the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from agent.detectors import AnswerView, CriterionDetector, Finding, Thresholds, load_thresholds
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict
from principles_store.conversation import Conversation, user_text
from principles_store.embedding import Embedder
from principles_store.index import Index
from principles_store.principle import Principle

Key = tuple[str, int]
"""Principle id and position of the criterion within it."""


class EmbeddedJudge:
    """Judges by detectors; deterministic, so blind by construction."""

    name = "embedded"

    def __init__(self, index: Index, embedder: Embedder, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or load_thresholds(embedder.id)
        self.embedder = embedder
        self._detectors = _detectors(index)
        self._by_text = {detector.criterion.text: key for key, detector in self._detectors.items()}
        records, self._criterion_vectors = index.vectors_of("criterion")
        self._criterion_keys = [(record.principle_id, record.criterion) for record in records]
        self._library = index.library

    def judge(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
    ) -> list[list[Verdict]]:
        keys = self.library_criteria(conversation, rubric)
        verdicts = []
        for answer in answers:
            view = AnswerView(answer, self.embedder)
            verdicts.append([self._verdict(key, view) for key in keys])
        return verdicts

    def detector(self, principle: Principle, position: int) -> CriterionDetector:
        """Return the detector of one criterion of the library."""
        return self._detectors[principle.id, position]

    def library_criteria(self, conversation: Conversation, rubric: Sequence[Criterion]) -> list[Key | None]:
        """Return the library's criterion that each one is, or means the same as; None where there is none.

        A foreign criterion is only compared with principles whose topic the user's words match, and with its own sign.
        """
        keys = [self._by_text.get(criterion.text) for criterion in rubric]
        foreign = [number for number, key in enumerate(keys) if key is None]
        if foreign:
            vectors = self.embedder.encode([rubric[number].text for number in foreign])
            allowed = self._on_topic(user_text(conversation))
            products = np.where(allowed, vectors @ self._criterion_vectors.T, -1.0)
            for number, row in zip(foreign, products, strict=True):
                best = int(row.argmax())
                key = self._criterion_keys[best]
                same_sign = (self._detectors[key].criterion.points > 0) == (rubric[number].points > 0)
                keys[number] = key if row[best] >= self.thresholds.same_criterion and same_sign else None
        return keys

    def _on_topic(self, text: str) -> npt.NDArray[np.bool_]:
        """Return per criterion text whether its principle's topic allows the user's words, shape (texts,)."""
        holds = {principle.id: is_on_topic(principle, text) for principle in self._library}
        return np.array([holds[name] for name, _ in self._criterion_keys])

    def _verdict(self, key: Key | None, view: AnswerView) -> Verdict:
        if key is None:
            return Finding("unknown", reason="no criterion of the library means the same").verdict()
        return self._detectors[key].find(view, self.thresholds).verdict()


def _detectors(index: Index) -> dict[Key, CriterionDetector]:
    records, vectors = index.vectors_of("meets", "breaks")
    rows: dict[tuple[str, int, str], list[int]] = {}
    for number, record in enumerate(records):
        rows.setdefault((record.principle_id, record.criterion, record.kind), []).append(number)
    detectors = {}
    for principle in index.library:
        for position, criterion in enumerate(principle.criteria):
            meets = vectors[rows.get((principle.id, position, "meets"), [])]
            breaks = vectors[rows.get((principle.id, position, "breaks"), [])]
            holding, opposite = (meets, breaks) if criterion.points > 0 else (breaks, meets)
            detectors[principle.id, position] = CriterionDetector(criterion, holding, opposite)
    return detectors


def is_on_topic(principle: Principle, user_words: str) -> bool:
    """Tell whether a principle's topic, if it has one, is what the user writes about."""
    topic, unless = principle.applies_when.topic, principle.applies_when.unless
    return (topic is None or bool(_compiled(topic).search(user_words))) and not (
        unless and _compiled(unless).search(user_words)
    )


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
