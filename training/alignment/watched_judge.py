"""What the reward's own judge says of held-out answers that the gold judge has judged; only where asking it costs nothing.

That is a small judge, also the one that a cascade begins with, or the embedded one. A gold judge that holds the same one
can't be compared with it: it would always agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent.judge_spec import EMBEDDED, SMALL
from agent.small_judge.folder import JudgeFacts, read_judge_folder
from evals.grading.grader import Grader, open_graders, parts_of, small_judges_of
from training.alignment.config import AlignmentConfig
from training.alignment.disagreement import Compared, Disagreement, disagreement, filled
from training.alignment.formula import Met, gold_reward
from training.alignment.judging import Case, Outcome, Sheet, judge_all

if TYPE_CHECKING:
    from agent.config import Settings


@dataclass
class WatchedJudge:
    """The reward's judge, or its part that costs nothing, in one process."""

    grader: Grader
    min_known: float
    """Of the reward: share of a rubric's points that must have a verdict."""
    risk: float | None = None
    """Share of wrong verdicts that the small judge's bounds were chosen for."""
    is_part: bool = False
    """What it leaves open another judge says; the score then takes that from the gold judge."""
    _compared: list[Compared | None] = field(default_factory=list)

    def compare(
        self,
        cases: Sequence[Case],
        axes: Sequence[Sequence[str | None]],
        outcomes: Sequence[Outcome],
        *,
        within_s: float,
    ) -> None:
        """Judge the cases that gold has judged, and keep both verdicts until they are taken; `axes` of each case's criteria.

        What isn't there in time, or can't be had, is compared with nothing.
        """
        judged = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Sheet)]
        # One after the other, so that equal runs ask in equal batches.
        own, _ = judge_all(self.grader, [cases[number] for number in judged], concurrency=1, deadline_s=within_s)
        self._compared = [None] * len(cases)
        for number, mine in zip(judged, own, strict=True):
            gold = outcomes[number]
            if isinstance(mine, Sheet) and isinstance(gold, Sheet):
                self._compared[number] = self._of_answer(cases[number], tuple(axes[number]), mine.mets, gold.mets)

    def take(self) -> list[Compared | None]:
        """Return what was compared since this was called last, in the order of the cases."""
        taken, self._compared = self._compared, []
        return taken

    def summary(self, answers: Iterable[tuple[str, Compared | None]]) -> Disagreement | None:
        """Return how the judges differ on answers, each with its question."""
        return disagreement(answers, judge=self.grader.name, risk=self.risk)

    def _of_answer(
        self, case: Case, axes: tuple[str | None, ...], own: tuple[Met, ...], gold: tuple[Met, ...]
    ) -> Compared:
        points = tuple(criterion.points for criterion in case.rubric)

        def score(mets: Sequence[Met]) -> float | None:
            return gold_reward(points, mets, min_known=self.min_known).value

        return Compared(points, axes, own, gold, score(filled(own, gold) if self.is_part else own), score(gold))


def open_watched(config: AlignmentConfig, settings: Settings, own: Grader) -> WatchedJudge | None:
    """Return the part of the reward's judge that is compared with gold, None where none can be; `own`: the reward's judge, open."""
    spec = watched_part(config)
    if spec is None:
        return None
    is_part = len(parts_of([config.reward.judge])) > 1
    grader = open_graders([spec], settings) if is_part else own
    return WatchedJudge(grader, config.reward.min_known, _risk(spec), is_part)


def watched_part(config: AlignmentConfig) -> str | None:
    """Return the part of the reward's judge that costs nothing and that the gold judge is without; None: there is none."""
    free = free_part(config)
    return None if free is None or _holds(config.gold.judge or config.reward.judge, free) else free


def free_part(config: AlignmentConfig) -> str | None:
    """Return the part of the reward's judge that costs nothing to ask; None: it is a model alone."""
    first, *others = parts_of([config.reward.judge])
    return first if first.startswith(SMALL) or (first == EMBEDDED and not others) else None


def _holds(spec: str, free: str) -> bool:
    """Tell whether a judge is the free one, or a cascade that begins with it, wherever its folder lies."""
    if free == EMBEDDED:
        return EMBEDDED in parts_of([spec])
    return any(_facts(folder) == _facts(_folder(free)) for folder in small_judges_of([spec]))


def _risk(spec: str) -> float | None:
    return None if spec == EMBEDDED else _facts(_folder(spec)).calibration.risk


def _folder(spec: str) -> Path:
    (folder,) = small_judges_of([spec])
    return folder


def _facts(folder: Path) -> JudgeFacts:
    return read_judge_folder(folder).facts
