"""One request to a chat model, and what came of it; retries, limits and records are `chat_attempts.py`'s.

Here is what differs between providers: how a schema and a bound on the output are sent, where usage and the reason to stop
stand.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import RunnableConfig

from agent.events import DraftToken
from agent.faults import WHAT_TO_DO, Diagnosis
from agent.thinking import ThinkingFilter

# langchain-openai's advice on rejected schemas is for another interface; what we do then, chat_attempts.py says.
warnings.filterwarnings("ignore", message=".*OpenAI's structured output feature", category=UserWarning)
_STOPPED_SHORT = {"length", "max_tokens", "max_output_tokens", "incomplete"}
_BROKE_OFF = {"error", "abort"}
_REFUSED = {"content_filter", "refusal", "safety", "prohibited_content", "blocklist", "recitation", "spii"}


@dataclass(frozen=True)
class Question:
    """What is asked, in the terms of any provider."""

    messages: Sequence[BaseMessage]
    max_tokens: int
    schema: Mapping[str, Any] | None = None
    schema_name: str = ""


@dataclass
class Reply:
    """What the model said, as far as it has come."""

    text: str = ""
    """The visible part; thinking is not in it."""
    refusal: str = ""
    finish_reason: str = ""
    """stop, length, refusal, or the provider's own word; empty: it broke off."""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    said_characters: int = 0
    """With thinking."""
    metadata: dict[str, Any] = field(default_factory=dict)


async def ask_once(
    model: BaseChatModel,
    question: Question,
    *,
    config: RunnableConfig,
    show: Callable[[DraftToken], None] | None,
    sends_schema: bool,
) -> Reply:
    """Ask once and return the whole reply; its visible pieces go to `show` as they come.

    Where nobody wants the pieces, nothing is streamed: at many runs at once, handling every token costs more than all else.
    """
    reply, thinking = Reply(), ThinkingFilter()

    def take(token: DraftToken | None) -> None:
        if token:
            reply.text = token.text if token.restart else reply.text + token.text
            if show is not None:
                show(token)

    arguments = _length_bound(model, question)
    if sends_schema:
        arguments |= _schema_arguments(model, question)
    async with contextlib.aclosing(_pieces(model, question, config, arguments, is_streamed=show is not None)) as pieces:
        async for piece in pieces:
            text = str(piece.text)
            reply.said_characters += len(text)
            take(thinking.feed(text))
            _add_facts(reply, piece, is_cumulative=is_openai(model))
    take(thinking.finish())
    reply.text = reply.text.strip()
    reply.finish_reason = _finish_reason(reply)
    return reply


async def _pieces(
    model: BaseChatModel, question: Question, config: RunnableConfig, arguments: dict[str, Any], *, is_streamed: bool
) -> AsyncGenerator[AIMessage, None]:
    if not is_streamed:
        yield await model.ainvoke(list(question.messages), config, **arguments)
        return
    chunks = cast("AsyncGenerator[AIMessageChunk]", model.astream(list(question.messages), config, **arguments))
    async with contextlib.aclosing(chunks) as stream:
        async for chunk in stream:
            yield chunk


def trouble_with(reply: Reply, question: Question) -> Diagnosis | None:
    """Return why a whole reply can't be used, or None."""
    if reply.finish_reason == "refusal":
        said = f" (it said: {' '.join((reply.refusal or reply.text).split())[:200]})"
        return Diagnosis("refusal", WHAT_TO_DO["refusal"] + said)
    if reply.finish_reason == "length" and (question.schema is not None or not reply.text):
        return Diagnosis("cut-off reply", WHAT_TO_DO["cut-off reply"])
    if not reply.text:
        return Diagnosis("empty reply", WHAT_TO_DO["empty reply"], is_retryable=True)
    return None


def is_openai(model: BaseChatModel) -> bool:
    """Tell whether a model speaks OpenAI's protocol through langchain-openai; asked by name, the package is optional."""
    return any(kind.__name__ == "BaseChatOpenAI" for kind in type(model).__mro__)


def speaks_completions(model: BaseChatModel) -> bool:
    """Tell whether a model is asked by OpenAI's chat completions; a whole reply then always has a reason to stop."""
    return is_openai(model) and not _uses_responses_api(model)


def takes_schema(model: BaseChatModel) -> bool:
    """Tell whether a JSON schema can be sent with a request to this model."""
    return is_openai(model) or bool(getattr(model, "takes_response_format", False))


def _length_bound(model: BaseChatModel, question: Question) -> dict[str, Any]:
    name = next((name for name in ("max_tokens", "max_output_tokens") if name in type(model).model_fields), None)
    return {name: question.max_tokens} if name else {}


def _schema_arguments(model: BaseChatModel, question: Question) -> dict[str, Any]:
    """Return how the schema is sent.

    langchain-openai takes `response_format` over openai's parser, which hides replies that were cut off behind errors of its
    own and, streaming, rebuilds the reply with every token. In `extra_body` the same field reaches the server without that.
    """
    described = {"name": question.schema_name, "schema": question.schema, "strict": True}
    response_format = {"type": "json_schema", "json_schema": described}
    if not speaks_completions(model):
        return {"response_format": response_format}
    return {"extra_body": {**(getattr(model, "extra_body", None) or {}), "response_format": response_format}}


def _uses_responses_api(model: BaseChatModel) -> bool:
    decide = getattr(model, "_use_responses_api", None)
    return bool(decide and decide({}))


def _add_facts(reply: Reply, chunk: AIMessage, *, is_cumulative: bool) -> None:
    """Note what a chunk says beside its text. OpenAI's usage is that of the whole reply so far, others' adds up."""
    reply.metadata |= chunk.response_metadata
    if refusal := chunk.additional_kwargs.get("refusal"):
        reply.refusal = str(refusal)
    if isinstance(chunk.content, list):
        blocks = [block for block in chunk.content if isinstance(block, dict) and block.get("type") == "refusal"]
        reply.refusal += "".join(str(block.get("refusal", "")) for block in blocks)
    if (usage := chunk.usage_metadata) is None:
        return
    amounts = {
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "cached_input_tokens": usage.get("input_token_details", {}).get("cache_read") or 0,
        "reasoning_tokens": usage.get("output_token_details", {}).get("reasoning") or 0,
    }
    for name, amount in amounts.items():
        setattr(reply, name, amount if is_cumulative else getattr(reply, name) + amount)


def _finish_reason(reply: Reply) -> str:
    said = reply.metadata
    names = ("finish_reason", "stop_reason", "done_reason", "status")
    word = str(next((said[name] for name in names if said.get(name)), "")).lower()
    if reply.refusal or word in _REFUSED:
        return "refusal"
    if word in _STOPPED_SHORT:
        return "length"
    if word in _BROKE_OFF:
        return ""
    return "stop" if word in {"stop", "end_turn", "stop_sequence", "completed"} else word
