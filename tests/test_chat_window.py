"""How much a reply may take of a window that is known."""

from __future__ import annotations

import math

import pytest
from chat_client import ask, open_client
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agent.context_window import TURN_TOKENS, ContextWindow, WindowFacts, load_window
from agent.errors import ModelError
from agent.models import parse_spec
from agent.testing import FakeServer

QUESTION = "word " * 400
"""400 tokens by the tokenizer below, 584 by the estimate, which is on the high side."""
AROUND = 2 * TURN_TOKENS
"""The template around one turn, and the beginning of the reply."""


class Counting(ContextWindow):
    """A window whose tokenizer counts words, and how often it was asked to."""

    def __init__(self, size: int | None) -> None:
        self.counted = 0
        super().__init__(lambda: WindowFacts(size, self._words))

    def _words(self, text: str) -> int:
        self.counted += 1
        return len(text.split())


@pytest.mark.parametrize(
    ("size", "room", "counted"),
    [
        (None, 1000, 0),
        (100_000, 1000, 0),
        (400 + AROUND + 1000, 1000, 1),
        (400 + AROUND + 999, 999, 1),
        (400 + AROUND + 256, 256, 1),
    ],
    ids=["unknown", "wide", "just enough by an exact count", "one too few", "the least"],
)
def test_a_reply_may_take_what_the_prompt_leaves(size: int | None, room: int, counted: int) -> None:
    window = Counting(size)
    with FakeServer("Yes.") as server:
        ask(open_client(server, window=window, max_output_tokens=600, thinking_tokens=400), QUESTION)
    assert (server.requests[0].body["max_completion_tokens"], window.counted) == (room, counted)


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (Counting(400 + AROUND + 255), "leaves 255 of 671 tokens for a reply"),
        (Counting(300), "leaves 0 of 300 tokens for a reply"),
        (ContextWindow(lambda: WindowFacts(700)), "leaves about 100 of 700 tokens for a reply"),
    ],
    ids=["some", "none", "by the estimate"],
)
def test_a_prompt_that_leaves_too_little_is_not_sent(window: ContextWindow, said: str) -> None:
    with FakeServer("Yes.") as server, pytest.raises(ModelError, match=said) as caught:
        ask(open_client(server, window=window), QUESTION)
    assert (caught.value.fault, server.requests) == ("context overflow", [])
    assert "shorten it" in str(caught.value)


def test_every_turn_counts() -> None:
    messages: list[BaseMessage] = [SystemMessage("be brief"), HumanMessage(QUESTION)]
    client = open_client("http://127.0.0.1:1/v1", window=Counting(1000))
    assert client.room_for_reply(messages) == 1000 - 402 - 3 * TURN_TOKENS


def test_without_a_tokenizer_the_estimate_decides() -> None:
    client = open_client("http://127.0.0.1:1/v1", window=ContextWindow(lambda: WindowFacts(2000)))
    estimate = math.ceil(400 * 4 / 3 + 400 / 8)
    assert client.room_for_reply([HumanMessage(QUESTION)]) == 2000 - estimate - AROUND


def test_a_server_is_asked_for_its_window_and_counts_itself() -> None:
    with FakeServer("Yes.", max_model_len=2000) as server:
        client = open_client(server)
        window = load_window(client.model, parse_spec("openai:fake"), context_tokens=None)
        ask(open_client(server, window=window), QUESTION)
    counted = len(QUESTION) // 4 + 1
    assert server.requests[0].body["max_completion_tokens"] == 2000 - counted - AROUND
