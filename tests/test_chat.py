"""A chat model asked through ChatClient: the visible text, its tokens, the record of the call, and who sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from chat_client import KEY, NO_LIMITS, Listener, ask, both_ways, open_client, open_model
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda

from agent.chat import ChatClient
from agent.errors import InputError
from agent.events import DraftToken
from agent.ledger import Ledger
from agent.loop_thread import shared_loop
from agent.testing import FakeServer, Reply


def test_the_reply_is_returned_without_white_space_around_it() -> None:
    with FakeServer("\n Drink water.\n") as server:
        assert ask(open_client(server), "Thirsty?") == "Drink water."
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "Thirsty?"}]


def test_tokens_come_as_they_are_said_and_in_the_thread_that_asks() -> None:
    came: list[tuple[str, float, str]] = []

    def note(token: DraftToken) -> None:
        came.append((token.text, time.monotonic(), threading.current_thread().name))

    with FakeServer(Reply("abcdef", chunk_size=2, chunk_delay_s=0.1)) as server:
        ask(open_client(server), on_token=note)
    assert [text for text, _, _ in came] == ["ab", "cd", "ef"]
    assert came[-1][1] - came[0][1] > 0.15
    assert {thread for _, _, thread in came} == {threading.current_thread().name}


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<think>Is it safe?</think>\nTake one.", chunk_size=3),
        Reply("Is it safe?\n</think>\nTake one.", chunk_size=3),
        Reply("Take one.", reasoning="Is it safe?", chunk_size=3),
    ],
    ids=["in tags", "without an opening tag", "in a field of its own"],
)
def test_thinking_is_never_part_of_the_reply(reply: Reply) -> None:
    text = ""

    def write(token: DraftToken) -> None:
        nonlocal text
        text = token.text if token.restart else text + token.text

    with FakeServer(reply) as server:
        assert ask(open_client(server), on_token=write) == ask(open_client(server)) == "Take one."
    assert text == "Take one."
    assert [request.body.get("stream", False) for request in server.requests] == [True, False]


@both_ways
def test_the_record_says_what_the_call_took(on_token: Listener | None) -> None:
    ledger = Ledger(NO_LIMITS)
    reply = Reply(
        "Yes.", reasoning="H" * 40, usage={"prompt_tokens": 90, "completion_tokens": 12}, cached_tokens=64, delay_s=0.1
    )
    with FakeServer(reply) as server:
        client = open_client(
            server, max_output_tokens=300, thinking_tokens=200, sampling={"temperature": 0.2, "seed": 7}
        )
        ask(client, ledger=ledger, on_token=on_token)
    (call,) = ledger.calls
    assert (call.input_tokens, call.cached_input_tokens, call.output_tokens, call.reasoning_tokens) == (90, 64, 12, 10)
    assert (call.model, call.step, call.attempts, call.finish_reason) == ("openai:fake", "draft", 1, "stop")
    assert call.sampling == {"temperature": 0.2, "seed": 7, "max_tokens": 500}
    assert 0.1 <= call.seconds < 5
    assert server.requests[0].body["max_completion_tokens"] == 500


def test_prices_are_per_million_tokens() -> None:
    ledger = Ledger(NO_LIMITS)
    with FakeServer(Reply("Yes.", usage={"prompt_tokens": 1000, "completion_tokens": 100})) as server:
        ask(open_client(server, price_input=2.0, price_output=10.0), ledger=ledger)
    assert ledger.spent.cost == pytest.approx(0.003)


@both_ways
def test_a_server_that_reports_no_usage_is_charged_by_an_estimate(on_token: Listener | None) -> None:
    ledger = Ledger(NO_LIMITS)
    with FakeServer(Reply("<think>" + "x" * 393 + "</think>" + "y" * 392, usage={})) as server:
        ask(open_client(server), "z" * 400, ledger=ledger, on_token=on_token)
    assert (ledger.spent.input_tokens, ledger.spent.output_tokens) == (101, 201)


@both_ways
def test_a_draft_that_was_cut_off_is_returned_and_recorded_as_such(on_token: Listener | None) -> None:
    ledger = Ledger(NO_LIMITS)
    with FakeServer(Reply("As far as", finish_reason="length")) as server:
        assert ask(open_client(server), ledger=ledger, on_token=on_token) == "As far as"
    assert ledger.calls[0].finish_reason == "length"


def test_many_threads_share_one_client_and_one_loop() -> None:
    with FakeServer(lambda body: Reply(body["messages"][0]["content"], delay_s=1.0)) as server:
        client = open_client(server)
        started = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            replies = list(pool.map(lambda number: ask(client, f"n{number}"), range(32)))
        assert time.monotonic() - started < 12
    assert replies == [f"n{number}" for number in range(32)]
    assert server.most_in_flight == 32
    assert shared_loop() is shared_loop()


class Watcher(BaseCallbackHandler):
    """Notes what LangChain tells about runs."""

    def __init__(self) -> None:
        self.begun: list[tuple[UUID | None, Any]] = []
        self.ended = 0
        self.parent: UUID | None = None

    def on_chain_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.parent = run_id

    def on_chat_model_start(self, *_: Any, parent_run_id: UUID | None = None, **more: Any) -> None:
        self.begun.append((parent_run_id, more))

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        self.ended += 1


def test_callbacks_of_the_node_see_the_call_as_its_child() -> None:
    watcher = Watcher()
    with FakeServer("Yes.") as server:
        client = open_client(server)
        node: RunnableLambda[str, str] = RunnableLambda(lambda text: ask(client, text))
        assert node.invoke("Hello?", config={"callbacks": [watcher]}) == "Yes."
    ((parent, more),) = watcher.begun
    assert parent == watcher.parent is not None
    assert (more["name"], more["metadata"]["step"], watcher.ended) == ("draft", "draft", 1)
    assert KEY not in str(more)


@both_ways
def test_models_of_other_providers_are_asked_alike(on_token: Listener | None) -> None:
    ledger = Ledger(NO_LIMITS)
    model = GenericFakeChatModel(messages=iter([AIMessage("Take one.")]))
    client = ChatClient(model, "other:model")
    assert ask(client, ledger=ledger, schema={"type": "object"}, on_token=on_token) == "Take one."
    assert ledger.calls[0].output_tokens > 0


def test_a_model_that_is_told_not_to_stream_is_shown_at_once() -> None:
    ledger = Ledger(NO_LIMITS)
    tokens: list[DraftToken] = []
    with FakeServer(Reply("Yes.", usage={"prompt_tokens": 5, "completion_tokens": 2})) as server:
        model = open_model(server.base_url)
        model.disable_streaming = True
        assert ask(ChatClient(model, "openai:fake"), ledger=ledger, on_token=tokens.append) == "Yes."
    assert tokens == [DraftToken("Yes.")]
    assert not server.requests[0].body.get("stream")
    assert (ledger.spent.input_tokens, ledger.calls[0].finish_reason) == (5, "stop")


def usage(given: int, said: int) -> UsageMetadata:
    return {"input_tokens": given, "output_tokens": said, "total_tokens": given + said}


class Blocks(BaseChatModel):
    """Speaks as Anthropic's models do: blocks, usage in two parts if streamed, its own words for why it stopped."""

    @property
    def _llm_type(self) -> str:
        return "blocks"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        content: list[Any] = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Take one."}]
        facts = {"stop_reason": "end_turn"}
        message = AIMessage(content=content, usage_metadata=usage(20, 10), response_metadata=facts)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=[], usage_metadata=usage(20, 1)))
        yield ChatGenerationChunk(message=AIMessageChunk(content=[{"type": "thinking", "thinking": "Hm.", "index": 0}]))
        yield ChatGenerationChunk(message=AIMessageChunk(content=[{"type": "text", "text": "Take one.", "index": 1}]))
        facts = {"stop_reason": "end_turn"}
        end = AIMessageChunk(content=[], usage_metadata=usage(0, 9), response_metadata=facts)
        yield ChatGenerationChunk(message=end)


@both_ways
def test_blocks_of_thinking_are_left_out_and_usage_in_parts_adds_up(on_token: Listener | None) -> None:
    ledger = Ledger(NO_LIMITS)
    assert ask(ChatClient(Blocks(), "blocks:model"), ledger=ledger, on_token=on_token) == "Take one."
    (call,) = ledger.calls
    assert (call.input_tokens, call.output_tokens, call.finish_reason) == (20, 10, "stop")


@both_ways
def test_our_own_errors_of_a_model_in_process_are_passed_on(on_token: Listener | None) -> None:
    class Picky(GenericFakeChatModel):
        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            raise InputError("too long for me")

    with pytest.raises(InputError, match="too long for me"):
        ask(ChatClient(Picky(messages=iter([])), "hf:picky"), on_token=on_token)
