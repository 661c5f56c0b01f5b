"""Whether a criterion's statement holds for an answer, told by pattern, count or likeness to exemplars: no model that reads.

Three-valued: likeness between its thresholds is `unknown`. Thresholds are fitted on the library's own exemplars by
`python -m training.fit_detectors`. Likeness to the criterion's own text is not used: it tells nothing.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from agent.rubric import Verdict, VerdictValue
from agent.sentences import Sentence, count_words, split
from principles_store.embedding import Embedder, Vectors
from principles_store.principle import Detector, PrincipleCriterion, Where

THRESHOLDS = Path(__file__).parent / "thresholds.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Thresholds:
    """Where likeness becomes a verdict; cosines."""

    touches: float
    """At or above, to the nearest exemplar of either kind, a sentence is about the point."""
    lead: float
    """And it takes a side if its mean likeness to that side's exemplars leads by this much."""
    lean: float
    """If no sentence that touches the point leans this much to the holding side, the statement doesn't hold."""
    absent: float
    """If no sentence comes this near to any exemplar, the answer doesn't touch the point."""
    same_criterion: float
    """At or above, a foreign criterion means the same as one of the library."""


@lru_cache(maxsize=8)
def load_thresholds(embedder_id: str) -> Thresholds:
    """Return the fitted thresholds that ship with the project; warns if they were fitted with another embedder."""
    fitted = json.loads(THRESHOLDS.read_text(encoding="utf-8"))
    if fitted["embedder"] != embedder_id:
        logger.warning(
            "the critic's thresholds were fitted with %s, not %s: verdicts by meaning are less sure",
            fitted["embedder"],
            embedder_id,
        )
    return Thresholds(**fitted["thresholds"])


class AnswerView:
    """An answer with its sentences and, once asked for, their vectors."""

    def __init__(self, text: str, embedder: Embedder) -> None:
        self.text = text
        self.sentences = split(text)
        self._embedder = embedder

    @cached_property
    def vectors(self) -> Vectors:
        """Shape (sentences, D)."""
        return self._embedder.encode([sentence.plain for sentence in self.sentences])

    def rows(self, where: Where) -> range:
        """Return the positions of the sentences a detector looks at."""
        count = len(self.sentences)
        return {
            "anywhere": range(count),
            "first-two": range(min(2, count)),
            "last-two": range(max(0, count - 2), count),
        }[where]

    def measure(self, name: str) -> float:
        """Return a count over the whole answer; the names are those of `principle.Measure`."""
        sentences = self.sentences
        if name == "words":
            return count_words(self.text)
        if name == "sentences":
            return len(sentences)
        if name == "questions":
            return sum(sentence.plain.rstrip("\"')").endswith("?") for sentence in sentences)
        if name == "list-items":
            return sum(sentence.is_list_item for sentence in sentences)
        if name == "first-sentence-words":
            return count_words(sentences[0].plain) if sentences else 0
        return reading_grade(sentences)


@dataclass(frozen=True)
class Finding:
    """What one detector or a combination says, and the sentence it rests on."""

    value: VerdictValue
    sentence: Sentence | None = None
    reason: str = ""

    def verdict(self) -> Verdict:
        """Return it as a verdict with the evidence quoted."""
        return Verdict(self.value, self.sentence.plain if self.sentence else "", self.reason)


