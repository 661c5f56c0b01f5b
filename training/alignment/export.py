"""A checkpoint becomes a plain transformers folder that any server loads; LoRA adapters are merged into the weights.

Only the weights are the checkpoint's. Config, tokenizer, chat template and generation config are those of the model that training
began with: a trainer switches caches off, moves the padding and edits the special tokens for its own ends, and none of it is meant
for a server. Weights that don't fit, or are no numbers, are refused: transformers would fill the gaps at random, with a warning.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.batch.disk import sync_folder
from agent.errors import ConfigError
from training.alignment.unshared import built_unshared

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

ADAPTER = "adapter_model.safetensors"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_SHARDS = {
    "pytorch_model_fsdp*": "set fsdp_state_dict_type: FULL_STATE_DICT in the accelerate file",
    "global_step*": "set zero3_save_16bit_model: true in the accelerate file",
}
"""What FSDP and DeepSpeed leave in a checkpoint when every process keeps its own part, and how to have them keep it whole."""


def export_best(checkpoint: Path, base: str, folder: Path, *, dtype: str | torch.dtype) -> None:
    """Write `checkpoint` to `folder` as a model that can be served, in one step: what was there before stays until then.

    `base` is the folder or hub ID that training began with. Raises ConfigError where the checkpoint has no whole weights of that
    model, or the disk refuses.
    """
    is_adapter = _is_adapter(checkpoint)
    config, others = _read_base(base)
    with built_unshared():
        model = (
            _merged(_load(base, config, dtype), checkpoint)
            if is_adapter
            else _load(str(checkpoint), config, dtype, base=base)
        )
    _check_finite(model, checkpoint)
    try:
        with replacing_folder(folder) as new:
            for part in (model, *others):
                part.save_pretrained(new)
    except OSError as error:
        raise ConfigError(
            f"can't write {folder}: {error.strerror or error}; make room there or get the right to write, then train --resume"
        ) from error


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of `folder` once the block has ended well."""
    new, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    _tidy(folder, new, old)
    new.mkdir(parents=True)
    try:
        yield new
        _sync(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        sync_folder(folder.parent)
    finally:
        _tidy(folder, new, old)


def _tidy(folder: Path, new: Path, old: Path) -> None:
    """Remove what is of no more use; where a kill or the disk came between the two renames, the old folder still is."""
    if old.exists() and not folder.exists():
        old.rename(folder)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Have the files outlive a power cut, before anything of them is named."""
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    sync_folder(folder)


def _is_adapter(checkpoint: Path) -> bool:
    if (checkpoint / ADAPTER).is_file():
        return True
    if any((checkpoint / name).is_file() for name in _WEIGHTS):
        return False
    remedy = next((remedy for pattern, remedy in _SHARDS.items() if any(checkpoint.glob(pattern))), None)
    if remedy:
        raise ConfigError(f"{checkpoint}: has its weights in one part per process; {remedy}, then train --resume")
    raise ConfigError(f"{checkpoint}: has neither {_WEIGHTS[0]} nor {ADAPTER}; name a checkpoint-N of a training run")


def _read_base(base: str) -> tuple[PretrainedConfig, list[Any]]:
    """Return the base's config, and its tokenizer and generation config: all of it but the weights."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    try:
        config = AutoConfig.from_pretrained(base)
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{base}: the model that training began with can't be read: {_first_line(error)}") from error
    try:
        generation = GenerationConfig.from_pretrained(base)
    except OSError:  # it has none: transformers makes one of the config
        generation = GenerationConfig.from_model_config(config)
    config.use_cache = True  # off in what a trainer has saved; without it every token reads the whole text
    return config, [tokenizer, generation]


def _load(
    weights: str, config: PretrainedConfig, dtype: str | torch.dtype, *, base: str | None = None
) -> PreTrainedModel:
    """Return the model of `config` with all weights found in `weights`; ConfigError if any is missing, odd or of another shape."""
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            weights, config=config, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{weights}: its weights can't be read: {_first_line(error)}; name another checkpoint"
        ) from error
    model, info = loaded
    strange = sorted({*info["missing_keys"], *info["unexpected_keys"], *(name for name, *_ in info["mismatched_keys"])})
    if strange:
        _refuse(weights, base or weights, strange)
    return model  # type: ignore[no-any-return]


def _merged(model: PreTrainedModel, checkpoint: Path) -> PreTrainedModel:
    """Return the model with a checkpoint's adapters added to its weights; ConfigError if any has no place there, or isn't there."""
    from peft import PeftConfig, PeftModel

    base = str(model.config.name_or_path)
    try:
        adapted: Any = PeftModel(model, PeftConfig.from_pretrained(str(checkpoint)))
        found = adapted.load_adapter(str(checkpoint), "default", torch_device="cpu")
    except (RuntimeError, ValueError) as error:  # other shapes, other modules
        raise ConfigError(f"{checkpoint}: its adapters are not for {base}: {_first_line(error)}") from error
    if strange := sorted({*found.missing_keys, *found.unexpected_keys}):
        _refuse(str(checkpoint), base, strange)
    _untie_adapted_head(adapted)
    return adapted.merge_and_unload()  # type: ignore[no-any-return]


def _untie_adapted_head(adapted: Any) -> None:
    """Give the output layer weights of its own where it shares the input's and either has adapters: merging would move both."""
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    ends = adapted.get_input_embeddings(), adapted.get_output_embeddings()
    layers: list[Any] = [end.get_base_layer() if isinstance(end, BaseTunerLayer) else end for end in ends]
    source, head = layers
    if head.weight is source.weight and any(isinstance(end, BaseTunerLayer) for end in ends):
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
        adapted.config.tie_word_embeddings = False


def _refuse(weights: str, base: str, strange: Collection[str]) -> None:
    first = next(iter(strange))
    raise ConfigError(
        f"{weights}: its weights are not those of {base}: {len(strange)} missing, unknown or of another shape, "
        f"{first!r} first; name the model that training began with"
    )


def _check_finite(model: PreTrainedModel, checkpoint: Path) -> None:
    import torch

    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise ConfigError(
                f"{checkpoint}: weight {name!r} holds values that are no numbers: training has diverged; "
                "lower grpo.learning_rate, or go back to an earlier checkpoint"
            )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
