"""When the reward ends a training: the judge gives nothing any more, or has cost enough."""

from __future__ import annotations

from dataclasses import dataclass

from agent.errors import ClinAlignError
from training.alignment.reward_report import StepReport

BLIND_STEPS = 3
BLIND_COMPLETIONS = 16
"""In a row, and together, without a single verdict: at one broken reply in five that is chance once in 10^11 such rows."""


class TrainingStopped(ClinAlignError):  # noqa: N818  # no failure: it ends as it should
    """Training ends here, with a checkpoint; `--resume` goes on once what the message names is put right."""


@dataclass
class BlindSteps:
    """Counts the steps in a row in which the judge gave no verdict on anything."""

    steps: int = 0
    completions: int = 0

    def add(self, report: StepReport) -> None:
        """Count a step. Raises TrainingStopped when there are too many; steps in which nothing was asked don't count."""
        if not report.judged:
            return
        if not report.is_blind:
            self.steps = self.completions = 0
            return
        self.steps += 1
        self.completions += report.judged
        if self.steps >= BLIND_STEPS and self.completions >= BLIND_COMPLETIONS:
            raise TrainingStopped(
                f"the judge gave no verdict in {self.steps} steps in a row ({self.completions} completions): "
                f"{report.trouble}; put that right, then go on with --resume"
            )


def check_cost(cost: float, most: float | None) -> None:
    """Raise TrainingStopped if the judges have cost as much as they may.

    What was paid for is kept: the step that ends here costs nothing when it is repeated.
    """
    if most is not None and cost >= most:
        raise TrainingStopped(
            f"the judges have cost {cost:.2f}, of reward.max_cost {most:g}; raise it, then go on with --resume"
        )
