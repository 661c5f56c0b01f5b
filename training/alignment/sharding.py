"""How the processes of a run share the model, as accelerate was told: read from its environment, or from its configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from agent.errors import ConfigError

Kind = Literal["none", "ddp", "fsdp", "zero1", "zero2", "zero3"]


@dataclass(frozen=True, slots=True)
class Sharding:
    """Processes, one for each GPU, and what each holds a part of only."""

    kind: Kind = "none"
    processes: int = 1
    offloads_optimizer: bool = False
    """To the host's memory."""
    offloads_weights: bool = False

    @property
    def weights(self) -> int:
        """Parts into which the weights are cut."""
        return self.processes if self.kind in ("fsdp", "zero3") else 1

    @property
    def gradients(self) -> int:
        return self.processes if self.kind in ("fsdp", "zero2", "zero3") else 1

    @property
    def optimizer(self) -> int:
        return 1 if self.kind in ("none", "ddp") else self.processes


def sharding_of(environment: Mapping[str, str]) -> Sharding:
    """Return what `accelerate launch` has set; without it one process that holds everything."""
    processes = int(environment.get("WORLD_SIZE", "1"))

    def says(name: str, value: str = "true") -> bool:
        return environment.get(name, "").lower() == value

    if says("ACCELERATE_USE_FSDP"):
        offloads = says("FSDP_OFFLOAD_PARAMS")
        return Sharding("fsdp", processes, offloads_optimizer=offloads, offloads_weights=offloads)
    if says("ACCELERATE_USE_DEEPSPEED"):
        return Sharding(
            _zero(environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")),
            processes,
            offloads_optimizer=says("ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "cpu"),
            offloads_weights=says("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "cpu"),
        )
    return Sharding("ddp" if processes > 1 else "none", processes)


def read_sharding(path: Path) -> Sharding:
    """Return what a configuration file of accelerate asks for; ConfigError if it can't be read."""
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: no configuration of accelerate: {error}") from error
    if not isinstance(data, Mapping):
        raise ConfigError(f"{path}: no configuration of accelerate: expected a mapping")
    processes = int(data.get("num_processes", 1))
    if data.get("distributed_type") == "FSDP":
        offloads = bool(data.get("fsdp_config", {}).get("fsdp_offload_params"))
        return Sharding("fsdp", processes, offloads_optimizer=offloads, offloads_weights=offloads)
    if data.get("distributed_type") == "DEEPSPEED":
        zero = data.get("deepspeed_config", {})
        return Sharding(
            _zero(str(zero.get("zero_stage", 2))),
            processes,
            offloads_optimizer=zero.get("offload_optimizer_device") == "cpu",
            offloads_weights=zero.get("offload_param_device") == "cpu",
        )
    return Sharding("ddp" if processes > 1 else "none", processes)


def _zero(stage: str) -> Kind:
    kinds: dict[str, Kind] = {"0": "ddp", "1": "zero1", "2": "zero2", "3": "zero3"}
    if stage not in kinds:
        raise ConfigError(f"DeepSpeed's zero_stage {stage!r} is none of {', '.join(kinds)}")
    return kinds[stage]
