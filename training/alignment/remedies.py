"""What to change in a config that takes more memory than there is: the first changes, in order of what they cost, that are enough.

Every change is tried on the estimate; those that turn out not to be needed are taken back before they are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from training.alignment.batches import Batches, batches_of
from training.alignment.config import AlignmentConfig
from training.alignment.device_memory import DeviceMemory
from training.alignment.memory import (
    GIB,
    MemoryEstimate,
    checkpoints_activations,
    estimate,
    generator_of,
    syncs_each_batch,
    vllm_least,
)
from training.alignment.model_shape import ModelShape
from training.alignment.sharding import Sharding

_LEAST_COMPLETION = 512
_MOST_GPUS = 64

Change = Mapping[str, Any]
"""Keys of `grpo` with their new values."""


def gpus_of(device: DeviceMemory, sharding: Sharding) -> int:
    """Return the GPUs of a run; 0 on a CPU."""
    return sharding.processes if device.kind == "cuda" else 0


def needed(config: AlignmentConfig, shape: ModelShape, device: DeviceMemory, sharding: Sharding) -> MemoryEstimate:
    """Return the estimate for a run on such a device."""
    return estimate(config, shape, gpus_of(device, sharding), sharding=sharding, device=device)


def remedy(config: AlignmentConfig, shape: ModelShape, device: DeviceMemory, sharding: Sharding) -> str:
    """Return in words what to change so that the estimate fits into what is free."""

    def fits(changes: list[Change]) -> bool:
        return needed(changed(config, changes), shape, device, sharding).total <= device.free

    kept: list[Change] = []
    for change in _changes(config, shape, device, sharding):
        kept.append(change)
        if fits(kept):
            for one in list(kept):
                rest = [other for other in kept if other is not one]
                kept = rest if rest and fits(rest) else kept
            return f"set {_told(kept)}"
    return _larger(config, shape, device)


def changed(config: AlignmentConfig, changes: list[Change]) -> AlignmentConfig:
    """Return the config with other keys of `grpo`, the last change last."""
    grpo = dict(config.grpo)
    for change in changes:
        grpo |= change
    return config.model_copy(update={"grpo": grpo})


def _told(changes: list[Change]) -> str:
    merged: dict[str, Any] = {}
    for change in changes:
        merged |= change
    return ", ".join(f"grpo.{key} = {_toml(value)}" for key, value in merged.items())


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else f"{value}"


def _changes(config: AlignmentConfig, shape: ModelShape, device: DeviceMemory, sharding: Sharding) -> Iterator[Change]:
    """Yield changes of one key each, from those that cost time alone to those that change what is learned."""
    grpo, batches = config.grpo, batches_of(config, sharding.processes)
    if not checkpoints_activations(config):
        yield {"activation_checkpointing": True}
    if sharding.kind == "fsdp" and batches.accumulation > 1 and not syncs_each_batch(config):
        given = grpo.get("accelerator_config") or {}
        yield {"accelerator_config": {**given, "gradient_accumulation_kwargs": {"sync_each_batch": True}}}
    in_process = generator_of(config, gpus=gpus_of(device, sharding)) == "vLLM in the process"
    if in_process and not grpo.get("vllm_enable_sleep_mode"):
        yield {"vllm_enable_sleep_mode": True}
    yield from _smaller_batches(grpo, batches)
    least = (vllm_least(config, shape) * 20 // device.total + 1) / 20
    if in_process and least < float(grpo.get("vllm_gpu_memory_utilization", 0.3)):
        yield {"vllm_gpu_memory_utilization": least}
    if gpus_of(device, sharding) and sharding.kind in ("none", "ddp") and "8bit" not in str(grpo.get("optim")):
        yield {"optim": "paged_adamw_8bit"}
    completion = batches.completion_tokens
    while completion >= 2 * _LEAST_COMPLETION:
        completion //= 2
        yield {"max_completion_length": completion}


def _smaller_batches(grpo: Mapping[str, Any], batches: Batches) -> Iterator[Change]:
    """Yield ever smaller batches of learning, of which a step takes ever more, so that it stays the same step."""
    per_device, accumulation, together = batches.per_device, batches.accumulation, batches.per_generation
    while per_device > 1 and per_device % 2 == 0:
        per_device, accumulation, together = per_device // 2, accumulation * 2, together * 2
        own = {"steps_per_generation": together} if "steps_per_generation" in grpo else {}
        yield {"per_device_train_batch_size": per_device, "gradient_accumulation_steps": accumulation, **own}


def _larger(config: AlignmentConfig, shape: ModelShape, device: DeviceMemory) -> str:
    """Say what else there is when no key of `grpo` is enough."""
    lora = "" if config.lora is not None else "train with [lora], or "
    if device.kind == "cpu":
        return f"{lora}take a smaller model, or a machine with more memory"
    gpus = 2
    while gpus <= _MOST_GPUS:
        if needed(_shared_out(config), shape, device, Sharding("fsdp", gpus)).total <= device.free:
            what = f"take {gpus} GPUs of {device.total / GIB:.0f} GiB by accelerate with FSDP (training/configs/accelerate)"
            return f"{lora}{what}"
        gpus *= 2
    return f"{lora}take a smaller model"


def _shared_out(config: AlignmentConfig) -> AlignmentConfig:
    """Return the config as it must be for many GPUs."""
    each = {"gradient_accumulation_kwargs": {"sync_each_batch": True}}
    return changed(config, [{"accelerator_config": each}])
