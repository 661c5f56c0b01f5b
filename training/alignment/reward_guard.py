"""What stands between TRL and the reward: keeps the gold scores, which TRL only averages, and says when the judge is waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from training.alignment.disagreement import Compared, Disagreement
from training.alignment.watched_judge import WatchedJudge

RewardFunction = Callable[..., list[float | None]]
GoldScore = tuple[str, float | None]
"""Of one completion: its question, and its score if it has one."""
Found = TypeVar("Found")


class RewardGuard:
    """A TRL reward function around ours."""

    __name__ = "rubric_reward"
    """TRL names the metric by it."""

    def __init__(
        self,
        reward: RewardFunction,
        *,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        watched: WatchedJudge | None = None,
    ) -> None:
        """`watched`: what the reward asks for the verdicts of its own judge on held-out answers."""
        self._reward = reward
        self._waiting = waiting
        self._watched = watched
        self._gold_scores: list[GoldScore] = []
        self._compared: list[tuple[str, Compared | None]] = []

    def __call__(self, prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        """Return the rewards as they are."""
        with self._waiting():
            rewards = self._reward(prompts, completions, completion_ids, **columns)
        for question, split, reward in zip(columns["id"], columns["split"], rewards, strict=True):
            if split == "gold":
                self._gold_scores.append((question, reward))
        if self._watched and (compared := self._watched.take()):
            self._compared += zip(columns["id"], compared, strict=True)
        return rewards

    def begin_judgement(self) -> None:
        """Forget the scores of the last one."""
        self._gold_scores.clear()
        self._compared.clear()

    def gold_scores(self, *, generations: int) -> list[GoldScore]:
        """Return the scores of all processes, each question as often as it was to be asked.

        Where the questions don't come out even among the processes, accelerate asks the first ones again.
        """
        return _once(_gathered(self._gold_scores), generations)

    def disagreement(self, *, generations: int) -> Disagreement | None:
        """Return how the reward's judge and the gold judge differ on the answers of all processes; None where nobody compares."""
        if self._watched is None:
            return None
        return self._watched.summary(_once(_gathered(self._compared), generations))


def _once(answers: Iterable[tuple[str, Found]], generations: int) -> list[tuple[str, Found]]:
    """Return the first answers to each question, as many as there were to be."""
    seen: Counter[str] = Counter()
    kept: list[tuple[str, Found]] = []
    for question, found in answers:
        seen[question] += 1
        if seen[question] <= generations:
            kept.append((question, found))
    return kept


def _gathered(mine: list[tuple[str, Found]]) -> list[tuple[str, Found]]:
    from accelerate.utils import gather_object

    everybodys: list[tuple[str, Found]] = gather_object(mine)
    return everybodys
