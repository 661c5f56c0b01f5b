"""Messages to tokens, by a model's own tokenizer and chat template; leaves out text that comes back (`in_process.py`)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from langchain_core.messages import BaseMessage

from agent.errors import ConfigError

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class RequestError(ValueError):
    """A request that the engine does not take; told apart by its status, as a server's would be."""

    status_code = 400


@dataclass(frozen=True)
class ChatTokens:
    """A model's tokenizer with its chat template; safe to use from several threads, which tokenizers are not."""

    tokenizer: Any
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def encode_chat(self, turns: list[dict[str, str]]) -> list[int]:
        """Return the prompt of a conversation; a template without a system turn gets it in front of the first user turn."""
        with self.lock:
            try:
                text = self._render(turns)
            except TemplateError as error:  # raised by the template itself, in whatever words
                merged = _without_system(turns)
                if merged == turns:
                    raise RequestError(f"the model's chat template refuses these messages: {error}") from error
                text = self._render(merged)
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        with self.lock:
            return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, turns: list[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def check_folder(model: str) -> str:
    """Return the folder's path or the hub's ID; raise ConfigError for a folder that is missing or holds no model."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ConfigError(f"folder {model!r} is no model: it has no config.json")
        return str(folder)
    if folder.exists() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ConfigError(f"{model!r} is no folder; name one with config.json, weights and tokenizer, or a hub ID")
    return model


def chat_tokens(tokenizer: Any, model: str) -> ChatTokens:
    """Return the tokenizer for chats; raise ConfigError if it has no chat template."""
    if not getattr(tokenizer, "chat_template", None):
        raise ConfigError(f"{model!r} has no chat template: it is a base model; take one that is tuned to chat")
    return ChatTokens(tokenizer)


def as_turn(message: BaseMessage) -> dict[str, str]:
    """Return a message as chat templates take it; raise RequestError for what is more than text."""
    role = _ROLES.get(message.type)
    if role is None:
        raise RequestError(f"a message of type {message.type!r} can't be given to a model in process")
    if isinstance(message.content, list):
        kinds = {part.get("type") for part in message.content if isinstance(part, dict)}
        if strange := kinds - {"text"}:
            raise RequestError(f"a model in process takes text alone, found a part of type {strange.pop()!r}")
    return {"role": role, "content": str(message.text)}


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the turns with the system's text at the head of the first user turn."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    others = [dict(turn) for turn in turns if turn["role"] != "system"]
    if system and others and others[0]["role"] == "user":
        others[0]["content"] = "\n\n".join([*system, others[0]["content"]])
        return others
    return turns
