"""The rubric judge as a TRL reward function: rewards that do not lie. docs/rewards.md has formula, failures and logs.

All completions of a step go past the judge at once (alignment/judging.py), their verdicts become rewards (alignment/formula.py).
A completion that could not be judged has the reward None, which TRL leaves out of its group's baseline; nothing makes it a number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.thinking import ThinkingFilter
from principles_store.conversation import Message
from training.alignment.config import AlignmentConfig, RewardSection
from training.alignment.formula import floor, gold_reward, known_share, shaped_reward
from training.alignment.judging import Case, Outcome, Unjudged
from training.alignment.jury import Jury, open_juries
from training.alignment.reward_log import append_step, read_totals
from training.alignment.reward_report import GOLD, TRAIN, StepReport, merged
from training.alignment.rows import RewardCriterion
from training.alignment.stopping import BlindSteps, TrainingStopped, check_cost
from training.alignment.watched_judge import WatchedJudge, open_watched

if TYPE_CHECKING:
    from agent.config import Settings


LogMetric = Callable[[str, float], None]
Gather = Callable[[StepReport], list[StepReport]]


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of the policy."""

    row: str
    conversation: Sequence[Message]
    rubric: tuple[RewardCriterion, ...]
    text: str
    """As a user would see it: without thinking."""
    is_truncated: bool

    @property
    def words(self) -> int:
        """How long it is, as the length budget counts."""
        return len(self.text.split())

    def case(self) -> Case:
        """Return what the judge gets."""
        rubric = tuple(criterion.criterion for criterion in self.rubric)
        return Case(self.row, tuple(self.conversation), rubric, self.text)


