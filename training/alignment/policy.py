"""The model that is trained, before training: where it is, how it reads a conversation, what ends its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError
from principles_store.conversation import Message
from training.alignment.config import TINY, AlignmentConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def base_model(config: AlignmentConfig) -> str:
    """Return the folder or hub ID of the model; the tiny one is made in the run folder, once."""
    if config.model.path != TINY:
        return config.model.path
    folder = config.run.output / TINY
    if not (folder / "config.json").exists():  # written before the weights, but the making takes a second
        from training.alignment.tiny import build_tiny

        build_tiny(folder, seed=config.run.seed)
    return str(folder)


def open_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer, with a chat template; ConfigError when there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            model, padding_side="left", truncation_side="left"
        )
    except (OSError, ValueError, KeyError) as error:
        kind = "folder" if Path(model).is_dir() else "folder, nor an ID of a model that is downloaded or can be"
        first = str(error).strip().partition("\n")[0]
        raise ConfigError(f"model.path {model!r}: is no model {kind}: {first}") from error
    if tokenizer.chat_template is None:
        raise ConfigError(
            f"model.path {model!r}: has no chat template; take an instruct model, or add chat_template.jinja"
        )
    return tokenizer


def token_counter(tokenizer: PreTrainedTokenizerBase, config: AlignmentConfig) -> Callable[[Sequence[Message]], int]:
    """Return the length of a conversation as the policy reads it, in tokens."""
    kwargs: dict[str, Any] = config.grpo.get("chat_template_kwargs", {})

    def count_tokens(conversation: Sequence[Message]) -> int:
        messages: Any = list(conversation)
        told = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **kwargs)
        return len(told)

    return count_tokens


def end_tokens(model: str, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokens that end an answer, as TRL takes them: the tokenizer's, and all of the model's generation config."""
    from transformers import GenerationConfig

    try:
        named = GenerationConfig.from_pretrained(model).eos_token_id
    except OSError:  # a folder without a generation config
        named = None
    ends = [named] if isinstance(named, int) else list(named or [])
    return frozenset([*ends, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])])
