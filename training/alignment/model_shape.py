"""What of a model decides how much memory its training takes, read from its config.json; no weights are loaded.

Parameters are counted on the model itself, built without storage (PyTorch's meta device), so that every architecture that
transformers knows, and every choice of LoRA's targets that peft understands, is counted exactly.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.chat_tokens import check_folder
from agent.errors import ConfigError
from training.alignment.unshared import built_unshared

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Counts and widths of a decoder."""

    kind: str
    """model_type of config.json."""
    parameters: int
    """Without adapters; tied ones once."""
    adapters: int
    """Parameters of LoRA; 0: all parameters are trained."""
    largest_layer: int
    """Parameters."""
    outer: int
    """Parameters outside the layers: embedding, head, last norm."""
    layers: int
    hidden: int
    heads: int
    key_heads: int
    head_size: int
    feed_forward: int
    """Width in which one token is computed: of all its experts together in a mixture of experts."""
    experts_per_token: int
    """0: dense."""
    vocabulary: int
    context_tokens: int

    @property
    def trained(self) -> int:
        """Parameters that are trained."""
        return self.adapters or self.parameters

    @property
    def queries(self) -> int:
        return self.heads * self.head_size

    @property
    def keys(self) -> int:
        """Width of the keys of a layer, and of its values."""
        return self.key_heads * self.head_size


def read_shape(model: str, lora: Mapping[str, Any] | None = None) -> ModelShape:
    """Return the shape of a folder with a config.json, or of a hub ID; ConfigError if it is no model that can be trained.

    `lora`: keys of peft's LoraConfig; None: all weights are trained.
    """
    config = _config(model)
    text = config.get_text_config()
    empty = _empty_model(config, model)
    parameters = _count(empty)
    layers = [_count(layer) for layer in _layers(empty, text.num_hidden_layers, model)]
    experts = int(getattr(text, "num_experts_per_tok", 0) or 0)
    width = text.moe_intermediate_size * experts if experts else text.intermediate_size
    heads = text.num_attention_heads
    return ModelShape(
        kind=config.model_type,
        parameters=parameters,
        adapters=_count_adapters(empty, lora) if lora is not None else 0,
        largest_layer=max(layers),
        outer=parameters - sum(layers),
        layers=len(layers),
        hidden=text.hidden_size,
        heads=heads,
        key_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_size=getattr(text, "head_dim", None) or text.hidden_size // heads,
        feed_forward=width,
        experts_per_token=experts,
        vocabulary=text.vocab_size,
        context_tokens=int(getattr(text, "max_position_embeddings", 0) or 0),
    )


def _config(model: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(check_folder(model))
    except (OSError, ValueError, KeyError) as error:
        told = str(error).partition("\n")[0]
        raise ConfigError(
            f"model.path: {model!r} is no model of transformers ({told}); name a folder with config.json, weights and "
            "tokenizer, or the ID of one that has been fetched"
        ) from error


def _empty_model(config: Any, model: str) -> nn.Module:
    import torch
    from transformers import AutoModelForCausalLM

    build: Any = AutoModelForCausalLM.from_config
    try:
        with built_unshared(), torch.device("meta"):
            empty: nn.Module = build(config)
    except (ValueError, AttributeError) as error:
        told = str(error).partition("\n")[0]
        raise ConfigError(f"model.path: {model!r} generates no text ({told}); name a causal language model") from error
    return empty


def _layers(model: nn.Module, layers: int, name: str) -> list[nn.Module]:
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return list(module)
    raise ConfigError(f"model.path: {name!r} has no list of {layers} layers, so its memory can't be estimated")


def _count_adapters(model: nn.Module, lora: Mapping[str, Any]) -> int:
    """Return how many parameters peft would train; the model is spoilt by it."""
    import torch
    from peft import LoraConfig, get_peft_model

    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said again when the run opens its model
            adapted = get_peft_model(
                model, LoraConfig(**{"target_modules": "all-linear", **lora, "init_lora_weights": False})
            )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"lora: {str(error).partition(chr(10))[0]}") from error
    return sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
