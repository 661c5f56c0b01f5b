"""The two responses of a row, and the conversation where it is only told by what both begin with.

TRL's preference formats, standard and conversational, with explicit and implicit prompt; the "\\n\\nHuman: … \\n\\nAssistant: …"
texts of Anthropic's hh-rlhf; and responses that are named a and b.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import InputError
from principles_store.conversation import ConversationError, Message, parse_conversation

_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):[ \n]?")
_ROLES = {"Human": "user", "Assistant": "assistant"}


@dataclass(frozen=True)
class Pair:
    """A conversation and its two responses."""

    conversation: list[Message]
    responses: list[dict[str, str]]
    """Each with text and source."""
    is_ordered: bool
    """Whether the first is the preferred one."""


def pair_of(row: Mapping[str, Any], prompt: list[Message] | None) -> Pair:
    """Return the pair of a row; `prompt`: None where it has to be found in the responses."""
    if row.get("chosen") is not None or row.get("rejected") is not None:
        names, given = ("chosen", "rejected"), [row.get("chosen"), row.get("rejected")]
    elif isinstance(row.get("responses"), list | tuple):
        names, given = ("responses.0", "responses.1"), list(row["responses"])
    else:
        names, given = ("response_a", "response_b"), [row.get("response_a"), row.get("response_b")]
    if len(given) != 2:
        raise InputError(f"responses: {len(given)} of them; a preference needs two")
    if missing := [name for name, value in zip(names, given, strict=True) if value is None]:
        raise InputError(f"{missing[0]} is missing; a preference needs two responses")
    if prompt is None:
        prompt, given = _implicit(given)
    told = [_response(value, name, prompt) for name, value in zip(names, given, strict=True)]
    return Pair(prompt, told, is_ordered=names[0] == "chosen")


def _response(value: Any, name: str, prompt: Sequence[Message]) -> dict[str, str]:
    """Return a text, or the one message of the assistant that follows the prompt."""
    source = ""
    if isinstance(value, Mapping) and "text" in value:
        value, source = value["text"], value.get("source") or ""
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, list | tuple):
        value = _last_message(value, name, prompt)
    if not isinstance(value, str) or not isinstance(source, str):
        raise InputError(f"{name} must be a text or a list of messages, found {type(value).__name__}")
    if not value.strip():
        raise InputError(f"{name} is empty")
    return {"text": value, "source": source}


def _last_message(messages: Sequence[Any], name: str, prompt: Sequence[Message]) -> Any:
    if not all(isinstance(item, Mapping) and isinstance(item.get("content"), str) for item in messages):
        raise InputError(f"{name} must be a text or a list of messages with role and content")
    said = [(_role(item), item["content"]) for item in messages]
    begun = [(item["role"], item["content"]) for item in prompt]
    rest = said[len(begun) :] if said[: len(begun)] == begun else said
    if [role for role, _ in rest] != ["assistant"]:
        roles = ", ".join(role for role, _ in rest) or "nothing"
        raise InputError(f"{name}: after the prompt one message of the assistant must follow, found {roles}")
    return rest[0][1]


def _role(message: Mapping[str, Any]) -> str:
    role = str(message.get("role"))
    return {"human": "user", "ai": "assistant", "developer": "system"}.get(role, role)


def _implicit(given: Sequence[Any]) -> tuple[list[Message], list[Any]]:
    """Return the prompt that both responses begin with, and what follows it in each."""
    first, second = (_turns(value) for value in given)
    count = 0
    while count < min(len(first), len(second)) - 1 and first[count] == second[count]:
        count += 1
    if not count:
        raise InputError("no prompt, and the two responses don't begin with the same turns; add prompt")
    try:
        return parse_conversation(first[:count]), [first[count:], second[count:]]
    except ConversationError as error:
        raise InputError(f"what both responses begin with is no prompt: {error}") from error


def _turns(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
        return list(value)
    if isinstance(value, str) and _TURN.match(value):
        parts = _TURN.split(value)[1:]
        return [{"role": _ROLES[role], "content": text} for role, text in zip(parts[::2], parts[1::2], strict=True)]
    raise InputError("no prompt, and the responses are no lists of messages that begin with it; add prompt")
