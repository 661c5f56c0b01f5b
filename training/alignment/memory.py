"""How much memory one process of a run takes on its device, from the model's shape and the config alone: an estimate, by part.

The formulas stand in docs/alignment-budget.md, with what they rest on and what was measured. They hold for the longest sequences
that the config allows, since that batch comes sooner or later. Not counted: the warm start, and what other programs hold.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import Any, Literal

from training.alignment.arguments import EVAL_BATCH
from training.alignment.batches import Batches, batches_of
from training.alignment.config import AlignmentConfig
from training.alignment.device_memory import DeviceMemory
from training.alignment.layer_memory import layer_bytes, mask_bytes, passing_bytes
from training.alignment.model_shape import ModelShape
from training.alignment.precision import Precision, optimizer_bytes, precision_of
from training.alignment.sharding import Sharding

GIB = 1 << 30
_TILE_TOKENS, _TILE_WORDS = 4096, 32768
"""Of the head at a time: TOKEN_CHUNK_SIZE and _CHUNKED_LOGPROB_CHUNK_SIZE of TRL 1.16."""
_LOGIT_COPIES = 4
"""Of the last token's logits while transformers samples: 32-bit logits, scores, probabilities, cumulated."""
_OVERHEAD = {"cuda": 2 * GIB, "cpu": 0}
"""CUDA's context, cuBLAS's and NCCL's buffers, fragments of the allocator."""
_VLLM_OWN = GIB * 3 // 2
"""vLLM's activations and graphs beside weights and cache."""
Generator = Literal["vLLM in the process", "vLLM server", "transformers"]


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of one process on its device; learning, generating and judging take turns."""

    weights: int
    lora: int
    gradients: int
    optimizer: int
    gathered: int
    """Weights of other processes' parts while they are computed with, or a copy of lower precision."""
    activations: int
    logits: int
    kv_cache: int
    """Of transformers, and its prompt's activations."""
    vllm: int
    overhead: int
    held_out: int
    """Of the policy's own probabilities of held-out completions, with which TRL would correct vLLM's."""
    vllm_sleeps: bool = False
    """Whether vLLM gives its memory back while the model learns."""

    @property
    def learning(self) -> int:
        return self._held + self.gradients + self.gathered + self.activations + self.logits + self._vllm_kept

    @property
    def generating(self) -> int:
        return self._held + self.gathered + self.kv_cache + self.vllm

    @property
    def judging(self) -> int:
        return self._held + self.gathered + self.held_out + self._vllm_kept

    @property
    def total(self) -> int:
        """The peak."""
        return max(self.learning, self.generating, self.judging)

    @property
    def _held(self) -> int:
        return self.weights + self.lora + self.optimizer + self.overhead

    @property
    def _vllm_kept(self) -> int:
        return 0 if self.vllm_sleeps else self.vllm


def estimate(
    config: AlignmentConfig,
    shape: ModelShape,
    gpus: int,
    *,
    sharding: Sharding | None = None,
    device: DeviceMemory | None = None,
) -> MemoryEstimate:
    """Return the memory of each of `gpus` processes; 0: one process on the CPU.

    `sharding`: None: whole copies. `device`: of whose memory vLLM takes a share; None: a GPU of 80 GiB.
    """
    sharding = sharding or Sharding("ddp" if gpus > 1 else "none", max(1, gpus))
    kind: Literal["cuda", "cpu"] = "cuda" if gpus else "cpu"
    batches, precision = batches_of(config, sharding.processes), precision_of(config, sharding)
    generator = generator_of(config, gpus=gpus)
    host_weights, host_optimizer = sharding.offloads_weights, sharding.offloads_optimizer
    return MemoryEstimate(
        weights=0 if host_weights else shape.parameters * precision.stored // sharding.weights,
        lora=0 if host_weights else shape.adapters * precision.trained // sharding.weights,
        gradients=_gradients(config, shape.trained, batches, precision, sharding),
        optimizer=0 if host_optimizer else _optimizer(config, shape.trained, precision, sharding),
        gathered=_gathered(config, shape, precision, sharding, generator),
        activations=_activations(config, shape, batches, precision),
        logits=_logits(shape, batches, precision, gpus=gpus),
        kv_cache=_generation(config, shape, batches, precision) if generator == "transformers" else 0,
        vllm=_vllm(config, device.total if device else 80 * GIB) if generator == "vLLM in the process" else 0,
        overhead=_OVERHEAD[kind],
        held_out=_held_out(config, shape, batches, precision, generator, gpus=gpus),
        vllm_sleeps=bool(config.grpo.get("vllm_enable_sleep_mode", False)),
    )


