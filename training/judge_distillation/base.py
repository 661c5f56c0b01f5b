"""The model that training begins with: a folder of a BERT encoder, checked before anything is read of the rows."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError
from agent.small_judge.folder import TOKENIZER_FILE, file_digest
from agent.small_judge.reading import Layout
from principles_store.embedding import DEFAULT_MODEL, default_model_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
DROPOUT = 0.1
"""Of hidden states alone: dropout of attention forbids the fused kernel, which makes training on a CPU three times as slow."""


@dataclass(frozen=True)
class Base:
    """A model to begin with."""

    folder: Path
    name: str
    """The model's name with the hash of its weights; no path."""

    @property
    def tokenizer_file(self) -> Path:
        """Return the tokenizer's file."""
        return self.folder / TOKENIZER_FILE

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer as `PairReader` wants it: it neither cuts nor pads."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def model(self, *, weights: Path | None = None, device: str = "cpu") -> PreTrainedModel:
        """Return the model with one output, of random weights, or with all of its weights from a folder of `weights`.

        Raises ConfigError where it can't be loaded.
        """
        from transformers import AutoModelForSequenceClassification
        from transformers.utils import logging as transformers_logging

        source = weights or self.folder
        level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity(logging.ERROR)  # it tells that the output's weights are new, which they are
        try:
            model: Any = AutoModelForSequenceClassification.from_pretrained(
                source,
                num_labels=1,
                attention_probs_dropout_prob=0.0,
                hidden_dropout_prob=DROPOUT,
                dtype="float32",
                local_files_only=True,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(f"{source}: the model can't be loaded: {str(error).splitlines()[0]}") from error
        finally:
            transformers_logging.set_verbosity(level)
        return model.to(device).eval()  # type: ignore[no-any-return]


def open_base(folder: Path | None, layout: Layout) -> Base:
    """Return the base model, the project's encoder for None; raises ConfigError for one that can't read pairs of `layout`."""
    if folder is None:
        folder, name = default_model_folder(), DEFAULT_MODEL
    else:
        folder = folder.resolve()
        name = folder.name
    for file in (_CONFIG, _WEIGHTS, TOKENIZER_FILE):
        if not (folder / file).is_file():
            raise ConfigError(
                f"{folder}: there is no {file} in it; name the folder of a BERT model with a fast tokenizer"
            )
    if fault := _fault(_read_config(folder / _CONFIG), layout):
        raise ConfigError(f"{folder}: {fault}")
    return Base(folder, f"{name}@{file_digest(folder / _WEIGHTS)[:12]}")


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: can't be read: {error}") from error
    return config if isinstance(config, dict) else {}


def _fault(config: dict[str, Any], layout: Layout) -> str:
    """Tell why the model can't be trained on; empty if it can."""
    if (kind := config.get("model_type")) != "bert":
        return f"is a model of type {kind!r}; a small judge is made of a BERT encoder"
    if int(config.get("type_vocab_size", 2)) < 2:
        return "has one type of token, and tells a criterion from an answer by two; name another BERT model"
    if (most := int(config.get("max_position_embeddings", 512))) < layout.window:
        return f"reads {most} tokens and the window has {layout.window}; make it --window {most} or less"
    return ""
