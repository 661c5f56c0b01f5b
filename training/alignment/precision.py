"""How many bytes a number takes in weights, in what is trained, in activations, and in the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training.alignment.config import AlignmentConfig
from training.alignment.sharding import Sharding


@dataclass(frozen=True, slots=True)
class Precision:
    """Bytes of one number."""

    stored: int
    """In weights as they are loaded."""
    trained: int
    """In weights that are trained."""
    computed: int
    """In activations."""
    passed_on: int
    """Between layers."""


def precision_of(config: AlignmentConfig, sharding: Sharding) -> Precision:
    """Return the sizes of numbers: what is trained is kept in 32 bits, what is computed is in model.dtype, and so is LoRA's base.

    DeepSpeed keeps weights in model.dtype, and its copy in 32 bits with the optimizer's moments.
    """
    computed = 4 if config.model.dtype == "float32" else 2
    is_zero = sharding.kind in ("zero1", "zero2", "zero3")
    own = computed if is_zero else 4
    is_lora = config.lora is not None
    keeps_low = is_lora or is_zero or sharding.kind == "fsdp"
    return Precision(computed if is_lora else own, own, computed, computed if keeps_low else 4)


def optimizer_bytes(name: str, trained: int) -> float:
    """Return what an optimizer of this name keeps per parameter of `trained` bytes.

    Two moments of the parameter's own precision for Adam and all that isn't known here; bitsandbytes' take one byte each.
    """
    kinds: Mapping[str, float] = {"adafactor": 0.1, "sgd": 0, "rmsprop": trained, "adagrad": trained, "lion": trained}
    name = name.removeprefix("paged_")
    family = next((family for family in kinds if name.startswith(family)), None)
    moments = 1 if family == "lion" or name.startswith("rmsprop_bnb") else 2
    if "8bit" in name:
        return moments
    if "4bit" in name:
        return moments / 2
    return kinds[family] if family else 2 * trained
