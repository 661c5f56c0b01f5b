"""Judges of a run as the reward needs them: each distinct answer once, what is paid for kept, a share of the requests at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.ledger import Usage
from evals.grading.grader import Grader, models_of, open_graders
from evals.grading.shown import prompt_hash
from training.alignment.config import AlignmentConfig, GoldSection, RewardSection
from training.alignment.judging import Case, Effort, Outcome, Patience, Sheet, judge_all
from training.alignment.kept_verdicts import KeptVerdicts, case_key
from training.alignment.reward_report import GOLD, TRAIN

if TYPE_CHECKING:
    from agent.config import Settings


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcomes of a step."""

    outcomes: list[Outcome]
    """One per completion."""
    distinct: int
    kept: int
    """Of the distinct ones, those that had been judged before."""
    effort: Effort


@dataclass
class Jury:
    """One judge with its verdicts so far."""

    grader: Grader
    identity: str
    """Whatever its verdicts depend on."""
    split: str
    concurrency: int
    deadline_s: float
    kept: KeptVerdicts | None = None
    """None: asking again costs nothing."""
    patience: Patience = field(default_factory=Patience)

    def judge(self, cases: Sequence[Case]) -> Judged:
        """Return an outcome per case; equal ones are judged once."""
        keys = [case_key(self.identity, case) for case in cases]
        by_key = dict(zip(keys, cases, strict=True))
        known: dict[bytes, Outcome] = {}
        if self.kept:
            known |= self.kept.find(list(by_key))
        kept = len(known)
        asked = {key: case for key, case in by_key.items() if key not in known}
        outcomes, effort = judge_all(
            self.grader,
            list(asked.values()),
            concurrency=self.concurrency,
            deadline_s=self.deadline_s,
            keep=partial(self._keep, {id(case): key for key, case in asked.items()}),
            patience=self.patience,
        )
        known |= zip(asked, outcomes, strict=True)
        return Judged([known[key] for key in keys], len(by_key), kept, effort)

    @property
    def spent(self) -> Usage:
        """What it has cost since the folder was new; a judge whose verdicts aren't kept costs nothing."""
        return self.kept.spent(self.split) if self.kept else Usage()

    def close(self) -> None:
        """Let go of the file."""
        if self.kept:
            self.kept.close()

    def _keep(self, keys: Mapping[int, bytes], sheets: Sequence[tuple[Case, Sheet]], spent: Usage) -> None:
        """Keep sheets under their cases' keys, which take a while to make and are named by the cases' ids."""
        if self.kept:
            self.kept.keep([(keys[id(case)], sheet) for case, sheet in sheets], split=self.split, spent=spent)


def open_juries(
    config: AlignmentConfig, settings: Settings, folder: Path, *, world_size: int, rank: int
) -> Mapping[str, Jury]:
    """Return the judges of a process by split; raises ConfigError for what can't be."""
    _check_prices(config)
    rules, gold = config.reward, config.gold
    specs = {TRAIN: rules.judge, GOLD: gold.judge or rules.judge}
    prices = {TRAIN: rules, GOLD: gold if gold.judge else rules}
    graders = {
        split: open_graders([spec], _priced(settings, prices[split]), attempts=rules.attempts)
        for split, spec in specs.items()
    }
    models = [split for split, spec in specs.items() if models_of([spec])]
    kept = KeptVerdicts(folder / f"verdicts-{rank}.sqlite") if models else None
    return {
        split: Jury(
            grader,
            _identity(grader, settings),
            split,
            concurrency=_share(rules.concurrency, world_size, rank) if split in models else 1,
            deadline_s=rules.deadline_seconds,
            kept=kept if split in models else None,
        )
        for split, grader in graders.items()
    }


def _priced(settings: Settings, section: RewardSection | GoldSection) -> Settings:
    return settings.model_copy(update={"price_input": section.price_input, "price_output": section.price_output})


def _check_prices(config: AlignmentConfig) -> None:
    """Raise ConfigError for a bound on cost that nothing would ever reach."""
    rules, gold = config.reward, config.gold
    priced = [rules.price_input, rules.price_output, *([gold.price_input, gold.price_output] if gold.judge else [])]
    if rules.max_cost is not None and not any(priced):
        raise ConfigError(
            f"{config.source}: reward.max_cost needs reward.price_input and price_output, per million tokens"
        )


def _identity(grader: Grader, settings: Settings) -> str:
    """Return what verdicts depend on besides the answer: who is asked, with which prompt, and how it samples."""
    how = [settings.temperature, settings.seed, settings.thinking_tokens, settings.max_output_tokens, settings.redact]
    return json.dumps([grader.name, grader.protocol, prompt_hash("all_criteria"), how])


def _share(concurrency: int, world_size: int, rank: int) -> int:
    """Return this process's share of the requests that may be under way; at least one, else it would wait for ever."""
    share, left = divmod(concurrency, world_size)
    return max(1, share + (rank < left))