def generator_of(config: AlignmentConfig, *, gpus: int) -> Generator:
    """Return who writes the completions."""
    told = config.run.vllm
    if told == "server":
        return "vLLM server"
    is_there = gpus > 0 and importlib.util.find_spec("vllm") is not None
    return "vLLM in the process" if told == "colocate" or (told == "auto" and is_there) else "transformers"


def kv_bytes(shape: ModelShape, tokens: int, width: int = 2) -> int:
    """Return the size of the keys and values of one sequence."""
    return 2 * shape.layers * shape.keys * tokens * width


def vllm_least(config: AlignmentConfig, shape: ModelShape) -> int:
    """Return what vLLM needs at least in a process: its part of the weights, and the cache of one sequence of full length."""
    width = 4 if config.model.dtype == "float32" else 2
    parts = int(config.grpo.get("vllm_tensor_parallel_size", 1))
    tokens = config.grpo.get("vllm_max_model_length") or batches_of(config, 1).tokens
    return (shape.parameters * width + kv_bytes(shape, int(tokens), width)) // parts + _VLLM_OWN


def _vllm(config: AlignmentConfig, total: int) -> int:
    return int(total * float(config.grpo.get("vllm_gpu_memory_utilization", 0.3)))


def _optimizer(config: AlignmentConfig, trained: int, precision: Precision, sharding: Sharding) -> int:
    is_zero = sharding.kind in ("zero1", "zero2", "zero3")
    per_parameter = optimizer_bytes(
        str(config.grpo.get("optim", "adamw_torch_fused")), 4 if is_zero else precision.trained
    )
    master = 4 if is_zero else 0  # DeepSpeed's own copy of 32 bits
    return int(trained * (per_parameter + master)) // sharding.optimizer


def _gradients(
    config: AlignmentConfig, trained: int, batches: Batches, precision: Precision, sharding: Sharding
) -> int:
    copies = 2 if sharding.kind == "ddp" else 1  # and the buckets in which DDP sends them
    whole = sharding.kind == "fsdp" and batches.accumulation > 1 and not syncs_each_batch(config)
    return trained * precision.trained * copies // sharding.gradients + (trained * 4 if whole else 0)


def syncs_each_batch(config: AlignmentConfig) -> bool:
    """Tell whether gradients are shared out after every batch; else FSDP accumulates them whole on every process."""
    accumulation = (config.grpo.get("accelerator_config") or {}).get("gradient_accumulation_kwargs") or {}
    return bool(accumulation.get("sync_each_batch", False))


def _gathered(
    config: AlignmentConfig, shape: ModelShape, precision: Precision, sharding: Sharding, generator: Generator
) -> int:
    if sharding.weights > 1:
        whole = sharding.kind == "zero3" and generator == "transformers"
        if whole and config.grpo.get("ds3_gather_for_generation", True):
            return shape.parameters * precision.stored
        head = shape.outer * (precision.computed + precision.trained)
        return 2 * shape.largest_layer * precision.computed + head
    is_cast = precision.stored > precision.computed and not shape.adapters
    return shape.parameters * precision.computed if is_cast else 0  # autocast keeps what it has cast


