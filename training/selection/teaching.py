"""Which questions teach a model by reinforcement: neither too easy nor too hard, answers that differ, and no question twice.

Only decides; reading is graded_questions.py's, writing selecting.py's. The bounds are ORBIT's (arXiv 2510.15859): questions with a
mean above 0.75 are dropped. A question whose answers all score the same gives a group of equal rewards, and no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pvariance
from typing import Literal

from agent.rubric import Score
from principles_store.embedding import Embedder
from training.selection.graded_questions import GradedQuestion
from training.selection.likeness import encoded, near_within

Reason = Literal[
    "too hard",
    "too easy",
    "answers all score the same",
    "fewer than two answers with verdicts",
    "no points to earn",
    "left open by unknown verdicts",
    "nearly the same question as another",
    "leaks from a benchmark",
]
_SAME = 1e-9
"""Of scores that differ by rounding only."""


@dataclass(frozen=True)
class Bounds:
    """What a question must be like."""

    min_mean: float = 0.05
    max_mean: float = 0.75
    min_variance: float = 0.0
    """More than this, of the answers' scores."""
    max_likeness: float = 0.95
    """Cosine of two questions, from which on one of them teaches nothing new."""
    keeps_penalties: bool = False
    """Whether penalties that no answer incurs stay: they cost a verdict each and guard against mistakes still to come."""


@dataclass(frozen=True)
class Teaching:
    """What the answers to one question say of it."""

    low: float
    """Mean score if every unknown verdict goes against the answer."""
    high: float
    variance: float
    """Of the answers all of whose verdicts are known; 0 for fewer than two."""


def teaching_of(scores: Sequence[Score]) -> Teaching:
    """Return mean and variance of some scores, at least one."""
    exact = [found.low for found in scores if found.exact is not None]
    variance = pvariance(exact) if len(exact) > 1 else 0.0
    return Teaching(fmean(found.low for found in scores), fmean(found.high for found in scores), variance)


def judged(question: GradedQuestion, bounds: Bounds) -> Reason | None:
    """Return why a question doesn't teach by itself, or None; unknown verdicts never decide that."""
    if not any(points > 0 for points in question.points):
        return "no points to earn"
    if len(question.scores) < 2:
        return "fewer than two answers with verdicts"
    found = teaching_of(question.scores)
    least, most = bounds.min_mean - _SAME, bounds.max_mean + _SAME
    if found.high < least:
        return "too hard"
    if found.low > most:
        return "too easy"
    is_inside = found.low >= least and found.high <= most
    if is_inside and _is_spread(question.scores, found.variance, bounds):
        return None
    is_open = any(each.exact is None for each in question.scores)
    return "left open by unknown verdicts" if is_open else "answers all score the same"


def telling(question: GradedQuestion, bounds: Bounds) -> list[bool]:
    """Tell of each criterion whether it stays: answers differ on it, or fewer than two verdicts on it are known.

    Where no criterion with points above 0 would stay, all of them do: else nothing could be earned.
    """
    stays = []
    for points, met, known in zip(question.points, question.met, question.known, strict=True):
        is_guard = bounds.keeps_penalties and points < 0 and met == 0
        stays.append(known < 2 or 0 < met < known or is_guard)
    if not any(stay and points > 0 for stay, points in zip(stays, question.points, strict=True)):
        stays = [stay or points > 0 for stay, points in zip(stays, question.points, strict=True)]
    return stays


def doubles(questions: Sequence[GradedQuestion], embedder: Embedder, least: float) -> dict[str, str]:
    """Return the id of each question that is nearly another one's, and that other's: of each such pair the one with less variance.

    The one with most variance is looked at first; where two have the same, the lower id.
    """
    order = sorted(questions, key=lambda question: (-teaching_of(question.scores).variance, question.id))
    near: dict[int, list[int]] = {}
    for first, second, _ in near_within(encoded([question.view for question in order], embedder), least):
        near.setdefault(second, []).append(first)
    dropped: dict[str, str] = {}
    for second in sorted(near):
        kept = [order[first].id for first in sorted(near[second]) if order[first].id not in dropped]
        if kept:
            dropped[order[second].id] = kept[0]
    return dropped


def _is_spread(scores: Sequence[Score], variance: float, bounds: Bounds) -> bool:
    """Tell whether the scores vary as they must, whatever the unknown verdicts are."""
    if variance > bounds.min_variance + _SAME:
        return True
    return bounds.min_variance == 0 and max(each.low for each in scores) > min(each.high for each in scores) + _SAME
