"""The study's result files, read back, and the figures of each: agreement with the reference on the half that tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agent.errors import InputError
from agent.small_judge.calibration import Calibration, Polarity
from evals.agreement.measures import Treatment, measures
from training.judge_distillation.baselines import SAID, Booleans, Floats
from training.judge_distillation.calibrating import fit_calibration
from training.judge_distillation.cascading import counted
from training.judge_distillation.measures import auc
from training.judge_distillation.trials import RESULT, Trial

SERVING = "as it serves"
"""Stands for the precision in which the judge's folder serves."""
Measure = Literal["kappa", "macro_f1", "accuracy"]


@dataclass(frozen=True, slots=True)
class Held:
    """The conversations that a training held out, per criterion, shape (n,)."""

    logits: Floats
    """In fp32."""
    met: Booleans
    positive: Booleans
    conversations: tuple[str, ...]

    def calibration(self, risk: float) -> Calibration:
        """Return what distil-judge fits on them."""
        sides = _sides(self.positive)
        return fit_calibration(self.logits, self.met, sides, conversations=self.conversations, risk=risk)


@dataclass(frozen=True, slots=True)
class Result:
    """What a trial found, per criterion of the half that tests, shape (n,)."""

    trial: Trial
    train: Mapping[str, int]
    """Verdicts, answers and conversations that it was trained on, the held-out part of the training among them."""
    seconds: Mapping[str, float]
    held: Held
    calibration: Calibration
    serves: str
    met: Booleans
    """The reference's verdict."""
    positive: Booleans
    axis: npt.NDArray[np.str_]
    """Empty where the criterion has none."""
    answer: npt.NDArray[np.int64]
    conversation: npt.NDArray[np.str_]
    """Key, the same in all trials."""
    logits: Mapping[str, Floats]
    """By the judge's precision, that which serves at least."""
    baselines: Mapping[str, Floats]
    """Probability of met by each."""
    detectors: Floats
    """Verdicts: 1 met, 0 unmet, NaN unknown."""

    def chances_of(self, name: str) -> Floats:
        """Return the probabilities that somebody gives."""
        if name in self.baselines:
            return self.baselines[name]
        logits = self.logits[self.serves if name == SERVING else name]
        sides = [self.calibration.of(side) for side in _sides(self.positive)]
        return np.array([side.probability(logit) for side, logit in zip(sides, logits.tolist(), strict=True)])

    def said(self, name: str) -> Floats:
        """Return somebody's verdicts, met from a probability of a half on, with nothing left unknown."""
        return (self.chances_of(name) >= 0.5).astype(float)

    def sure(self, name: str) -> Floats:
        """Return a small judge's verdicts with its bounds: 1 met, 0 unmet, NaN unknown."""
        sides = [self.calibration.of(side) for side in _sides(self.positive)]
        chances = self.chances_of(name).tolist()
        return np.array([SAID[side.verdict(chance)] for side, chance in zip(sides, chances, strict=True)])

    def with_risk(self, risk: float) -> Result:
        """Return the same with bounds for another risk."""
        return replace(self, calibration=self.held.calibration(risk))

    def agreement(
        self,
        said: Floats,
        measure: Measure,
        where: Booleans | None = None,
        *,
        unknown: Treatment = "left out",
    ) -> float | None:
        """Return a measure of verdicts against the reference's, over some of the criteria; None where it is not defined."""
        chosen = np.ones(len(said), dtype=bool) if where is None else where
        if not chosen.any():
            return None
        value = float(measures(counted(self.met[chosen], said[chosen]), unknown)[measure])
        return None if np.isnan(value) else value

    def auc(self, name: str) -> float:
        """Return how well somebody's probabilities order the criteria: that a met one is above an unmet one."""
        return auc(self.chances_of(name), self.met)


def read_results(folder: Path) -> list[Result]:
    """Return the results that are in a study's folder; InputError if there are none."""
    files = sorted(folder.glob(f"*/{RESULT}"))
    if not files:
        raise InputError(f"{folder}: no trial of a study is done there; leave --report away to begin")
    return [_result(json.loads(file.read_text(encoding="utf-8"))) for file in files]


def _result(data: Mapping[str, Any]) -> Result:
    rows = data["rows"]
    kept = data["held"]
    held = Held(
        np.array(kept["logits"]),
        _flags(kept["met"]),
        _flags(kept["positive"]),
        tuple(kept["conversation"]),
    )
    return Result(
        trial=Trial(**data["trial"]),
        train=data["train"],
        seconds=data["seconds"],
        held=held,
        calibration=held.calibration(data["risk"]),
        serves=data["serves"],
        met=_flags(rows["met"]),
        positive=_flags(rows["positive"]),
        axis=np.array([name or "" for name in rows["axis"]]),
        answer=np.array(rows["answer"]),
        conversation=np.array(rows["conversation"]),
        logits={name: np.array(values) for name, values in data["logits"].items()},
        baselines={name: np.array(values) for name, values in data["chances"].items()},
        detectors=np.array([np.nan if value is None else float(value) for value in data["detectors"]]),
    )


def _flags(values: Sequence[int]) -> Booleans:
    return np.array(values, dtype=bool)


def _sides(positive: Booleans) -> list[Polarity]:
    return ["positive" if one else "negative" for one in positive]
