"""One chat request from its first byte to its last: let in, read, run, answered whole or in pieces, or refused; and counted.

A response object, so that all of it stands in one place with one way out: whatever happens, the run is cancelled, the client
hears of it in OpenAI's form, and the request is counted once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.api import stream
from agent.events import Event, Stage, StageEvent
from agent.serving.door import Door, require_json
from agent.serving.metrics import Metrics
from agent.serving.openai_errors import Outcome, as_api_error, bad_request, stopping, too_late
from agent.serving.openai_protocol import ChatRequest, parse_request
from agent.serving.openai_reply import Reply, chunks_of
from agent.serving.run_pool import Run, RunPool
from agent.serving.threads import Threads, Turn, thread_id
from agent.serving.wire import ClientGoneError, Wire, read_body, unless_gone
from agent.state import AgentContext
from principles_store.conversation import Message, parse_conversation

KEEP_ALIVE_S = 2.0
"""Proxies give up a silent connection after 30 s or more; a person wonders much sooner."""
GRACE_S = 2.0
"""For a run that reached its time limit to end with its best version, before it is given up."""


@dataclass(frozen=True)
class Service:
    """What all requests share."""

    context: AgentContext
    model: str
    door: Door
    pool: RunPool
    metrics: Metrics
    max_seconds: float
    max_body_bytes: int
    threads: Threads | None = None

    def last_computed(self, *, has_draft: bool) -> Stage:
        """Return the step after which a run mostly waits for a model; an engine without one never does."""
        if not self.context.engine.drafts_from_model:
            return "finish"
        return "retrieve" if has_draft else "classify"

    def check_model(self, name: str) -> None:
        """Raise an ApiError unless this is the model served."""
        if name != self.model:
            message = f"the model {name[:100]!r} is not served here; this server has {self.model!r}"
            raise bad_request(message, param="model", code="model_not_found", status=404)


@dataclass(frozen=True)
class Asked:
    """A request that has been read and can be answered."""

    request: ChatRequest
    reply: Reply
    conversation: list[Message]
    new: list[Message]
    """Of the conversation, what came with this request."""
    turn: Turn | None
    deadline: float


class ChatExchange(Response):
    """The answer to one POST /v1/chat/completions."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        request = Request(scope, receive)
        wire = Wire(request, send)
        outcome: Outcome = "disconnected"  # also of what the server's own end cuts short
        try:
            await self._serve(request, wire, deadline=started + self._service.max_seconds)
            outcome = "answered"
        except (ClientGoneError, ClientDisconnect):
            pass
        except asyncio.CancelledError:
            await wire.refuse(stopping())
            raise
        except Exception as error:  # the outer wall of a request
            problem = as_api_error(error)
            outcome = problem.outcome
            await wire.refuse(problem)
        finally:
            self._service.metrics.count_request(outcome, time.monotonic() - started)

    async def _serve(self, http: Request, wire: Wire, *, deadline: float) -> None:
        service = self._service
        owner = service.door.enter(http)
        require_json(http)
        request = parse_request(await read_body(http, service.max_body_bytes))
        service.check_model(request.model)
        with self._turn(request, owner) as turn:
            earlier = await asyncio.to_thread(turn.earlier) if turn else []
            new = request.conversation()
            reply = Reply(service.model, request.ignored, request.clinalign.thread)
            asked = Asked(request, reply, parse_conversation([*earlier, *new]), new, turn, deadline)
            await unless_gone(http.receive, self._answer(asked, wire))

    def _turn(self, request: ChatRequest, owner: bytes) -> AbstractContextManager[Turn | None]:
        threads, name = self._service.threads, request.clinalign.thread
        if name is None:
            return nullcontext()
        if threads is None:
            message = "this server keeps no conversations; leave the thread out, or have it started with --checkpoints"
            raise bad_request(message, param="clinalign.thread")
        return threads.turn(thread_id(name, owner=owner))

    async def _answer(self, asked: Asked, wire: Wire) -> None:
        run = self._service.pool.submit(lambda run: self._events(asked, run))
        send = _send_stream if asked.request.stream else _send_whole
        try:
            async with asyncio.timeout(asked.deadline + GRACE_S - time.monotonic()):
                await send(asked, run, wire)
        except TimeoutError:
            raise too_late(self._service.max_seconds, was_running=run.has_started) from None
        finally:
            run.cancel()

    def _events(self, asked: Asked, run: Run) -> Generator[Event]:
        """Yield the agent's events, counted, and keep the finished turn; called in the run's thread."""
        service, draft = self._service, asked.request.clinalign.draft
        limits, left = service.context.limits, max(asked.deadline - time.monotonic(), 0.0)
        limits = replace(limits, max_seconds=left if limits.max_seconds is None else min(limits.max_seconds, left))
        context = replace(service.context, cancelled=run.cancelled, limits=limits)
        for event in stream(asked.conversation, draft=draft, context=context):
            if isinstance(event, StageEvent):
                service.metrics.count_stage(event)
                if event.stage == service.last_computed(has_draft=draft is not None):
                    run.settle()
            if asked.turn and (output := finished([event])):
                asked.turn.keep([*asked.new, {"role": "assistant", "content": output["answer"]}])
            yield event


async def _send_whole(asked: Asked, run: Run, wire: Wire) -> None:
    output: Mapping[str, Any] | None = None
    while (events := await run.batch(wait_s=KEEP_ALIVE_S)) is not None:
        output = finished(events) or output
    await wire.send_json(asked.reply.completion(_whole(output)), headers={"x-request-id": asked.reply.id})


async def _send_stream(asked: Asked, run: Run, wire: Wire) -> None:
    """Send the first chunk at once, then events as they happen, and a comment where none do."""
    await wire.begin_stream({"x-request-id": asked.reply.id})
    await wire.send_events([asked.reply.chunk({"role": "assistant", "content": ""})])
    output: Mapping[str, Any] | None = None
    while (events := await run.batch(wait_s=KEEP_ALIVE_S)) is not None:
        output = finished(events) or output
        if events:
            await wire.send_events(chunks_of(events, asked.reply))
        else:
            await wire.send_comment("checking" if run.has_started else "waiting")
    await wire.send_events(asked.reply.last_chunks(_whole(output), include_usage=asked.request.include_usage))
    await wire.end_stream("data: [DONE]\n\n")


def finished(events: Sequence[Event]) -> Mapping[str, Any] | None:
    """Return the whole answer if it is among the events."""
    return next((event.data for event in events if isinstance(event, StageEvent) and event.stage == "finish"), None)


def _whole(output: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if output is None:
        raise RuntimeError("the run ended without its last event")
    return output
