"""What the chat models that run in this process share: LangChain's side of them; the engines are elsewhere.

Imports nothing that an environment made for vLLM alone does not have.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from agent.chat_tokens import ChatTokens, RequestError, as_turn


@dataclass(frozen=True)
class Request:
    """One question to an engine."""

    prompt: list[int]
    """Token ids, chat template applied."""
    max_tokens: int
    temperature: float | None
    """None: what the model's own generation config says."""
    seed: int | None
    stop: tuple[str, ...]
    schema: Mapping[str, Any] | None
    """JSON schema that the reply must follow."""


@dataclass(frozen=True)
class Piece:
    """A piece of a reply; the last one has a finish reason and the usage."""

    text: str
    finish_reason: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


Put = Callable[[Piece | BaseException], None]
"""Takes the pieces as they come, from any thread; an exception ends the reply."""


class InProcessChat(BaseChatModel):
    """A chat model whose engine runs in this process; engines are shared by all objects of the same model."""

    model: str
    """Folder with weights and tokenizer, or an ID of the Hugging Face hub."""
    temperature: float | None = None
    max_tokens: int = 1024
    seed: int | None = None
    stop: list[str] | None = None

    @property
    def takes_response_format(self) -> bool:
        """Whether `response_format` (json_schema) may be sent with a call."""
        return True

    @property
    @abstractmethod
    def context_tokens(self) -> int:
        """Tokens that prompt and reply may have together."""

    @property
    @abstractmethod
    def tokens(self) -> ChatTokens:
        """The model's tokenizer."""

    @abstractmethod
    def _begin(self, request: Request, put: Put) -> Callable[[], None]:
        """Start a reply whose pieces go to `put`; return what cancels it."""

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        arrived: SimpleQueue[Piece | BaseException] = SimpleQueue()
        cancel = self._begin(self._request(messages, stop, kwargs), arrived.put)
        try:
            is_last = False
            while not is_last:
                chunk, is_last = self._chunk(arrived.get())
                if run_manager:
                    run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
                yield chunk
        finally:
            cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Piece | BaseException] = asyncio.Queue()

        def put(piece: Piece | BaseException) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(arrived.put_nowait, piece)

        request = await asyncio.to_thread(self._request, messages, stop, kwargs)  # long texts take a while
        cancel = self._begin(request, put)
        try:
            is_last = False
            while not is_last:
                chunk, is_last = self._chunk(await arrived.get())
                if run_manager:
                    await run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
                yield chunk
        finally:
            cancel()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async with aclosing(self._astream(messages, stop, run_manager, **kwargs)) as stream:  # type: ignore[type-var]
            return await agenerate_from_stream(stream)

    def _request(self, messages: Sequence[BaseMessage], stop: list[str] | None, arguments: dict[str, Any]) -> Request:
        """Return the request; arguments of the call win over those of the object."""
        schema = _schema(arguments.pop("response_format", None))
        names = ("max_tokens", "temperature", "seed")
        given = {name: arguments.pop(name, None) for name in names}
        values = {name: getattr(self, name) if given[name] is None else given[name] for name in names}
        if arguments:
            raise TypeError(f"{type(self).__name__} does not know the arguments {', '.join(sorted(arguments))}")
        prompt = self.tokens.encode_chat([as_turn(message) for message in messages])
        room = self.context_tokens - len(prompt)
        if room < 1:
            raise ContextOverflowError(f"the prompt has {len(prompt)} tokens, the model takes {self.context_tokens}")
        values["max_tokens"] = min(int(values["max_tokens"]), room)
        return Request(prompt=prompt, stop=tuple(stop or self.stop or ()), schema=schema, **values)

    def _chunk(self, piece: Piece | BaseException) -> tuple[ChatGenerationChunk, bool]:
        """Return a piece in LangChain's form, and whether it is the last."""
        if isinstance(piece, BaseException):
            raise piece
        if not piece.finish_reason:
            return ChatGenerationChunk(message=AIMessageChunk(content=piece.text)), False
        usage = UsageMetadata(
            input_tokens=piece.input_tokens,
            output_tokens=piece.output_tokens,
            total_tokens=piece.input_tokens + piece.output_tokens,
            input_token_details={"cache_read": piece.cached_input_tokens},
        )
        facts = {"finish_reason": piece.finish_reason, "model_name": self.model}
        message = AIMessageChunk(
            content=piece.text, usage_metadata=usage, response_metadata=facts, chunk_position="last"
        )
        return ChatGenerationChunk(message=message), True

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("model", "temperature", "max_tokens", "seed", "stop")}


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    if response_format is None:
        return None
    if not isinstance(response_format, Mapping) or response_format.get("type") != "json_schema":
        raise RequestError("response_format must be of type json_schema")
    schema: Mapping[str, Any] = response_format["json_schema"]["schema"]
    return schema
