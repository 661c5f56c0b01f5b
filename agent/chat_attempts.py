"""What happens to one question between asking and having the answer: attempts, waits, deadlines, cancelling, the record.

A server that reports no usage is charged by an estimate of one token per four characters, since a bound on tokens must hold
with any server.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from random import Random
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from agent.chat_stream import Question, Reply, ask_once, speaks_completions, takes_schema, trouble_with
from agent.context_window import TURN_TOKENS, ContextWindow, estimate_tokens
from agent.errors import CancelledError, ClinAlignError, LimitReachedError, ModelError, ModelFault
from agent.events import DraftToken
from agent.faults import WHAT_TO_DO, Diagnosis, diagnose, is_free_of_keys
from agent.ledger import CallRecord, Ledger

_log = logging.getLogger(__name__)
_CANCEL_POLL_S = 0.05
_LEAST_ROOM = 256
"""Tokens; in fewer no reply can be whole."""
_LONGEST_BACKOFF_S = 30.0
_LONGEST_RETRY_AFTER_S = 120.0
_ATTEMPTS: Mapping[ModelFault, int] = {"time-out": 2, "unreachable": 3, "broken stream": 3, "empty reply": 2}
"""Fewer than max_attempts where more of the same seldom helps and makes somebody wait, or costs money."""


@dataclass
class Call:
    """One question with everything that its attempts share."""

    question: Question
    step: str
    prompt: str
    prompt_hash: str
    ledger: Ledger
    config: RunnableConfig
    tokens: SimpleQueue[DraftToken | None] | None = None
    """Where visible tokens go; None: nobody wants them."""
    since: float = field(default_factory=time.perf_counter)
    attempts: int = 0
    recorded: int = 0
    """Of the attempts, those that stand in the ledger already."""
    faults: Counter[ModelFault] = field(default_factory=Counter)
    cause: Exception | None = None
    """What the last attempt met."""
    has_sent_schema: bool = False
    has_shown: bool = False

    def show(self, token: DraftToken) -> None:
        if self.tokens is not None:
            self.has_shown = True
            self.tokens.put(token)

    def begin_again(self) -> None:
        """Void what was shown of an attempt that failed."""
        if self.has_shown:
            self.show(DraftToken("", restart=True))
            self.has_shown = False


@dataclass(frozen=True, eq=False)
class ChatSettings:
    """A chat model with its limits and prices."""

    model: BaseChatModel
    name: str
    """provider:name."""
    max_attempts: int = 5
    timeout_s: float = 120.0
    """For one attempt, from the request to the last token."""
    max_output_tokens: int = 4096
    thinking_tokens: int = 0
    """What a thinking model may think on top of that."""
    json_schema: Literal["auto", "always", "never"] = "auto"
    """auto: sent until the server rejects it."""
    price_input: float = 0.0
    """Per million tokens, as `price_output`."""
    price_output: float = 0.0
    window: ContextWindow | None = None
    """Where it is known, a reply may take what the prompt leaves of it and no more."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """What the model was loaded with (temperature, seed), for the record."""
    redact: bool = False
    """Obvious identifiers don't leave the machine: placeholders are sent, and what comes back is restored."""
    backoff_s: float = 0.5
    """Wait before the second attempt, doubled with each further one; up to half of it is left to chance."""
    jitter: Random = field(default_factory=Random)
    _schema_rejected: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    async def answer(self, call: Call) -> str:
        """Return the visible text of a usable reply; the attempts end when the caller goes."""
        task, loop, cancelled = asyncio.current_task(), asyncio.get_running_loop(), call.ledger.cancelled
        timers: list[asyncio.TimerHandle] = []

        def watch() -> None:
            if cancelled is not None and cancelled.is_set() and task is not None:
                task.cancel()
            elif cancelled is not None:
                timers[:] = [loop.call_later(_CANCEL_POLL_S, watch)]

        watch()
        try:
            return await self._attempts(call)
        except asyncio.CancelledError:
            if cancelled is None or not cancelled.is_set():
                raise
            raise CancelledError("the run was cancelled: nobody waits for its answer any more") from None
        finally:
            for timer in timers:
                timer.cancel()

    def room_for_reply(self, messages: Sequence[BaseMessage]) -> int:
        """Return the tokens a reply may have: as configured, or what the prompt leaves of the window; raises ModelError."""
        wanted = self.max_output_tokens + self.thinking_tokens
        size = self.window.size if self.window else None
        if self.window is None or size is None:
            return wanted
        texts = [str(message.content) for message in messages]
        around = TURN_TOKENS * (len(texts) + 1)
        if size - around - sum(map(estimate_tokens, texts)) >= wanted:
            return wanted  # no need to have the server count
        left = size - around - sum(map(self.window.count, texts))
        if left < _LEAST_ROOM:
            free = f"{'' if self.window.is_exact else 'about '}{max(left, 0):,} of {size:,}"
            message = f"{self.name}: the prompt leaves {free} tokens for a reply; {WHAT_TO_DO['context overflow']}"
            raise ModelError(message, "context overflow")
        return min(wanted, left)

    def _sends_schema(self, question: Question) -> bool:
        is_wanted = question.schema is not None and self.json_schema != "never" and not self._schema_rejected.is_set()
        return is_wanted and takes_schema(self.model)

    async def _attempts(self, call: Call) -> str:
        while True:
            call.ledger.check()
            call.attempts += 1
            outcome = await self._attempt(call)
            if isinstance(outcome, Reply):
                self._record(call, outcome)
                trouble = trouble_with(outcome, call.question)
                if trouble is None:
                    return outcome.text
            else:
                trouble = outcome
            if not self._drops_schema(trouble, call):
                await self._wait(trouble, call)
            call.begin_again()

    async def _attempt(self, call: Call) -> Reply | Diagnosis:
        """Return the whole reply or what came between."""
        left = call.ledger.seconds_left
        call.has_sent_schema, call.cause = self._sends_schema(call.question), None
        try:
            async with asyncio.timeout(self.timeout_s if left is None else min(left, self.timeout_s)) as deadline:
                reply = await ask_once(
                    self.model,
                    call.question,
                    config=call.config,
                    show=call.show if call.tokens is not None else None,
                    sends_schema=call.has_sent_schema,
                )
        except ClinAlignError:
            raise
        except Exception as error:  # the outer wall: a provider's package may raise anything
            if deadline.expired() and left is not None and left <= self.timeout_s:
                raise LimitReachedError("seconds") from None
            call.cause = error
            return diagnose(error, secrets=_secrets(self.model))
        if not reply.finish_reason and speaks_completions(self.model):
            return Diagnosis("broken stream", "the reply ended without a reason to; try again", is_retryable=True)
        return reply

    def _record(self, call: Call, reply: Reply) -> None:
        now = time.perf_counter()
        asked = sum(len(str(message.content)) for message in call.question.messages)
        input_tokens = reply.input_tokens or asked // 4 + 1
        output_tokens = reply.output_tokens or reply.said_characters // 4 + 1
        record = CallRecord(
            step=call.step,
            model=self.name,
            prompt=call.prompt,
            prompt_hash=call.prompt_hash,
            sampling={**self.sampling, "max_tokens": call.question.max_tokens},
            attempts=call.attempts - call.recorded,
            seconds=now - call.since,
            input_tokens=input_tokens,
            cached_input_tokens=reply.cached_input_tokens,
            output_tokens=output_tokens,
            reasoning_tokens=reply.reasoning_tokens,
            finish_reason=reply.finish_reason,
        )
        call.recorded, call.since = call.attempts, now
        cost = (input_tokens * self.price_input + output_tokens * self.price_output) / 1e6
        call.ledger.record(record, cost=cost)

    def _drops_schema(self, trouble: Diagnosis, call: Call) -> bool:
        """Go on without a schema if that is what the server rejects."""
        if not (trouble.rejects_schema and call.has_sent_schema and self.json_schema == "auto"):
            return False
        self._schema_rejected.set()
        _log.warning("%s rejects JSON schemas, going on without; json_schema=never saves the attempt", self.name)
        return True

    async def _wait(self, trouble: Diagnosis, call: Call) -> None:
        """Wait before the next attempt; raise if there is none."""
        call.faults[trouble.fault] += 1
        allowed = min(self.max_attempts, _ATTEMPTS.get(trouble.fault, self.max_attempts))
        if not trouble.is_retryable or call.faults[trouble.fault] >= allowed or call.attempts >= self.max_attempts:
            raise self._error(trouble, call)
        asked_s = trouble.retry_after_s
        wait_s = min(_LONGEST_BACKOFF_S, self.backoff_s * 2 ** (call.attempts - 1)) * self.jitter.uniform(0.5, 1)
        if asked_s is not None:
            wait_s = asked_s + self.jitter.uniform(0, self.backoff_s)
        left = call.ledger.seconds_left
        if (asked_s or 0) > _LONGEST_RETRY_AFTER_S or (left is not None and wait_s > left):
            raise self._error(trouble, call, f"; the next attempt would be in {wait_s:.0f} s, too late")
        _log.info("%s: %s; attempt %d in %.1f s", self.name, trouble.fault, call.attempts + 1, wait_s)
        await asyncio.sleep(wait_s)

    def _error(self, trouble: Diagnosis, call: Call, more: str = "") -> ModelError:
        tries = f"; {call.attempts} attempts" if call.attempts > 1 else ""
        error = ModelError(f"{self.name}: {trouble.message}{tries}{more}", trouble.fault)
        if call.cause is not None and is_free_of_keys(call.cause, _secrets(self.model)):
            error.__cause__ = call.cause  # else a traceback would print a key
        return error


def _secrets(model: BaseChatModel) -> list[str]:
    return [value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr)]
