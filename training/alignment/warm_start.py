"""What is learnt before GRPO: the answers that a config names, as SFT takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from agent.errors import ConfigError
from principles_store.conversation import Message
from training.alignment.config import TINY, AlignmentConfig
from training.alignment.warm_rows import Answered, read_answers, shipped_answers


def answers(
    config: AlignmentConfig, held_out: Iterable[Sequence[Message]] = ()
) -> Iterator[tuple[list[Message], Message]]:
    """Yield conversations with the answers to learn; the system message is that of training.

    Answers to questions of `held_out` are left out: gold would measure what was learnt by heart. ConfigError if none is left.
    """
    check_answers(config)
    asked = {json.dumps(conversation, sort_keys=True) for conversation in held_out}
    left = False
    for conversation, answer in _told(config):
        question = _with_system(conversation, config.data.system)
        if json.dumps(question, sort_keys=True) not in asked:
            left = True
            yield question, {"role": "assistant", "content": answer}
    if config.warm_start and not left:
        raise ConfigError(
            "warm_start.files answer held-out questions alone; give answers to questions that are trained on"
        )


def _told(config: AlignmentConfig) -> Iterator[Answered]:
    warm = config.warm_start
    for path in warm.files if warm else ():
        yield from read_answers(path, accepted_only=bool(warm and warm.accepted_only))
    if warm and not warm.files:
        yield from shipped_answers(config.run.seed)


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
