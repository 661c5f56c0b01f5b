"""The one place where a chat model is called, for text or for JSON.

The requests run on one background event loop (`loop_thread.py`), so that a caller who goes away, or a deadline, closes the
connection at once; whoever asks waits in its own thread, where tokens are handed over too. What happens between asking and
having the answer is `chat_attempts.py`'s.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from agent.call_memory import KeptReply, request_key
from agent.chat_attempts import Call, ChatSettings
from agent.chat_json import Json, complaint, read_json, schema_of
from agent.chat_stream import Question
from agent.errors import ModelError
from agent.events import DraftToken
from agent.ledger import Ledger
from agent.loop_thread import shared_loop

if TYPE_CHECKING:
    from agent.chat_redaction import RedactedExchange

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ChatClient(ChatSettings):
    """A chat model that can be asked; safe to share between threads."""

    def ask(
        self,
        messages: Sequence[BaseMessage],
        *,
        step: str,
        prompt: str,
        prompt_hash: str,
        ledger: Ledger,
        schema: Mapping[str, Any] | None = None,
        schema_name: str = "reply",
        on_token: Callable[[DraftToken], None] | None = None,
    ) -> str:
        """Return what the model says, without its thinking; never empty.

        `on_token` runs in the caller's thread. Raises ModelError, LimitReachedError or CancelledError.
        """
        exchange = _redacted(messages) if self.redact else None
        sent = exchange.messages if exchange else messages
        question = Question(sent, self.room_for_reply(sent), schema, schema_name)
        call = Call(question, step, prompt, prompt_hash, ledger, _config(step, prompt, prompt_hash))
        if exchange is None:
            return self._reply_to(call, on_token)
        text = self._reply_to(call, exchange.restoring(on_token) if on_token else None)
        if on_token:
            exchange.flush(on_token)
        return exchange.restore(text, is_json=schema is not None)

    def ask_json(
        self,
        messages: Sequence[BaseMessage],
        model_type: type[Json],
        *,
        step: str,
        prompt: str,
        prompt_hash: str,
        ledger: Ledger,
        schema: Mapping[str, Any] | None = None,
        check: Callable[[Json], None] | None = None,
        on_token: Callable[[DraftToken], None] | None = None,
    ) -> Json:
        """Return the model's reply as JSON of a given type; one that does not fit is sent back once, with the error.

        `schema` may be narrower than the type's own, and `check` raises ValueError for what a schema can't say.
        """
        ask = functools.partial(
            self.ask,
            prompt=prompt,
            prompt_hash=prompt_hash,
            ledger=ledger,
            schema=schema_of(model_type) if schema is None else schema,
            schema_name=model_type.__name__,
            on_token=on_token,
        )
        text = ask(messages, step=step)
        try:
            return read_json(text, model_type, check)
        except ValueError as error:
            fault = complaint(error)
        _log.info("%s: the reply to %s is not the JSON that was asked for: %s", self.name, step, fault)
        if on_token:
            on_token(DraftToken("", restart=True))
        repair = f"Your reply can't be used: {fault}\nReply with the corrected JSON object and nothing else."
        text = ask([*messages, AIMessage(text), HumanMessage(repair)], step=f"{step} (repair)")
        try:
            return read_json(text, model_type, check)
        except ValueError as error:
            message = f"{self.name}: no usable JSON, also when asked again: {complaint(error)}; try another model"
            failure = ModelError(message, "malformed reply")
            failure.add_note(f"the reply began: {text[:200]}")
            raise failure from None

    def _reply_to(self, call: Call, on_token: Callable[[DraftToken], None] | None) -> str:
        """Return the reply that was paid for before, or have the call made."""
        if call.ledger.memory is None:
            return self._wait_for(call, on_token)
        memory, request = call.ledger.memory, request_key(self.name, call.question.messages, call.question.schema_name)
        if kept := memory.recall(request):
            return _replayed(kept, call, on_token)
        ledger = call.ledger
        calls_before, cost_before = len(ledger.calls), ledger.spent.cost
        try:
            text = self._wait_for(call, on_token)
            memory.keep(request, KeptReply(text, tuple(ledger.calls[calls_before:]), ledger.spent.cost - cost_before))
        finally:  # a reply that can't be used, as one that was cut off, costs as much
            memory.paid(ledger.calls[calls_before:], ledger.spent.cost - cost_before)
        return text

    def _wait_for(self, call: Call, on_token: Callable[[DraftToken], None] | None) -> str:
        """Have the call made on the shared loop, and hand over its tokens here."""
        mailbox: SimpleQueue[DraftToken | None] = SimpleQueue()
        call.tokens = mailbox if on_token else None
        future = asyncio.run_coroutine_threadsafe(self.answer(call), shared_loop())
        future.add_done_callback(lambda _: mailbox.put(None))
        try:
            while (token := mailbox.get()) is not None:
                if on_token:
                    on_token(token)
            return future.result()
        except BaseException:
            future.cancel()
            raise


def _replayed(kept: KeptReply, call: Call, on_token: Callable[[DraftToken], None] | None) -> str:
    """Return a kept reply; the run is charged as it was then."""
    for number, record in enumerate(kept.calls):
        call.ledger.record(record, cost=kept.cost if number == 0 else 0.0)
    if on_token:
        on_token(DraftToken(kept.text))
    return kept.text


def _config(step: str, prompt: str, prompt_hash: str) -> RunnableConfig:
    """Return the LangChain config of the node that asks, so that its callbacks see the call as a child of theirs."""
    config = ensure_config()
    facts = {"step": step, "prompt": prompt, "prompt_hash": prompt_hash}
    return {**config, "run_name": step, "metadata": {**config.get("metadata", {}), **facts}}


def _redacted(messages: Sequence[BaseMessage]) -> RedactedExchange:
    from agent.chat_redaction import RedactedExchange

    return RedactedExchange(messages)
