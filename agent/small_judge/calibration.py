"""From the model's number to a verdict: a calibrated probability, and unknown where the stated risk would not be kept.

Pure arithmetic; fitted by `training/judge_distillation/calibrating.py` on conversations that training never saw.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import exp
from typing import Any, Literal, get_args

from agent.rubric import Criterion, VerdictValue

Polarity = Literal["positive", "negative"]
SIDES: tuple[Polarity, ...] = get_args(Polarity)


def polarity(criterion: Criterion) -> Polarity:
    """Return the sign of a criterion's points."""
    return "positive" if criterion.points > 0 else "negative"


@dataclass(frozen=True)
class SideCalibration:
    """Of the criteria of one polarity."""

    slope: float
    bias: float
    """P(met) = 1 / (1 + exp(-(slope * logit + bias))): Platt's scaling."""
    unmet_to: float | None
    """Up to this probability of met, the verdict is unmet; None: never, since too few are known to keep the risk."""
    met_from: float | None

    @property
    def is_never_sure(self) -> bool:
        """Tell whether all verdicts of this polarity are unknown."""
        return self.unmet_to is None and self.met_from is None

    def probability(self, logit: float) -> float:
        """Return the probability that the criterion is met."""
        value = self.slope * logit + self.bias
        return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))

    def verdict(self, probability: float) -> VerdictValue:
        """Return the verdict; unknown between the bounds."""
        if self.met_from is not None and probability >= self.met_from:
            return "met"
        if self.unmet_to is not None and probability <= self.unmet_to:
            return "unmet"
        return "unknown"


@dataclass(frozen=True)
class Calibration:
    """Of both polarities, which differ in how often they hold and in how well they are told."""

    positive: SideCalibration
    negative: SideCalibration
    risk: float
    """Share of wrong verdicts among those given that the bounds are chosen for."""

    def of(self, side: Polarity) -> SideCalibration:
        """Return a polarity's."""
        return self.positive if side == "positive" else self.negative

    def without_bounds(self) -> Calibration:
        """Return the one by which the likelier verdict is always given."""
        positive, negative = (replace(side, unmet_to=0.5, met_from=0.5) for side in (self.positive, self.negative))
        return replace(self, positive=positive, negative=negative)

    def as_dict(self) -> dict[str, Any]:
        """Return it as judge.json holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Calibration:
        """Return what `as_dict` was; raises KeyError or TypeError for anything else."""
        return cls(SideCalibration(**data["positive"]), SideCalibration(**data["negative"]), float(data["risk"]))
