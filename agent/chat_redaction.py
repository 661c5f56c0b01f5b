"""Redaction around one question to a model: placeholders go out, and what comes back, in pieces or as JSON, is restored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from agent.events import DraftToken
from agent.redaction import Redactor, StreamRestorer


class RedactedExchange:
    """What is sent for some messages, and the way back for the reply to them."""

    def __init__(self, messages: Sequence[BaseMessage]) -> None:
        self._redactor = Redactor()
        texts = self._redactor.redact_all([message.text for message in messages])
        self.messages = [
            message.model_copy(update={"content": text}) for message, text in zip(messages, texts, strict=True)
        ]
        """The same messages as plain text; other content than text is not sent, since it can't be looked through."""
        self._restorer = StreamRestorer(self._redactor)

    def restoring(self, on_token: Callable[[DraftToken], None]) -> Callable[[DraftToken], None]:
        """Return a receiver of tokens that passes them on restored."""

        def receive(token: DraftToken) -> None:
            if token.restart:
                self._restorer = StreamRestorer(self._redactor)
            text = self._restorer.feed(token.text)
            if text or token.restart:
                on_token(DraftToken(text, token.restart))

        return receive

    def flush(self, on_token: Callable[[DraftToken], None]) -> None:
        """Pass on what was held back at the end of the stream."""
        if rest := self._restorer.finish():
            on_token(DraftToken(rest))

    def restore(self, text: str, *, is_json: bool) -> str:
        """Return the whole reply restored; in JSON inside its strings, so that what is put in can't end one."""
        if not is_json:
            return self._redactor.restore(text)
        try:
            return json.dumps(self._restore_strings(json.loads(text)))
        except ValueError:
            return self._redactor.restore(text)

    def _restore_strings(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redactor.restore(value)
        if isinstance(value, list):
            return [self._restore_strings(item) for item in value]
        if isinstance(value, dict):
            return {name: self._restore_strings(item) for name, item in value.items()}
        return value
