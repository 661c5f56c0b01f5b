"""inspect_ai's models behind our own client, so that its logs, limits, cache and token counts see every call.

The agent and the judges are plain functions that wait for their calls: each sample's work runs in a thread of its own, our client
sends its requests on the loop that all of them share, and from there each is handed to inspect's loop. Context variables travel
along, which is how inspect knows the sample. Retries of a server that fails are inspect's (--max-retries, --timeout); a reply that
can't be used is asked for again by us, past inspect's cache, which would only give the same reply.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelOutput,
    ResponseSchema,
    get_model,
    model_roles,
)
from inspect_ai.util import JSONSchema, LimitExceededError, span
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from agent.call_memory import KeptReply
from agent.chat import ChatClient
from agent.errors import CancelledError, ClinAlignError, ConfigError, LimitReachedError, ModelError
from agent.faults import WHAT_TO_DO, diagnose
from agent.ledger import CallRecord

Result = TypeVar("Result")
_DAY_S = 86_400.0
"""No deadline of ours: waiting for a connection, and how long a reply may take, are inspect's to bound."""
_LAST_WORDS_S = 30.0
"""What a thread whose sample has ended may take to notice."""
_LIMITS = {"token": "tokens", "cost": "cost", "time": "seconds", "working": "seconds"}
"""inspect's limits by the names of ours; any other bounds calls."""
_STOPPED = {"max_tokens": "length", "model_length": "length", "content_filter": "content_filter"}


@dataclass(eq=False)
class SampleRun:
    """The work of one sample in its thread, as inspect's loop sees it; also its memory of calls, which keeps nothing.

    With a memory the agent raises where a model fails: such a sample is an error, which inspect can run again, and no answer.
    """

    begins_anew = True
    loop: asyncio.AbstractEventLoop
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    limit: LimitExceededError | None = None
    """inspect's limit that ended the work."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often each request was made; touched on inspect's loop alone."""

    def recall(self, request: str) -> KeptReply | None:
        if self.cancelled.is_set():
            raise CancelledError("the sample has ended: nobody waits for its answer any more")
        return None

    def keep(self, request: str, reply: KeptReply) -> None: ...

    def paid(self, calls: Sequence[CallRecord], cost: float) -> None: ...


_run: ContextVar[SampleRun] = ContextVar("clinalign_sample_run")


async def run_in_thread(work: Callable[[SampleRun], Result]) -> tuple[Result, LimitExceededError | None]:
    """Return what `work` returns, and inspect's limit if one cut it short; where nothing came of it the limit is raised.

    Ends with the sample: when inspect cancels that, open calls are cancelled too.
    """
    run = SampleRun(_asyncio_loop())

    def worked() -> Result:
        _run.set(run)  # in the thread's own copy of the context
        try:
            return work(run)
        finally:
            run.loop.call_soon_threadsafe(run.ended.set)

    try:
        # A limiter of its own: threads that wait for inspect must not keep inspect's own threads from starting.
        done = await anyio.to_thread.run_sync(worked, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
    except anyio.get_cancelled_exc_class():
        run.cancelled.set()
        with anyio.move_on_after(_LAST_WORDS_S, shield=True):
            await run.ended.wait()
        raise
    except ClinAlignError:
        if run.limit is not None:
            raise run.limit from None
        raise
    return done, run.limit


def inspect_client(role: str | None = None) -> ChatClient:
    """Return what asks the model under test, or the model of a role; to be called and used within a sample."""
    return ChatClient(InspectChat(role=role), str(model_of(role)), timeout_s=_DAY_S, max_attempts=3)


def model_of(role: str | None) -> Model:
    """Return inspect's model; a role that was not given is the model under test's."""
    return get_model(role=role) if role else get_model()


def has_role(role: str) -> bool:
    """Tell whether a model was given for a role."""
    return role in model_roles()


class InspectChat(BaseChatModel):
    """A model of inspect's as LangChain's; it only works in a thread that `run_in_thread` has started.

    It has no settings of its own: temperature, length of replies and all else are inspect's.
    """

    role: str | None = None
    takes_response_format: bool = True

    @property
    def _llm_type(self) -> str:
        return "inspect"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise ConfigError("inspect's models can be asked from within a sample alone, by ainvoke")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        run = _run.get()
        step = str((run_manager.metadata or {}).get("step", "ask")) if run_manager else "ask"
        asked = _asked(run, self.role, messages, kwargs.get("response_format"), step)
        output = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, run.loop))
        return ChatResult(generations=[ChatGeneration(message=_reply(output))])


async def _asked(
    run: SampleRun, role: str | None, messages: Sequence[BaseMessage], response_format: Any, step: str
) -> ModelOutput:
    """Have inspect's model reply, on inspect's loop and in the sample's context."""
    model, schema = model_of(role), _response_schema(response_format)
    request = repr([(message.type, message.text) for message in messages])
    run.asked[request] += 1
    past_cache: dict[str, Any] = {"cache": False} if run.asked[request] > 1 else {}
    try:
        async with span(step, type="clinalign"):
            output = await model.generate(
                [_message(message) for message in messages], config=GenerateConfig(response_schema=schema), **past_cache
            )
    except LimitExceededError as limit:
        run.limit = limit
        raise LimitReachedError(_LIMITS.get(limit.type, "calls")) from limit
    except Exception as error:  # the outer wall: a provider may raise anything
        # inspect puts the whole request into the message of its own error; what the server said is in the cause.
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        trouble = diagnose(cause)
        if trouble.rejects_schema and schema is not None:
            raise cause from None  # our client goes on without the schema
        raise ModelError(f"{model}: {trouble.message}", trouble.fault) from error
    if output.stop_reason == "model_length":
        raise ModelError(f"{model}: {WHAT_TO_DO['context overflow']}", "context overflow")
    return output


def _asyncio_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigError("inspect runs on trio here; unset INSPECT_ASYNC_BACKEND, the agent needs asyncio") from error


def _message(message: BaseMessage) -> ChatMessage:
    kinds = {"system": ChatMessageSystem, "human": ChatMessageUser, "ai": ChatMessageAssistant}
    made: ChatMessage = kinds[message.type](content=str(message.text))
    return made


def _response_schema(response_format: Mapping[str, Any] | None) -> ResponseSchema | None:
    """Return a schema in inspect's form, which knows neither references nor bounds on the length of a list."""
    if response_format is None:
        return None
    described = response_format["json_schema"]
    if "$ref" in repr(described["schema"]):
        return None
    schema = JSONSchema.model_validate(described["schema"])
    return ResponseSchema(name=described["name"], json_schema=schema, strict=described["strict"])


def _reply(output: ModelOutput) -> AIMessage:
    usage = output.usage
    counted = None
    if usage is not None:
        cached = usage.input_tokens_cache_read or 0
        read = usage.input_tokens + cached + (usage.input_tokens_cache_write or 0)  # inspect counts them apart
        counted = UsageMetadata(
            input_tokens=read,
            output_tokens=usage.output_tokens,
            total_tokens=read + usage.output_tokens,
            input_token_details=InputTokenDetails(cache_read=cached),
            output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens or 0),
        )
    reason = _STOPPED.get(output.stop_reason, "stop")
    return AIMessage(output.completion, response_metadata={"finish_reason": reason}, usage_metadata=counted)
