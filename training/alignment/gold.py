"""The gold judge's record of a run: which checkpoint is best, when to stop, and when the policy learns its judge only.

Pure bookkeeping: what it knows follows from the judgements in their order, so that a resumed run reads them from gold.jsonl
and goes on as if it had never been killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from agent.errors import InputError
from training.alignment.disagreement import Disagreement
from training.alignment.drift import drift_warnings

GOLD_FILE = "gold.jsonl"
MIN_COVERAGE = 0.8
"""Share of the held-out completions that must have a score, else a judgement chooses nothing: it is of other questions."""
WINDOW = 4
"""Judgements over which a reward that climbs while gold falls is told."""


@dataclass(frozen=True, slots=True)
class GoldPoint:
    """One judgement of the held-out questions."""

    step: int
    gold: float | None
    """Mean over the questions that have a score; None: there is none."""
    reward: float | None
    """Mean training reward of the steps since the last judgement."""
    coverage: float
    """Share of the completions that have a score."""
    n: int
    """Questions that have a score."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """By question."""
    disagreement: Disagreement | None = None
    """Of the reward's judge and the gold judge; None where nobody compares them."""

    def gains_over(self, earlier: GoldPoint) -> dict[str, float]:
        """Return by question the gain over another judgement, of those that both have a score of."""
        return {name: score - earlier.scores[name] for name, score in self.scores.items() if name in earlier.scores}

    @property
    def counts(self) -> bool:
        """Tell whether it may choose a checkpoint."""
        return self.gold is not None and self.coverage >= MIN_COVERAGE


def judged(
    step: int,
    scores: Iterable[tuple[str, float | None]],
    *,
    reward: float | None,
    disagreement: Disagreement | None = None,
) -> GoldPoint:
    """Return the judgement that the scores of completions, by question, make; None: without a score."""
    of_question: dict[str, list[float]] = {}
    asked = known = 0
    for question, score in scores:
        asked += 1
        if score is not None:
            known += 1
            of_question.setdefault(question, []).append(score)
    means = {question: fmean(found) for question, found in sorted(of_question.items())}
    gold = fmean(means.values()) if means else None
    return GoldPoint(step, gold, reward, known / asked if asked else 0.0, len(means), means, disagreement)


class GoldWatch:
    """The judgements of a run in their order, and what follows from them."""

    def __init__(self, *, patience: int | None = None, min_gain: float = 0.0) -> None:
        self._patience = patience
        self._min_gain = min_gain
        self._since_best = 0
        self.points: list[GoldPoint] = []
        self.best: GoldPoint | None = None
        """The judgement that no later one exceeds by more than `min_gain` on the questions of both; None: none counts."""
        self.warnings: list[str] = []

    def add(self, point: GoldPoint) -> None:
        """Take the next judgement; one that doesn't count is kept and decides nothing."""
        self.points.append(point)
        self._decide(point)
        if warning := self._warning():
            self.warnings.append(warning)
        if point.counts and point.disagreement:
            course = [one.disagreement for one in self.points if one.counts and one.disagreement]
            self.warnings += [f"step {point.step}: {told}" for told in drift_warnings(course)]

    def _decide(self, point: GoldPoint) -> None:
        if not point.counts:
            return
        if self.best is None or _gain(self.best, point) > self._min_gain:
            self.best = point
            self._since_best = 0
        else:
            self._since_best += 1

    @property
    def should_stop(self) -> bool:
        """Tell whether patience is at its end."""
        return self._patience is not None and self._since_best >= self._patience

    def _warning(self) -> str | None:
        """Return what is wrong with the latest judgement, if anything.

        A reward that climbs while gold falls: over the last WINDOW judgements that count, the training reward is higher at
        the end than at the beginning, and the gold score is lower by more than one standard error of the paired difference.
        """
        last = self.points[-1]
        if not last.counts:
            return f"step {last.step}: the gold judge gave {last.coverage:.0%} of the scores; this judgement chooses nothing"
        window = [point for point in self.points if point.counts and point.reward is not None][-WINDOW:]
        if len(window) < WINDOW or not _climbs_while_gold_falls(window[0], last):
            return None
        return (
            f"the training reward climbed from {window[0].reward:.3f} (step {window[0].step}) to {last.reward:.3f} "
            f"(step {last.step}) while gold fell from {window[0].gold:.3f} to {last.gold:.3f}: the policy may be learning its "
            "judge; use a checkpoint from before, a stricter reward (veto, length), or a better judge"
        )


def _climbs_while_gold_falls(first: GoldPoint, last: GoldPoint) -> bool:
    if first.reward is None or last.reward is None or last.reward <= first.reward:
        return False
    gains = list(last.gains_over(first).values())
    return len(gains) > 1 and -fmean(gains) > stdev(gains) / sqrt(len(gains))


def _gain(earlier: GoldPoint, later: GoldPoint) -> float:
    """Return the mean gain over the questions that both have a score of: else who is never scored on hard ones would win."""
    return fmean(later.gains_over(earlier).values() or [0.0])


def best_of(points: Iterable[GoldPoint]) -> GoldPoint | None:
    """Return the judgement that a run without a least gain would choose of these; None: none counts."""
    watch = GoldWatch()
    for point in points:
        watch.add(point)
    return watch.best


def mean_reward(history: Iterable[Mapping[str, Any]], *, after: int) -> float | None:
    """Return the mean training reward of the logged steps after a step; None: no step has one."""
    found = [line["reward"] for line in history if line["step"] > after and line.get("reward") is not None]
    return fmean(found) if found else None


def append_point(folder: Path, point: GoldPoint) -> None:
    """Write a judgement to the run folder's record."""
    with (folder / GOLD_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(point)) + "\n")


def read_points(folder: Path) -> list[GoldPoint]:
    """Return the judgements in their order; a last line that a kill cut short is none. InputError for one that is no judgement."""
    path = folder / GOLD_FILE
    if not path.exists():
        return []
    points = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            break
        try:
            points.append(_point(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}: line {number} is no judgement: {error}; delete the file's lines from there on"
            ) from error
    return points


def _point(data: Any) -> GoldPoint:
    if compared := data.get("disagreement"):
        data["disagreement"] = Disagreement.from_dict(compared)
    return GoldPoint(**data)


def forget_points(folder: Path, *, after: int) -> None:
    """Drop the judgements after a step, which a resumed run makes again."""
    kept = [point for point in read_points(folder) if point.step <= after]
    beside = folder / f"{GOLD_FILE}.part"
    beside.write_text("".join(json.dumps(asdict(point)) + "\n" for point in kept), encoding="utf-8")
    beside.replace(folder / GOLD_FILE)
