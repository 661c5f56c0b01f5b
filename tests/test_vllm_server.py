"""Our client side against a real vLLM server with a tiny random Qwen3: what only a real server shows."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field
from tiny_qwen3 import tiny_qwen3_folder
from vllm_server import MISSING, PYTHON, VllmServer, vllm_server

from agent.api import invoke
from agent.chat import ChatClient
from agent.context_window import load_window
from agent.errors import CancelledError, ModelError
from agent.ledger import Ledger, Limits
from agent.llm import llm_engine
from agent.llm_schemas import Critique, critique_schema
from agent.models import load_model, parse_spec
from agent.state import AgentContext

__all__ = ["tiny_qwen3_folder"]  # the fixture `tiny_qwen3`
pytestmark = [pytest.mark.vllm, pytest.mark.skipif(not PYTHON.exists(), reason=MISSING)]
SHARED = "You are careful. " * 200
"""More than one of vLLM's cache blocks, of 128 tokens on a CPU."""
DRAFT = "Yes, ibuprofen is fine. Take 400 mg three times a day with food. Drink enough water."


@pytest.fixture(scope="module")
def server(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with vllm_server(tiny_qwen3, tmp_path_factory.mktemp("vllm") / "server.log") as running:
        yield running


@pytest.fixture
def model(server: VllmServer, monkeypatch: pytest.MonkeyPatch) -> BaseChatModel:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return load_model("openai:tiny", timeout_s=60, temperature=0.8, seed=1)


def ask(client: ChatClient, text: str, ledger: Ledger, system: str = "", **more) -> str:  # type: ignore[no-untyped-def]
    messages: list[BaseMessage] = [SystemMessage(system)] if system else []
    return client.ask([*messages, HumanMessage(text)], step="draft", prompt="", prompt_hash="", ledger=ledger, **more)


def test_a_draft_streams_with_usage_and_finish_reason(model: BaseChatModel) -> None:
    ledger, shown = Ledger(), []
    text = ask(ChatClient(model, "openai:tiny", max_output_tokens=40), "What dose?", ledger, on_token=shown.append)
    assert len(shown) > 3
    assert "".join(token.text for token in shown).strip() == text
    call = ledger.calls[0]
    assert (call.output_tokens, call.finish_reason) == (40, "length")
    assert call.input_tokens > 10


def test_the_same_seed_gives_the_same_reply(model: BaseChatModel) -> None:
    first, again = (model.invoke("What dose?", max_tokens=20).text for _ in range(2))
    other = model.invoke("What dose?", max_tokens=20, seed=2).text
    assert first == again != other


class Report(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    verdict: Literal["yes", "no", "unknown"]
    points: Annotated[int, Field(ge=-10, le=10)]
    reason: Annotated[str, Field(max_length=30)]


def test_a_schema_is_kept_by_a_model_that_knows_nothing(model: BaseChatModel) -> None:
    client, ledger = ChatClient(model, "openai:tiny", max_output_tokens=300, json_schema="always"), Ledger()
    asked = [HumanMessage("Judge.")]
    report = client.ask_json(asked, Report, step="judge", prompt="", prompt_hash="", ledger=ledger)
    assert isinstance(report, Report)
    assert len(ledger.calls) == 1, "no repair was needed"


def test_a_critique_in_the_agents_own_schema_comes_whole(model: BaseChatModel) -> None:
    client = ChatClient(model, "openai:tiny", max_output_tokens=8000, json_schema="always")
    text = ask(client, "Judge.", Ledger(), schema=critique_schema(3, 0, 5, most=2))
    # xgrammar lets raw control characters into strings that have a maxLength, so JSON's strictest reading does not hold.
    critique = Critique.model_validate_json(json.dumps(json.loads(text, strict=False)))
    assert len(critique.criteria) <= 2
    assert all(0 <= criterion.principle <= 3 for criterion in critique.criteria)


def test_what_two_prompts_share_is_computed_once(server: VllmServer, model: BaseChatModel) -> None:
    client, ledger = ChatClient(model, "openai:tiny", max_output_tokens=2), Ledger()
    before = server.cache_counters()
    ask(client, "First question", ledger, system=SHARED + "one")
    cold = server.cached_share(before)
    between = server.cache_counters()
    ask(client, "A different question", ledger, system=SHARED + "one")
    assert cold < 0.1
    assert server.cached_share(between) > 0.8
    first, second = ledger.calls
    assert first.cached_input_tokens < 0.1 * first.input_tokens
    assert second.cached_input_tokens > 0.8 * second.input_tokens


def test_the_window_and_the_tokens_are_the_servers(model: BaseChatModel) -> None:
    window, ledger = load_window(model, parse_spec("openai:tiny"), context_tokens=None), Ledger()
    assert (window.size, window.is_exact) == (16_384, True)
    text = "How much paracetamol may I take? " * 10
    ask(ChatClient(model, "openai:tiny", max_output_tokens=1), text, ledger)
    around_a_turn = ledger.calls[0].input_tokens - window.count(text)
    assert 0 < around_a_turn < 20


def test_a_prompt_above_the_window_is_an_overflow(model: BaseChatModel) -> None:
    with pytest.raises(ModelError) as caught:
        ask(ChatClient(model, "openai:tiny", max_output_tokens=10), "dose " * 20_000, Ledger())
    assert caught.value.fault == "context overflow"


def test_an_unknown_model_is_named_as_such(server: VllmServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    model = load_model("openai:other", timeout_s=60, temperature=None, seed=None)
    with pytest.raises(ModelError) as caught:
        ask(ChatClient(model, "openai:other"), "Hi", Ledger())
    assert caught.value.fault == "unknown model"


def test_a_schema_that_the_server_rejects_is_left_out_from_then_on(model: BaseChatModel) -> None:
    client, ledger = ChatClient(model, "openai:tiny", max_output_tokens=6000), Ledger()
    schema = {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}
    assert ask(client, "Numbers?", ledger, schema=schema)
    assert ask(client, "Numbers?", ledger, schema=schema)
    assert [call.attempts for call in ledger.calls] == [2, 1]


def test_a_cancelled_call_frees_the_server(server: VllmServer, model: BaseChatModel) -> None:
    ledger = Ledger(cancelled=threading.Event())
    assert ledger.cancelled is not None
    threading.Timer(0.5, ledger.cancelled.set).start()
    client = ChatClient(
        model.model_copy(update={"extra_body": {"ignore_eos": True}}), "openai:tiny", max_output_tokens=15_000
    )
    with pytest.raises(CancelledError):
        ask(client, "Talk", ledger)
    deadline = time.monotonic() + 10
    while server.metric("vllm:num_requests_running") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.metric("vllm:num_requests_running") == 0


def test_many_calls_at_once_are_batched(server: VllmServer, model: BaseChatModel) -> None:
    client, most = ChatClient(model, "openai:tiny", max_output_tokens=60), 0.0
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(ask, client, f"Dose for patient {n}?", Ledger()) for n in range(32)]
        while not all(call.done() for call in calls):
            most = max(most, server.metric("vllm:num_requests_running"))
    assert all(call.result() for call in calls)
    assert most > 4


def test_a_whole_run_ends_with_an_answer_and_shares_its_prompts(
    server: VllmServer, model: BaseChatModel, context: AgentContext
) -> None:
    client = ChatClient(model, "openai:tiny", max_output_tokens=4000)
    limits, before = Limits(max_tokens=None), server.cache_counters()
    engine = llm_engine(client, client, limits=limits)
    answer = invoke("May I take ibuprofen?", draft=DRAFT, context=replace(context, engine=engine, limits=limits))
    assert answer["answer"]
    assert [call["step"] for call in answer["calls"]][:1] == ["critique"]
    assert answer["usage"]["input_tokens"] == sum(call["input_tokens"] for call in answer["calls"])
    if len(answer["calls"]) > 1:
        assert server.cached_share(before) > 0.1
