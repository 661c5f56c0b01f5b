"""How many completions a step takes, and how many steps there are: what TRL makes of the keys of `grpo`.

Source: TRL 1.16, GRPOConfig.__post_init__, RepeatSampler, and transformers' Trainer.set_initial_training_values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.alignment.config import AlignmentConfig

_PER_DEVICE, _EPOCHS, _GENERATIONS, _COMPLETION = 8, 3.0, 8, 512
"""Defaults of TRL and transformers."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Sizes of what is generated and learned from at once."""

    per_device: int
    """Completions that one process learns from at once."""
    processes: int
    accumulation: int
    per_generation: int
    """Batches of `per_device` that are generated together."""
    group: int
    """Completions per question."""
    iterations: int
    """Times that each completion is learned from."""
    prompt_tokens: int
    completion_tokens: int

    @property
    def generated(self) -> int:
        """Completions that all processes generate together."""
        return self.per_device * self.processes * self.per_generation

    @property
    def questions(self) -> int:
        """Questions that are asked together."""
        return self.generated // self.group

    @property
    def completions_per_step(self) -> float:
        """New completions per step of the optimizer."""
        return self.generated * self.accumulation / (self.per_generation * self.iterations)

    @property
    def tokens(self) -> int:
        """The longest sequence."""
        return self.prompt_tokens + self.completion_tokens

    def steps(self, questions: int, grpo: Mapping[str, Any]) -> int:
        """Return the steps of the optimizer; questions that fill no generation are left out of an epoch."""
        most = int(grpo.get("max_steps", -1))
        if most > 0:
            return most
        batches = questions // self.questions * self.iterations * self.per_generation
        per_epoch = max(1, math.ceil(batches / self.accumulation))
        return math.ceil(float(grpo.get("num_train_epochs", _EPOCHS)) * per_epoch)


def batches_of(config: AlignmentConfig, processes: int) -> Batches:
    """Return the sizes that TRL makes of a config."""
    grpo = config.grpo
    per_device = int(grpo.get("per_device_train_batch_size", _PER_DEVICE))
    accumulation = int(grpo.get("gradient_accumulation_steps", 1))
    batch = grpo.get("generation_batch_size")
    together = grpo.get("steps_per_generation") or (batch // (per_device * processes) if batch else accumulation)
    return Batches(
        per_device=per_device,
        processes=processes,
        accumulation=accumulation,
        per_generation=max(1, int(together)),
        group=int(grpo.get("num_generations", _GENERATIONS)),
        iterations=int(grpo.get("num_iterations", 1)),
        prompt_tokens=config.data.max_prompt_tokens,
        completion_tokens=int(grpo.get("max_completion_length", _COMPLETION)),
    )
