"""The conversation: messages that end with a user turn, and the views of it that others compare and match.

Checked here once, at the edge; everything behind takes a valid one for granted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from principles_store.errors import ClinAlignError

MAX_CHARACTERS = 200_000
"""Of all messages together; far above any real conversation, far below what would stall a machine."""
VIEW_CHARACTERS = 1_200
"""Of a text given to the embedding model, about its 256 tokens."""


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Message(TypedDict):
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: str


Conversation = Sequence[Message]


class ConversationError(ClinAlignError):
    """The input isn't a conversation that an answer can be given to."""


def parse_conversation(data: Any) -> list[Message]:
    """Return a valid conversation from a question (str) or a list of messages.

    A message is a mapping with role and content, a (role, content) pair, or a LangChain message. Raises ConversationError.
    """
    if isinstance(data, str):
        data = [{"role": "user", "content": data}]
    if not isinstance(data, Sequence) or not data:
        raise ConversationError("a conversation is a question or a non-empty list of {role, content} messages")
    messages = [_message(item, number) for number, item in enumerate(data, start=1)]
    if messages[-1]["role"] != "user":
        raise ConversationError(
            f"the conversation ends with a turn of role {messages[-1]['role']!r}; it must end with the user's question "
            "(give an answer to be revised as the draft)"
        )
    if not messages[-1]["content"].strip():
        raise ConversationError("the last user turn is empty; write a question")
    total = sum(len(message["content"]) for message in messages)
    if total > MAX_CHARACTERS:
        raise ConversationError(f"the conversation has {total:,} characters, more than {MAX_CHARACTERS:,}; shorten it")
    return messages


def _message(item: Any, number: int) -> Message:
    if isinstance(item, Mapping):
        role, content = item.get("role"), item.get("content")
    elif isinstance(item, tuple) and len(item) == 2:
        role, content = item
    else:  # LangChain messages carry `type` and `content`
        role, content = getattr(item, "type", None), getattr(item, "content", None)
    role = {"human": "user", "ai": "assistant", "developer": "system"}.get(str(role), role)
    if role not in ("system", "user", "assistant"):
        raise ConversationError(f"message {number}: role {role!r} is not one of system, user, assistant")
    if isinstance(content, list):  # OpenAI's and LangChain's content parts
        content = "".join(_text_of(part, f"message {number}", drops_others=role == "assistant") for part in content)
    if not isinstance(content, str):
        raise ConversationError(f"message {number}: content must be text, found {type(content).__name__}")
    if _LONE_SURROGATE.search(content):
        raise ConversationError(
            f"message {number}: half a character in it (a lone surrogate); decode it as UTF-8 first"
        )
    return {"role": cast(Literal["system", "user", "assistant"], role), "content": content}


def _text_of(part: Any, where: str, *, drops_others: bool) -> str:
    """Return a content part's text. Others (a picture) are refused, since an answer would rest on what nobody has seen.

    `drops_others`: a model's reasoning and tool calls are no part of what it said.
    """
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if kind == "text" and isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return cast(str, part["text"])
    if kind == "text":
        raise ConversationError(f"{where}: a part is {{type: text, text: TEXT}}, its text is none")
    if drops_others:
        return ""
    raise ConversationError(
        f"{where}: a part of type {kind!r} can't be read, only text; leave it out, or say in words what it is"
    )


def last_turn(conversation: Conversation) -> str:
    """Return the user's last message."""
    return conversation[-1]["content"]


def user_text(conversation: Conversation) -> str:
    """Return all user turns, oldest first."""
    return "\n".join(message["content"] for message in conversation if message["role"] == "user")


def query_texts(conversation: Conversation) -> list[str]:
    """Return the texts whose meaning stands for the conversation: the last turn, and all user turns if there are more."""
    turns = sum(message["role"] == "user" for message in conversation)
    texts = [_clipped(last_turn(conversation))]
    return texts if turns == 1 else [*texts, user_text(conversation)[-VIEW_CHARACTERS:]]


def _clipped(text: str) -> str:
    """Return head and tail of a long text: what is pasted often comes before or after what is asked."""
    half = VIEW_CHARACTERS // 2
    return text if len(text) <= VIEW_CHARACTERS else f"{text[:half]}\n{text[-half:]}"
