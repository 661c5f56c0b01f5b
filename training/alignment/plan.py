"""What a run will be, worked out before it: questions, steps, judge calls, memory and disk, and why it can't be as it is.

Nothing is trained or written for it. Tokens, seconds and bytes are estimates, and say so; counts are exact.
"""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.grading.grader import models_of
from training.alignment.batches import Batches, batches_of
from training.alignment.config import AlignmentConfig
from training.alignment.device_memory import DeviceMemory, device_memory
from training.alignment.memory import Generator, MemoryEstimate, as_parts, generator_of
from training.alignment.model_shape import ModelShape
from training.alignment.refusals import notes, refusals
from training.alignment.remedies import gpus_of, needed
from training.alignment.sharding import Sharding, sharding_of
from training.alignment.survey import DataCounts

if TYPE_CHECKING:
    from training.alignment.datasets import AlignmentData

_CHARACTERS_PER_TOKEN = 4
_RULES_TOKENS = 850
"""Of the judge's instructions; evals/grading/prompts."""
_CRITERION_TOKENS = 10
"""Beside its text: number and points."""
_VERDICT_TOKENS = 60
"""Of a reply per criterion: verdict and reason."""


@dataclass(frozen=True, slots=True)
class JudgeBill:
    """What judging by models takes at most: every completion is as long as it may be, and no two are the same.

    Judges that are none, as a small one, take nothing; of a cascade nobody knows before what is left for the model.
    """

    calls: int
    gold_calls: int
    """Of them for held-out questions."""
    input_tokens: int
    output_tokens: int
    cost: float
    """By each judge's prices; 0 where none are given."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the run folder."""

    needed: int
    free: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it begins."""

    counts: DataCounts
    shape: ModelShape
    batches: Batches
    sharding: Sharding
    generator: Generator
    steps: int
    judgements: int
    """Of the held-out questions."""
    judge: JudgeBill
    memory: MemoryEstimate
    device: DeviceMemory
    disk: Disk
    refusals: tuple[str, ...] = ()
    """Each with what to change; none: the run can begin."""
    notes: tuple[str, ...] = ()

    @property
    def completions(self) -> int:
        """Of training."""
        return math.ceil(self.steps * self.batches.completions_per_step)

    def as_dict(self) -> dict[str, Any]:
        """Return the object of `clinalign train --dry-run --json`."""
        return {
            "questions": self.counts.as_dict(),
            "steps": self.steps,
            "questions_per_generation": self.batches.questions,
            "completions_per_step": self.batches.completions_per_step,
            "completions": self.completions,
            "completion_tokens_most": self.completions * self.batches.completion_tokens,
            "gold_judgements": self.judgements,
            "judge": {name: getattr(self.judge, name) for name in JudgeBill.__slots__},
            "model": {"kind": self.shape.kind, "parameters": self.shape.parameters, "trained": self.shape.trained},
            "processes": self.sharding.processes,
            "sharding": self.sharding.kind,
            "generation": self.generator,
            "memory": as_parts(self.memory)
            | {"free": self.device.free, "of": self.device.total, "device": self.device.name},
            "disk": {"needed": self.disk.needed, "free": self.disk.free},
            "refusals": list(self.refusals),
            "notes": list(self.notes),
        }

    def as_text(self, width: int = 100) -> str:
        """Return it as a table, with what is against it beneath."""
        from training.alignment.plan_text import plan_text

        return plan_text(self, width=width)


def make_plan(
    config: AlignmentConfig,
    data: AlignmentData,
    shape: ModelShape,
    *,
    device: DeviceMemory | None = None,
    sharding: Sharding | None = None,
    free_disk: int | None = None,
) -> Plan:
    """Return the plan of a run on this machine, or on `device` with `sharding` as accelerate would make it."""
    sharding = sharding or sharding_of(os.environ)
    device = _share(device or device_memory(), sharding)
    batches = batches_of(config, sharding.processes)
    steps = batches.steps(data.counts.train, config.grpo)
    judgements = 1 + math.ceil(steps / config.gold.every)
    plan = Plan(
        counts=data.counts,
        shape=shape,
        batches=batches,
        sharding=sharding,
        generator=generator_of(config, gpus=gpus_of(device, sharding)),
        steps=steps,
        judgements=judgements,
        judge=_bill(config, data.counts, batches, steps, judgements),
        memory=needed(config, shape, device, sharding),
        device=device,
        disk=Disk(disk_bytes(config, shape, sharding), _free(config.run.output) if free_disk is None else free_disk),
    )
    return replace(plan, refusals=tuple(refusals(config, plan)), notes=tuple(notes(config, plan)))


def disk_bytes(config: AlignmentConfig, shape: ModelShape, sharding: Sharding) -> int:
    """Return what the run folder takes: the checkpoints that are kept, the best, one being written, best/ and a warm start.

    A checkpoint: 32-bit weights, or adapters, and two moments; by FSDP and DeepSpeed the weights twice, since they write their
    own beside transformers'.
    """
    state = (12 if sharding.kind in ("none", "ddp") else 16) * shape.trained
    width = 4 if config.model.dtype == "float32" else 2
    warm = (width if config.lora is not None else 4) * shape.parameters if config.warm_start else 0
    return (config.run.keep_checkpoints + 2) * state + width * shape.parameters + warm


def _share(device: DeviceMemory, sharding: Sharding) -> DeviceMemory:
    """Return what one process has: a GPU of its own, or its part of the machine."""
    if device.kind == "cuda":
        return device
    return DeviceMemory("cpu", device.free // sharding.processes, device.total // sharding.processes, device.name)


def _free(output: Path) -> int:
    folder = next(path for path in (output.absolute(), *output.absolute().parents) if path.exists())
    return shutil.disk_usage(folder).free


def _bill(config: AlignmentConfig, counts: DataCounts, batches: Batches, steps: int, judgements: int) -> JudgeBill:
    gold_judge = config.gold.judge or config.reward.judge
    gold_calls = judgements * counts.gold * config.gold.generations if models_of([gold_judge]) else 0
    reward_calls = math.ceil(steps * batches.completions_per_step) if models_of([config.reward.judge]) else 0
    rubric = counts.rubric_characters_mean / _CHARACTERS_PER_TOKEN + counts.criteria_mean * _CRITERION_TOKENS
    read = _RULES_TOKENS + rubric + counts.prompt_tokens_mean + batches.completion_tokens
    written = counts.criteria_mean * _VERDICT_TOKENS
    prices = ((reward_calls, config.reward), (gold_calls, config.gold if config.gold.judge else config.reward))
    cost = sum(calls * (read * one.price_input + written * one.price_output) / 1e6 for calls, one in prices)
    calls = reward_calls + gold_calls
    return JudgeBill(calls, gold_calls, math.ceil(calls * read), math.ceil(calls * written), cost)
