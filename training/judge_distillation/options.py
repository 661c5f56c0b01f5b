"""What a small judge's training may be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agent.errors import ConfigError
from agent.small_judge.reading import Layout

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class DistilOptions:
    """Of one training; all but `threads` and `device` decide what comes of it. Raises ConfigError for a number that can't be."""

    base: Path | None = None
    """Folder of a BERT model that training begins with; None: the project's encoder."""
    layout: Layout = field(default_factory=Layout)
    epochs: int = 2
    learning_rate: float = 1e-4
    batch: int = 16
    held_share: float = 0.2
    """Of the conversations, to choose the epoch, the calibration and the bounds by."""
    risk: float = 0.2
    """Share of wrong verdicts among those given, which the bounds of unknown are chosen for."""
    augment: float = 0.25
    """Changed copies in training, for each answer; 0: none."""
    seed: int = 0
    threads: int | None = None
    """On the CPU; None: one per core."""
    device: Device = "auto"

    def __post_init__(self) -> None:
        checks = {
            f"epochs {self.epochs}: give at least 1": self.epochs >= 1,
            f"learning rate {self.learning_rate:g}: give one above 0 and below 0.01": 0 < self.learning_rate < 0.01,
            f"batch {self.batch}: give at least 1": self.batch >= 1,
            f"held-out share {self.held_share:g}: give one between 0.05 and 0.5": 0.05 <= self.held_share <= 0.5,
            f"risk {self.risk:g}: give one above 0 and below 0.5, where a coin would do": 0 < self.risk < 0.5,
            f"augment {self.augment:g}: give a share from 0 to 1": 0 <= self.augment <= 1,
            f"threads {self.threads}: give at least 1": self.threads is None or self.threads >= 1,
            f"seed {self.seed}: give one from 0 to 2^32 - 1": 0 <= self.seed < 1 << 32,
            f"device {self.device!r}: give auto, cpu or cuda": self.device in ("auto", "cpu", "cuda"),
        }
        if wrong := [told for told, holds in checks.items() if not holds]:
            raise ConfigError("; ".join(wrong))

    def as_dict(self) -> dict[str, Any]:
        """Return what decides about the judge, as a continued training must find it; the base by its weights, not here."""
        return {
            "layout": self.layout.as_dict(),
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "batch": self.batch,
            "held_share": self.held_share,
            "risk": self.risk,
            "augment": self.augment,
            "seed": self.seed,
        }
