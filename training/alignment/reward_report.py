"""What one step's rewards were made of: counted in each process, added up over all, told as metrics and totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.ledger import Usage
from training.alignment.rows import RewardCriterion

GOLD, TRAIN = "gold", "train"
_NOTHING = Usage()
_SUMS = (
    "completions", "words", "vetoed", "truncated", "judged", "distinct", "kept", "retries", "spent", "spent_in_all", "cost_in_all",
    "verdicts", "unknown",
)  # fmt: skip


@dataclass
class Rate:
    """How often something held, of the times that it is known."""

    met: int = 0
    known: int = 0

    def add(self, met: bool | None) -> None:
        """Count a verdict; unknown is none."""
        self.met += met is True
        self.known += met is not None

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.met + other.met, self.known + other.known)


@dataclass
class StepReport:
    """One call of the reward."""

    completions: int = 0
    words: int = 0
    """Of all completions."""
    rewards: list[float] = field(default_factory=list)
    """Those that there are."""
    none: Counter[str] = field(default_factory=Counter)
    """Completions without a reward, by reason."""
    known_shares: list[float] = field(default_factory=list)
    """Of each completion with verdicts."""
    vetoed: int = 0
    truncated: int = 0
    length_penalties: list[float] = field(default_factory=list)
    """Of each completion that has a reward by the formula."""
    judged: int = 0
    """Completions that verdicts were wanted for."""
    verdicts: int = 0
    """On single criteria, the unknown ones too."""
    unknown: int = 0
    distinct: int = 0
    kept: int = 0
    """Of the distinct ones, those whose verdicts were there."""
    retries: int = 0
    seconds: float = 0.0
    spent: Usage = _NOTHING
    spent_in_all: Usage = _NOTHING
    """By this split's judge since the folder was new, killed processes included."""
    cost_in_all: float = 0.0
    """Of both judges, likewise."""
    rates: dict[str, Rate] = field(default_factory=dict)
    """By metric: met/axis:…, penalty/principle:…"""
    criteria: dict[str, Rate] = field(default_factory=dict)
    """By row id and position in its rubric, from 1: "id#3"."""
    trouble: str = ""
    """What the judge's first failure said."""

    def add_verdicts(self, row: str, rubric: Sequence[RewardCriterion], mets: Sequence[bool | None]) -> None:
        """Count the verdicts on one completion."""
        self.verdicts += len(mets)
        self.unknown += sum(met is None for met in mets)
        for number, (criterion, met) in enumerate(zip(rubric, mets, strict=True), start=1):
            self.criteria.setdefault(f"{row}#{number}", Rate()).add(met)
            for name in _groups(criterion):
                self.rates.setdefault(name, Rate()).add(met)

    @property
    def is_blind(self) -> bool:
        """Tell whether verdicts were wanted and none could be had."""
        return self.judged > 0 and not self.known_shares

    def as_line(self) -> dict[str, Any]:
        """Return what rewards.jsonl holds of it; counts and numbers, no text of anybody."""
        scored = len(self.rewards)
        return {
            "completions": self.completions,
            "scored": scored,
            "reward": sum(self.rewards) / scored if scored else None,
            "none": dict(self.none),
            "vetoed": self.vetoed,
            "truncated": self.truncated,
            "words": self.words / self.completions,
            "judged": self.judged,
            "distinct": self.distinct,
            "kept": self.kept,
            "verdicts": self.verdicts,
            "unknown": self.unknown,
            "retries": self.retries,
            **self.spent.as_dict(),
            "seconds": round(self.seconds, 3),
            "criteria": {name: [rate.met, rate.known] for name, rate in self.criteria.items()},
        }

    def metrics(self) -> dict[str, float]:
        """Return what is logged, by name; no name where there is nothing to tell."""
        told = {
            "reward/none": sum(self.none.values()) / self.completions,
            **{f"reward/none:{reason}": count / self.completions for reason, count in self.none.items()},
            "reward/vetoed": self.vetoed / self.completions,
            "reward/truncated": self.truncated / self.completions,
            "judge/calls": float(self.spent.calls),
            "judge/input_tokens": float(self.spent.input_tokens),
            "judge/output_tokens": float(self.spent.output_tokens),
            "judge/cost": self.spent.cost,
            "judge/seconds": self.seconds,
            "judge/retries": float(self.retries),
            "judge/late": float(self.none["late"]),
        }
        if self.judged:
            told["judge/distinct_share"] = self.distinct / self.judged
        if self.verdicts:
            told["judge/unknown"] = self.unknown / self.verdicts
        if self.known_shares:
            told["reward/known_share"] = sum(self.known_shares) / len(self.known_shares)
        if self.length_penalties:
            told["reward/length_penalty"] = sum(self.length_penalties) / len(self.length_penalties)
        return told | {name: rate.met / rate.known for name, rate in sorted(self.rates.items()) if rate.known}


def merged(reports: Sequence[StepReport]) -> StepReport:
    """Return the report of all processes' completions."""
    whole = StepReport(seconds=max(report.seconds for report in reports))
    for report in reports:
        for name in _SUMS:
            setattr(whole, name, getattr(whole, name) + getattr(report, name))
        whole.rewards += report.rewards
        whole.known_shares += report.known_shares
        whole.length_penalties += report.length_penalties
        whole.none += report.none
        _add(whole.rates, report.rates)
        _add(whole.criteria, report.criteria)
        whole.trouble = whole.trouble or report.trouble
    return whole


def _add(into: dict[str, Rate], rates: dict[str, Rate]) -> None:
    for name, rate in rates.items():
        into[name] = into.get(name, Rate()) + rate


def _groups(criterion: RewardCriterion) -> Iterator[str]:
    """Yield the metrics that a criterion counts for; what is met of penalties is the opposite of good, so it stands apart."""
    kind = "met" if criterion.points > 0 else "penalty"
    if criterion.axis:
        yield f"{kind}/axis:{criterion.axis}"
    if criterion.principle_id:
        yield f"{kind}/principle:{criterion.principle_id}"


@dataclass
class JudgeTotals:
    """A whole run of one judge."""

    judged: int = 0
    distinct: int = 0
    kept: int = 0
    verdicts: int = 0
    unknown: int = 0
    none: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    seconds: float = 0.0
    spent: Usage = _NOTHING

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a step by its line of rewards.jsonl."""
        for name in ("judged", "distinct", "kept", "retries", "seconds"):
            setattr(self, name, getattr(self, name) + line[name])
        self.verdicts += line.get("verdicts", 0)  # a run that was begun before they were counted
        self.unknown += line.get("unknown", 0)
        self.none.update(line["none"])
        self.spent += Usage(**{name: line[name] for name in Usage.__dataclass_fields__})

    def as_dict(self) -> dict[str, Any]:
        """Return the amounts by name, as the manifest holds them."""
        told: dict[str, Any] = asdict(self)
        spent: dict[str, Any] = told.pop("spent")
        return told | {"none": dict(self.none)} | spent


@dataclass
class RewardTotals:
    """A whole run, over all processes, and over those before it that it continues."""

    train: JudgeTotals = field(default_factory=JudgeTotals)
    gold: JudgeTotals = field(default_factory=JudgeTotals)

    def of(self, split: str) -> JudgeTotals:
        """Return those of a split's judge."""
        return self.gold if split == GOLD else self.train

    def as_dict(self) -> dict[str, Any]:
        """Return an object of JSON, for the manifest."""
        return {TRAIN: self.train.as_dict(), GOLD: self.gold.as_dict()}