class RubricReward:
    """What TRL calls for the rewards of a batch; in every process for its own completions."""

    def __init__(
        self,
        rules: RewardSection,
        juries: Mapping[str, Jury],
        folder: Path,
        *,
        end_tokens: Collection[int],
        gather: Gather = lambda report: [report],
        is_first: bool = True,
        watched: WatchedJudge | None = None,
    ) -> None:
        """`juries` by split; `gather` returns the reports of all processes; the first writes the run's log.

        `watched` gives its own verdicts on the held-out answers beside the gold judge's.
        """
        self.__name__ = "rubric_reward"  # TRL names its metrics by it
        self.totals = read_totals(folder)
        self.watched = watched
        self._rules, self._juries, self._folder = rules, juries, folder
        self._end_tokens = frozenset(end_tokens)
        self._gather, self._is_first = gather, is_first
        self._blind = BlindSteps()

    def __call__(
        self,
        prompts: Sequence[Sequence[Message]],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        *,
        id: Sequence[str],
        split: Sequence[str],
        rubric: Sequence[Sequence[Mapping[str, Any]]],
        trainer_state: Any = None,
        log_metric: LogMetric | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Return a reward per completion, None where there is none.

        Raises TrainingStopped, in all processes alike, when the judge gives nothing any more or has cost enough.
        """
        (kind,) = set(split)
        batch = [
            Completion(
                row,
                prompt,
                tuple(RewardCriterion.from_dict(item) for item in criteria),
                visible_text(completion),
                not ids or ids[-1] not in self._end_tokens,
            )
            for row, prompt, criteria, completion, ids in zip(
                id, prompts, rubric, completions, completion_ids, strict=True
            )
        ]
        report = StepReport(completions=len(batch))
        rewards = self._rewarded(batch, kind, report)
        self._conclude(kind, report, getattr(trainer_state, "global_step", 0), log_metric)
        return rewards

    def close(self) -> None:
        """Let go of the files."""
        for jury in self._juries.values():
            jury.close()

    def _rewarded(self, batch: Sequence[Completion], kind: str, report: StepReport) -> list[float | None]:
        began = time.monotonic()
        is_judged = [kind == GOLD or self._rules.truncated == "judge" or not one.is_truncated for one in batch]
        cases = [one.case() for one, wanted in zip(batch, is_judged, strict=True) if wanted]
        judged = self._juries[kind].judge(cases)
        if kind == GOLD and self.watched:
            axes = [tuple(criterion.axis for criterion in one.rubric) for one in batch]
            left_s = self._rules.deadline_seconds - (time.monotonic() - began)
            self.watched.compare(cases, axes, judged.outcomes, within_s=left_s)
        outcomes = iter(judged.outcomes)
        rewards = [
            self._of_outcome(one, next(outcomes), kind, report) if wanted else self._of_truncated(report)
            for one, wanted in zip(batch, is_judged, strict=True)
        ]
        report.words = sum(one.words for one in batch)
        report.truncated = sum(one.is_truncated for one in batch)
        report.rewards = [reward for reward in rewards if reward is not None]
        report.judged, report.distinct, report.kept = len(cases), judged.distinct, judged.kept
        report.retries, report.spent = judged.effort.retries, judged.effort.spent
        report.spent_in_all = self._juries[kind].spent
        report.cost_in_all = sum(jury.spent.cost for jury in self._juries.values())
        report.seconds = time.monotonic() - began
        return rewards

    def _of_truncated(self, report: StepReport) -> float | None:
        if self._rules.truncated == "floor":
            return floor(self._rules)
        report.none["truncated"] += 1
        return None

    def _of_outcome(self, one: Completion, outcome: Outcome, kind: str, report: StepReport) -> float | None:
        if isinstance(outcome, Unjudged):
            report.none[outcome.reason] += 1
            report.trouble = report.trouble or outcome.told
            return None
        points = [criterion.points for criterion in one.rubric]
        if kind == GOLD:
            reward = gold_reward(points, outcome.mets, min_known=self._rules.min_known)
        else:
            reward = shaped_reward(points, outcome.mets, words=one.words, rules=self._rules)
        report.add_verdicts(one.row, one.rubric, outcome.mets)
        report.known_shares.append(known_share(points, outcome.mets))
        report.vetoed += reward.is_vetoed
        if reward.gap:
            report.none[reward.gap] += 1
        else:
            report.length_penalties.append(reward.length_penalty)
        return reward.value

    def _conclude(self, kind: str, report: StepReport, steps: int, log_metric: LogMetric | None) -> None:
        """Add up over the processes, log, and stop where there is no point in going on; `steps` are finished."""
        whole = merged(self._gather(report))
        line, totals = whole.as_line(), self.totals.of(kind)
        totals.add(line)
        totals.spent = whole.spent_in_all
        if log_metric:
            for name, value in whole.metrics().items():
                log_metric(name, value)
        if self._is_first:
            append_step(self._folder, steps + (kind == TRAIN), kind, line)
        if kind == TRAIN:
            self._blind.add(whole)
            check_cost(whole.cost_in_all, self._rules.max_cost)


def open_reward(
    config: AlignmentConfig,
    settings: Settings,
    folder: Path,
    *,
    end_tokens: Collection[int],
    world_size: int = 1,
    rank: int = 0,
) -> RubricReward:
    """Return the reward of a run, for one of its processes; raises ConfigError for a judge that can't be, before anything is asked.

    Close it at the end. `end_tokens`: a completion that ends with none of them was cut off.
    """
    juries = open_juries(config, settings, folder, world_size=world_size, rank=rank)
    gather: Gather = _gathered if world_size > 1 else lambda report: [report]
    return RubricReward(
        config.reward,
        juries,
        folder,
        end_tokens=end_tokens,
        gather=gather,
        is_first=rank == 0,
        watched=open_watched(config, settings, juries[TRAIN].grader),
    )


def visible_text(completion: Any) -> str:
    """Return what a user sees of a completion, TRL's message list or text: what a reasoning model thinks first is left out."""
    text = completion if isinstance(completion, str) else str(completion[-1].get("content") or "")
    thinking = ThinkingFilter()
    return "".join(token.text for token in (thinking.feed(text), thinking.finish()) if token)


def _gathered(report: StepReport) -> list[StepReport]:
    from accelerate.utils import gather_object

    reports: list[StepReport] = gather_object([report])
    return reports


__all__ = ["RubricReward", "TrainingStopped", "open_reward", "visible_text"]
