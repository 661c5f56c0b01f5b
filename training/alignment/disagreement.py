"""The reward's judge beside the gold judge: how their verdicts on the held-out answers differ, counted at each judgement.

Of a paid cascade it is the small judge alone that is looked at: asking the other one would cost as much as training does. Pure
arithmetic; who is asked is in watched_judge.py, when the policy has drifted to where that judge is wrong in drift.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Self

from evals.statistics import cohen_kappa
from training.alignment.formula import Met

WANTED, PENALTY = "wanted", "penalty"
"""Groups of criteria by the sign of their points; each is in one of them, and where it has an axis in "axis:…" too."""


@dataclass(slots=True)
class Cells:
    """Verdicts of the reward's judge by what the gold judge says; those that the gold judge leaves open are in none."""

    both_met: int = 0
    false_met: int = 0
    false_unmet: int = 0
    both_unmet: int = 0
    open: int = 0
    """The reward's judge leaves it open."""

    def add(self, own: Met, gold: bool) -> None:
        """Count a verdict of the reward's judge."""
        if own is None:
            self.open += 1
        elif own:
            self.both_met += gold
            self.false_met += not gold
        else:
            self.false_unmet += gold
            self.both_unmet += not gold

    def __add__(self, other: Cells) -> Cells:
        return Cells(*(getattr(self, name) + getattr(other, name) for name in Cells.__slots__))

    @property
    def known(self) -> int:
        """How many verdicts both have given."""
        return self.both_met + self.false_met + self.false_unmet + self.both_unmet

    @property
    def wrong(self) -> int:
        """How many of them differ."""
        return self.false_met + self.false_unmet

    @property
    def share(self) -> float | None:
        """Share that differ; None where there is nothing to compare."""
        return self.wrong / self.known if self.known else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of the two judges; None where it can't be had."""
        gold = [True] * (self.both_met + self.false_unmet) + [False] * (self.false_met + self.both_unmet)
        own = [True] * self.both_met + [False] * self.false_unmet + [True] * self.false_met + [False] * self.both_unmet
        return cohen_kappa(gold, own) if gold else None


@dataclass(frozen=True, slots=True)
class Compared:
    """One answer as both judges have it, criterion by criterion."""

    points: tuple[int, ...]
    axes: tuple[str | None, ...]
    own: tuple[Met, ...]
    gold: tuple[Met, ...]
    own_score: float | None
    """What the reward's judge makes of it: the plain score, as of the gold judge."""
    gold_score: float | None

    def verdicts(self) -> Iterator[tuple[int, str | None, Met, bool]]:
        """Yield points, axis and both verdicts of the criteria that the gold judge decides."""
        for size, axis, own, gold in zip(self.points, self.axes, self.own, self.gold, strict=True):
            if gold is not None:
                yield size, axis, own, gold


@dataclass(slots=True)
class OfQuestion:
    """What the comparison of two judgements rests on, question by question."""

    known: int = 0
    wrong: int = 0
    kind: int = 0
    """Of the wrong ones, those that pay: met of what is wanted, unmet of a penalty."""
    gap: float | None = None
    """Score by the reward's judge less that by the gold judge, mean over the answers that have both."""

    @property
    def kindness(self) -> float | None:
        """Share of the verdicts that are wrong and pay."""
        return self.kind / self.known if self.known else None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Of one judgement."""

    judge: str
    """Whose verdicts are looked at."""
    risk: float | None
    """Share of wrong verdicts that the small judge's bounds were chosen for; None: of no other judge is it known."""
    cells: Mapping[str, Cells]
    """By group of criteria."""
    questions: Mapping[str, OfQuestion]
    own_score: float | None
    """Mean over the questions with a score by both."""
    gold_score: float | None

    @property
    def whole(self) -> Cells:
        """All verdicts."""
        return self.cells[WANTED] + self.cells[PENALTY]

    def metrics(self) -> dict[str, float]:
        """Return what is logged, by name; no name where there is nothing to tell. Shares are of the verdicts that both gave."""
        whole = self.whole
        decided = whole.known + whole.open
        told = {
            "coverage": whole.known / decided if decided else None,
            "share": whole.share,
            "false_met": whole.false_met / whole.known if whole.known else None,
            "false_unmet": whole.false_unmet / whole.known if whole.known else None,
            "kind": self.mean("kindness"),
            "kappa": whole.kappa,
            "own_score": self.own_score,
            "gold_score": self.gold_score,
            "gap": self.mean("gap"),
            **{group: cells.share for group, cells in sorted(self.cells.items())},
        }
        return {f"disagreement/{name}": value for name, value in told.items() if value is not None}

    def mean(self, measure: str) -> float | None:
        """Return the mean of `kindness` or `gap` over the questions that have it."""
        return fmean(found) if (found := self.by_question(measure).values()) else None

    def by_question(self, measure: str) -> dict[str, float]:
        """Return `kindness` or `gap` of each question that has it."""
        found = {name: getattr(one, measure) for name, one in self.questions.items()}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `dataclasses.asdict` made an object of; raises KeyError or TypeError for anything else."""
        cells = {name: Cells(**one) for name, one in data["cells"].items()}
        questions = {name: OfQuestion(**one) for name, one in data["questions"].items()}
        return cls(**{**data, "cells": cells, "questions": questions})


@dataclass
class _Counted:
    cells: dict[str, Cells] = field(default_factory=lambda: {WANTED: Cells(), PENALTY: Cells()})
    questions: dict[str, OfQuestion] = field(default_factory=dict)
    scores: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, question: str, answer: Compared) -> None:
        of_question = self.questions.setdefault(question, OfQuestion())
        for size, axis, own, gold in answer.verdicts():
            for group in (WANTED if size > 0 else PENALTY, *([f"axis:{axis}"] if axis else [])):
                self.cells.setdefault(group, Cells()).add(own, gold)
            if own is not None:
                of_question.known += 1
                of_question.wrong += own is not gold
                of_question.kind += own is not gold and own is (size > 0)
        if answer.own_score is not None and answer.gold_score is not None:
            self.scores.setdefault(question, []).append((answer.own_score, answer.gold_score))


def disagreement(
    answers: Iterable[tuple[str, Compared | None]], *, judge: str, risk: float | None
) -> Disagreement | None:
    """Return how the judges differ on answers, each with its question; None where none was judged by both."""
    counted = _Counted()
    for question, answer in answers:
        if answer is not None:
            counted.add(question, answer)
    if not counted.questions:
        return None
    means = [tuple(map(fmean, zip(*pairs, strict=True))) for pairs in counted.scores.values()]
    for question, (own, gold) in zip(counted.scores, means, strict=True):
        counted.questions[question].gap = own - gold
    return Disagreement(
        judge,
        risk,
        counted.cells,
        counted.questions,
        fmean(own for own, _ in means) if means else None,
        fmean(gold for _, gold in means) if means else None,
    )


def filled(own: Sequence[Met], gold: Sequence[Met]) -> list[Met]:
    """Return the verdicts of a cascade whose other judge says what the gold judge says."""
    return [theirs if mine is None else mine for mine, theirs in zip(own, gold, strict=True)]
