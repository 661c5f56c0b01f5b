"""What is known of a training when it has ended: all of it stands in judge.json, under trained_on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from agent.small_judge.folder import JudgeFacts


class Side(TypedDict):
    """Of the conversations trained on, or of those held out."""

    conversations: int
    answers: int
    verdicts: int
    met: int
    """Of the verdicts."""
    copies: int
    """Answers changed by augmentation, which are in none of the other counts."""


class Evaluation(TypedDict):
    """What the held-out conversations said in the course of training."""

    step: int
    epoch: float
    auc: float
    without: list[float]
    """The same without each part of the conversations in turn, as `moments.aucs_without` leaves them out."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a training went."""

    evaluations: tuple[Evaluation, ...]
    greatest_step: int
    """With the greatest AUC, the first of several."""
    best_step: int
    """Of the model that is taken: the last, whose learning rate has come to rest, unless another is surely better."""


class TrainedOn(TypedDict):
    """Where a judge comes from; no path and no time, so that the same training makes the same file."""

    digest: str
    """Of the labels, as in `rows.Labels`."""
    base: str
    options: dict[str, Any]
    judges: dict[str, int]
    """Labels by the judge that gave them."""
    skipped: dict[str, int]
    train: Side
    held_out: Side
    evaluations: list[Evaluation]
    best_step: int
    figures: dict[str, Any]
    """Of the judge on the held-out conversations, as the folder's model gives them."""
    export: dict[str, Any]
    """How far apart the models of the folder are."""
    warnings: list[str]


@dataclass(frozen=True)
class DistilReport:
    """What came of it."""

    folder: Path
    name: str
    """As verdicts name the judge."""
    facts: JudgeFacts
    is_new: bool
    """False: the folder was there, of the same labels and options."""

    @property
    def trained_on(self) -> TrainedOn:
        """Return `facts.trained_on` by its keys."""
        return cast(TrainedOn, self.facts.trained_on)
