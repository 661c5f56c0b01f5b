"""Checkpoints as a trainer leaves them, of tiny models whose weights were moved as if they had been trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tiny_qwen3 import build_tiny_qwen3


def load(folder: Path, dtype: str = "float32") -> Any:
    """Return the causal language model of a folder."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


def logits(model: Any) -> Any:
    """Return what a model says of one text, (1, T, V), in evaluation."""
    import torch

    with torch.inference_mode():
        return model.eval()(torch.arange(3, 40)[None]).logits.float()


def build_tiny_moe(folder: Path) -> Path:
    """Write a Qwen3-MoE of four experts with the tiny Qwen3's tokenizer."""
    import torch
    from transformers import AutoTokenizer, Qwen3MoeConfig, Qwen3MoeForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(build_tiny_qwen3(folder))
    config = Qwen3MoeConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        moe_intermediate_size=32,
        num_experts=4,
        num_experts_per_tok=2,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen3MoeForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def full_checkpoint(base: Path, folder: Path, dtype: str = "float32") -> Any:
    """Write a checkpoint of all weights, and a tokenizer and a config changed as trainers do; return the trained model."""
    import torch
    from transformers import AutoTokenizer

    model = load(base, dtype)
    _move(model, "")
    model.config.use_cache = False
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    tokenizer.chat_template = "{# for training #}" + tokenizer.chat_template
    tokenizer.save_pretrained(folder)
    torch.save({"step": 1}, folder / "optimizer.pt")
    return model


def lora_checkpoint(base: Path, folder: Path, dtype: str = "float32", **options: Any) -> Any:
    """Write a checkpoint of adapters alone; return the adapted model."""
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(load(base, dtype), LoraConfig(**({"r": 4, "target_modules": "all-linear"} | options)))
    _move(adapted, "default")
    adapted.save_pretrained(folder)
    return adapted


def copy_of(folder: Path, to: Path) -> Path:
    """Return a copy that a test may spoil."""
    return Path(shutil.copytree(folder, to))


def _move(model: Any, part: str) -> None:
    import torch

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for name, weight in model.named_parameters():
            if part in name:
                weight.add_(0.05 * torch.randn_like(weight))
