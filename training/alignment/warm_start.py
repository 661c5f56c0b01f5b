"""What is learnt before GRPO: the answers that a config names, as SFT takes them."""

from __future__ import annotations

from collections.abc import Iterator

from agent.errors import ConfigError
from principles_store.conversation import Message
from training.alignment.config import TINY, AlignmentConfig
from training.alignment.warm_rows import read_answers, shipped_answers


def answers(config: AlignmentConfig) -> Iterator[tuple[list[Message], Message]]:
    """Yield conversations with the answers to learn; the system message is that of training."""
    check_answers(config)
    warm = config.warm_start
    if warm is None:
        return
    for path in warm.files:
        for conversation, answer in read_answers(path, accepted_only=warm.accepted_only):
            yield _with_system(conversation, config.data.system), {"role": "assistant", "content": answer}
    if not warm.files:
        for conversation, answer in shipped_answers(config.run.seed):
            yield _with_system(conversation, config.data.system), {"role": "assistant", "content": answer}


def check_answers(config: AlignmentConfig) -> None:
    """Refuse a warm start on nothing; the tiny model alone learns from shipped sentences."""
    warm = config.warm_start
    if warm is None:
        return
    if not warm.files and config.model.path != TINY:
        raise ConfigError("warm_start.files names no answers; name some, or leave [warm_start] out")
    for path in warm.files:
        if not path.is_file():
            raise ConfigError(f"warm_start.files: {path} is no file")


def _with_system(conversation: list[Message], system: str | None) -> list[Message]:
    if system is None or any(message["role"] == "system" for message in conversation):
        return list(conversation)
    return [{"role": "system", "content": system}, *conversation]
