"""A ChatClient on the fake server, as the tests of model calls want it: no long waits, no limits that nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import httpx2
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from openai import DefaultAioHttpClient

from agent.chat import ChatClient
from agent.events import DraftToken
from agent.ledger import Ledger, Limits
from agent.testing import FakeServer

# Trusted certificates are read once, not for every test: 50 ms each.
_HTTP = {"http_client": httpx2.Client(), "http_async_client": DefaultAioHttpClient()}
KEY = "sk-test-0123456789abcdef"
NO_LIMITS = Limits(max_calls=None, max_tokens=None, max_seconds=None)
Listener = Callable[[DraftToken], None]


def overhear(_: DraftToken) -> None:
    """Have the reply streamed, and do nothing with its tokens."""


both_ways = pytest.mark.parametrize("on_token", [None, overhear], ids=["whole", "streamed"])
"""Where nobody listens the reply comes whole, else as a stream."""


def open_model(base_url: str, *, key: str = KEY, model: str = "fake", timeout_s: float = 10) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=base_url,
        api_key=key,
        model=model,
        timeout=timeout_s,
        max_retries=0,
        stream_usage=True,
        stream_chunk_timeout=0,
        **_HTTP,
    )


def open_client(where: FakeServer | str, *, key: str = KEY, model: str = "fake", **settings: Any) -> ChatClient:
    base_url = where if isinstance(where, str) else where.base_url
    defaults = {"timeout_s": 10, "backoff_s": 0.01, "jitter": Random(0)}
    return ChatClient(open_model(base_url, key=key, model=model), f"openai:{model}", **(defaults | settings))


def ask(client: ChatClient, text: str = "Hello?", *, ledger: Ledger | None = None, **more: Any) -> str:
    ledger = ledger if ledger is not None else Ledger(NO_LIMITS)
    return client.ask([HumanMessage(text)], step="draft", prompt="", prompt_hash="", ledger=ledger, **more)


def ask_json(client: ChatClient, shape: Any, *, ledger: Ledger | None = None, **more: Any) -> Any:
    ledger = ledger if ledger is not None else Ledger(NO_LIMITS)
    facts = {"step": "critique", "prompt": "critique", "prompt_hash": "0" * 16}
    return client.ask_json([HumanMessage("Judge this.")], shape, ledger=ledger, **facts, **more)