@dataclass(frozen=True)
class CriterionDetector:
    """One criterion of the library, ready to be looked for."""

    criterion: PrincipleCriterion
    holding: Vectors
    """Exemplars for which the statement holds: `meets`, or for a penalty `breaks`; shape (N, D)."""
    opposite: Vectors
    """The other exemplars, shape (M, D)."""

    def find(self, view: AnswerView, thresholds: Thresholds) -> Finding:
        """Tell whether the statement holds for the answer."""
        detection = self.criterion.detect
        if detection is None:
            return Finding("unknown", reason="no detector: only a model can judge this")
        findings = [self._look(detector, view, thresholds) for detector in detection.detectors]
        first, second = ("met", "unmet") if detection.any else ("unmet", "met")
        for wanted in (first, "unknown", second):
            chosen = [finding for finding in findings if finding.value == wanted]
            if chosen:
                return next((finding for finding in chosen if finding.sentence), chosen[0])
        raise AssertionError("a detection has at least one detector")

    def all_sentences(self, view: AnswerView) -> list[Sentence]:
        """Return every sentence that a pattern of this criterion catches, in order."""
        detectors = self.criterion.detect.detectors if self.criterion.detect else ()
        found = {
            row
            for detector in detectors
            if detector.pattern
            for row in view.rows(detector.where)
            if _compiled(detector.pattern).search(view.sentences[row].plain)
        }
        return [view.sentences[row] for row in sorted(found)]

    def _look(self, detector: Detector, view: AnswerView, thresholds: Thresholds) -> Finding:
        if detector.pattern:
            return _look_for_pattern(detector, view)
        if detector.measure:
            return _look_at_measure(detector, view)
        return self._look_for_meaning(detector, view, thresholds)

    def _look_for_meaning(self, detector: Detector, view: AnswerView, thresholds: Thresholds) -> Finding:
        rows = view.rows(detector.where)
        if not rows:
            return Finding("unmet", reason="the answer has no sentence there")
        vectors = view.vectors[rows.start : rows.stop]
        nearest = np.maximum((vectors @ self.holding.T).max(axis=1), (vectors @ self.opposite.T).max(axis=1))
        lead = vectors @ (self.holding.mean(axis=0) - self.opposite.mean(axis=0))
        touching = nearest >= thresholds.touches
        best, worst = int(np.where(touching, lead, -1).argmax()), int(np.where(touching, lead, 1).argmin())
        if touching[best] and lead[best] >= thresholds.lead:
            return Finding(
                "met", view.sentences[rows.start + best], f"reads like its exemplars (lead {lead[best]:.2f})"
            )
        if touching[worst] and lead[worst] <= -thresholds.lead:
            sentence = view.sentences[rows.start + worst]
            return Finding("unmet", sentence, f"reads like the opposite exemplars (lead {-lead[worst]:.2f})")
        if nearest.max() < thresholds.absent:
            return Finding("unmet", reason=f"no sentence touches it (nearest {nearest.max():.2f})")
        if touching.any() and lead[touching].max() < thresholds.lean:
            return Finding("unmet", view.sentences[rows.start + best], "touches it, but only from the other side")
        return Finding("unknown", reason=f"a sentence touches it but takes no clear side (nearest {nearest.max():.2f})")


def reading_grade(sentences: Sequence[Sentence]) -> float:
    """Return the US school grade of a text (Kincaid et al. 1975), syllables being estimated from groups of vowels."""
    words = [word for sentence in sentences for word in re.findall(r"[^\W\d_]+", sentence.plain)]
    if not words:
        return 0.0
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e$", "", word.lower())))) for word in words)
    return 0.39 * len(words) / len(sentences) + 11.8 * syllables / len(words) - 15.59


def _look_for_pattern(detector: Detector, view: AnswerView) -> Finding:
    pattern = _compiled(detector.pattern or "")
    for row in view.rows(detector.where):
        if match := pattern.search(view.sentences[row].plain):
            return Finding("met", view.sentences[row], f"says {match.group()!r}")
    return Finding("unmet", reason="no sentence has the wording looked for")


def _look_at_measure(detector: Detector, view: AnswerView) -> Finding:
    amount = view.measure(detector.measure or "words")
    inside = (detector.min is None or amount >= detector.min) and (detector.max is None or amount <= detector.max)
    bounds = " and ".join(
        f"{name} {limit:g}"
        for name, limit in (("at least", detector.min), ("at most", detector.max))
        if limit is not None
    )
    return Finding("met" if inside else "unmet", reason=f"{detector.measure}: {amount:.0f} ({bounds} looked for)")


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
