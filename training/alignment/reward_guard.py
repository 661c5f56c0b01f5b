"""What stands between TRL and the reward: keeps the gold scores, which TRL only averages, and says when the judge is waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

RewardFunction = Callable[..., list[float | None]]
GoldScore = tuple[str, float | None]
"""Of one completion: its question, and its score if it has one."""


class RewardGuard:
    """A TRL reward function around ours."""

    __name__ = "rubric_reward"
    """TRL names the metric by it."""

    def __init__(
        self, reward: RewardFunction, *, waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._reward = reward
        self._waiting = waiting
        self._gold_scores: list[GoldScore] = []

    def __call__(self, prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        """Return the rewards as they are."""
        with self._waiting():
            rewards = self._reward(prompts, completions, completion_ids, **columns)
        for question, split, reward in zip(columns["id"], columns["split"], rewards, strict=True):
            if split == "gold":
                self._gold_scores.append((question, reward))
        return rewards

    def begin_judgement(self) -> None:
        """Forget the scores of the last one."""
        self._gold_scores.clear()

    def gold_scores(self, *, generations: int) -> list[GoldScore]:
        """Return the scores of all processes, each question as often as it was to be asked.

        Where the questions don't come out even among the processes, accelerate asks the first ones again.
        """
        from accelerate.utils import gather_object

        seen: Counter[str] = Counter()
        kept: list[GoldScore] = []
        for question, score in gather_object(self._gold_scores):
            seen[question] += 1
            if seen[question] <= generations:
                kept.append((question, score))
        return kept