def _activations(config: AlignmentConfig, shape: ModelShape, batches: Batches, precision: Precision) -> int:
    sequences, tokens = batches.per_device, batches.tokens
    layer = sequences * tokens * layer_bytes(shape, precision)
    if config.model.attention == "eager":
        layer += sequences * shape.heads * tokens**2 * (2 * precision.computed + 4)
    mask = sequences * mask_bytes(config, tokens, precision)
    if not checkpoints_activations(config):
        return shape.layers * layer + mask
    kept = shape.layers * sequences * tokens * shape.hidden * precision.passed_on
    return kept + layer + mask


def checkpoints_activations(config: AlignmentConfig) -> bool:
    """Tell whether a layer's activations are computed again on the way back: TRL's default, under either of transformers' names."""
    old = config.grpo.get("gradient_checkpointing", True)
    return bool(config.grpo.get("activation_checkpointing", old))


def _logits(shape: ModelShape, batches: Batches, precision: Precision, *, gpus: int) -> int:
    """TRL multiplies by the head in tiles; without Triton, as on a CPU, in more copies, and for the prompt too."""
    scored = batches.per_device * (batches.completion_tokens if gpus else batches.tokens)
    tiles = _tiles(shape, scored, precision, gpus=gpus)
    head = shape.vocabulary * shape.hidden
    gradients = scored * shape.hidden * (4 + precision.passed_on) + (0 if shape.adapters else head * 4)
    return tiles + gradients


def _tiles(shape: ModelShape, scored: int, precision: Precision, *, gpus: int) -> int:
    tile = min(scored, _TILE_TOKENS) * min(shape.vocabulary, _TILE_WORDS)
    return tile * (precision.computed if gpus else precision.computed + 6 * 4)


def _held_out(
    config: AlignmentConfig,
    shape: ModelShape,
    batches: Batches,
    precision: Precision,
    generator: Generator,
    *,
    gpus: int,
) -> int:
    """Return what one pass over the held-out completions of a batch takes; of its layers only the latest is there."""
    grpo, aligned = config.grpo, batches.accumulation % (batches.per_generation * batches.iterations) == 0
    corrects = generator != "transformers" and grpo.get("vllm_importance_sampling_correction", True)
    if aligned and not corrects and not grpo.get("beta"):
        return 0  # then TRL asks for none
    sequences, tokens = _judged_together(config), batches.tokens
    layer = sequences * (tokens * passing_bytes(shape, precision) + mask_bytes(config, tokens, precision))
    if config.model.attention == "eager":
        layer += sequences * shape.heads * tokens**2 * (precision.computed + 4)
    scored = sequences * (batches.completion_tokens if gpus else tokens)
    return layer + _tiles(shape, scored, precision, gpus=gpus) + scored * shape.hidden * precision.computed


def _judged_together(config: AlignmentConfig) -> int:
    """Return the held-out completions of one process at once: whole groups, as training.alignment.arguments has them."""
    asked, group = int(config.grpo.get("per_device_eval_batch_size", EVAL_BATCH)), config.gold.generations
    return math.ceil(asked / group) * group


def _generation(config: AlignmentConfig, shape: ModelShape, batches: Batches, precision: Precision) -> int:
    sequences = max(batches.per_device * batches.per_generation, _judged_together(config))
    cache = sequences * kv_bytes(shape, batches.tokens, precision.computed)
    sampled = sequences * shape.vocabulary * 4 * _LOGIT_COPIES
    prompts = sequences * batches.prompt_tokens * passing_bytes(shape, precision)
    return cache + cache // shape.layers + max(sampled, prompts)


def as_parts(found: MemoryEstimate) -> dict[str, Any]:
    """Return the object of plan and manifest, bytes by part."""
    names = (
        "weights", "lora", "gradients", "optimizer", "gathered", "activations", "logits", "kv_cache", "vllm", "overhead", "held_out"
    )  # fmt: skip
    return {name: getattr(found, name) for name in (*names, "learning", "generating", "judging", "total")}
