"""A reply that is paid for is kept before the run goes on, and a run begun anew gets it again instead of asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from batch_work import Model, asked, without_seconds
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel
from scripted_model import client_of, with_model

from agent.api import invoke
from agent.call_memory import KeptReply, request_key
from agent.errors import CancelledError, ModelError
from agent.events import DraftToken
from agent.ledger import CallRecord, Ledger
from agent.state import AgentContext
from agent.testing import FakeServer, Fault, Reply

ASKED = [HumanMessage("Is 38 °C a fever?")]
ROW = asked(1)[0]


class Verdict(BaseModel):
    met: bool


@dataclass
class Shelf:
    """A memory in a dict."""

    begins_anew = True
    kept: dict[str, KeptReply] = field(default_factory=dict)
    bills: list[tuple[int, float]] = field(default_factory=list)
    """Calls and cost of each time that something was paid for."""

    def recall(self, request: str) -> KeptReply | None:
        return self.kept.get(request)

    def keep(self, request: str, reply: KeptReply) -> None:
        self.kept[request] = reply

    def paid(self, calls: Sequence[CallRecord], cost: float) -> None:
        self.bills.append((len(calls), cost))


class Closed(Shelf):
    """A memory under which no further call may begin."""

    def recall(self, request: str) -> KeptReply | None:
        raise CancelledError("closed")


def said(
    server: FakeServer, memory: Shelf, messages: Sequence[BaseMessage] = ASKED, **options: Any
) -> tuple[str, Ledger]:
    ledger = Ledger(memory=memory)
    client = client_of(server, **{"price_input": 1e6, "price_output": 1e6, **options})
    return client.ask(messages, step="draft", prompt="", prompt_hash="", ledger=ledger), ledger


def judged(server: FakeServer, memory: Shelf) -> Verdict:
    client = client_of(server)
    return client.ask_json(ASKED, Verdict, step="judge", prompt="judge", prompt_hash="1", ledger=Ledger(memory=memory))


def revised(context: AgentContext, server: FakeServer, memory: Shelf | None) -> dict[str, Any]:
    return dict(
        invoke(ROW["question"], draft=ROW["draft"], context=replace(with_model(context, server), memory=memory))
    )


def test_what_was_paid_for_is_given_again_and_charged_as_it_was() -> None:
    memory = Shelf()
    with FakeServer(["From 38 °C on."]) as server:
        first, paid = said(server, memory)
        again, charged = said(server, memory)
    assert first == again == "From 38 °C on."
    assert charged.spent == paid.spent
    assert charged.calls == paid.calls
    assert paid.spent.cost > 0
    assert memory.bills == [(1, paid.spent.cost)]


def test_a_reply_that_took_two_calls_costs_the_same_when_it_is_given_again() -> None:
    memory = Shelf()
    with FakeServer(["", "From 38 °C on."]) as server:
        _, paid = said(server, memory)
        _, charged = said(server, memory)
    assert (paid.spent.calls, charged.spent) == (2, paid.spent)
    assert memory.bills == [(2, paid.spent.cost)]


def test_every_token_of_a_kept_reply_comes_at_once() -> None:
    shown: list[DraftToken] = []
    ledger = Ledger(memory=Shelf())
    with FakeServer(["From 38 °C on."]) as server:
        for _ in range(2):
            shown.clear()
            client_of(server).ask(ASKED, step="draft", prompt="", prompt_hash="", ledger=ledger, on_token=shown.append)
    assert shown == [DraftToken("From 38 °C on.")]


def test_a_malformed_reply_and_its_repair_are_both_given_again() -> None:
    memory = Shelf()
    with FakeServer(['{"met": "perhaps"}', '{"met": true}']) as server:
        assert judged(server, memory) == judged(server, memory) == Verdict(met=True)
        assert len(server.requests) == len(memory.kept) == 2


@pytest.mark.parametrize("fault", [Reply("Cut", finish_reason="length"), Reply(refusal="I can't say.")])
def test_a_reply_that_is_of_no_use_is_not_kept_but_was_paid_for(fault: Reply) -> None:
    memory = Shelf()
    with FakeServer(fault) as server, pytest.raises(ModelError):
        client_of(server).ask_json(
            ASKED, Verdict, step="judge", prompt="", prompt_hash="", ledger=Ledger(memory=memory)
        )
    assert not memory.kept
    assert [calls for calls, _ in memory.bills] == [1]


def test_what_the_server_refused_cost_nothing() -> None:
    memory = Shelf()
    with FakeServer(Fault.wrong_key()) as server, pytest.raises(ModelError):
        said(server, memory)
    assert memory.bills == [(0, 0.0)]


def test_where_no_further_call_may_begin_none_does() -> None:
    with FakeServer("Yes.") as server:
        with pytest.raises(CancelledError, match="closed"):
            said(server, Closed())
        assert not server.requests


def test_redacted_names_are_kept_as_they_were_sent_and_restored_for_the_user() -> None:
    messages, memory = [HumanMessage("Mail jane.doe@example.org: is 38 °C a fever?")], Shelf()
    with FakeServer(lambda body: f"Dear {body['messages'][-1]['content'].split()[1]} yes.") as server:
        first, _ = said(server, memory, messages, redact=True)
        again, _ = said(server, memory, messages, redact=True)
        assert len(server.requests) == 1
    assert first == again == "Dear jane.doe@example.org: yes."
    assert "jane" not in next(iter(memory.kept.values())).text


@pytest.mark.parametrize(
    "other",
    [
        ("openai:b", ASKED, "reply"),
        ("openai:a", [*ASKED, AIMessage("Yes.")], "reply"),
        ("openai:a", [AIMessage(ASKED[0].content)], "reply"),
        ("openai:a", ASKED, "Judgement"),
        ("openai:a", [HumanMessage("Is 38 °C a fever?\ud83d")], "reply"),
    ],
)
def test_requests_that_differ_in_anything_have_other_keys(other: tuple[str, Sequence[BaseMessage], str]) -> None:
    assert request_key(*other) != request_key("openai:a", ASKED, "reply")
    assert request_key(*other) == request_key(*other)


def test_a_whole_run_begun_anew_asks_nothing_and_gives_the_same(context: AgentContext) -> None:
    memory = Shelf()
    with FakeServer(Model()) as server:
        first, again = (revised(context, server, memory) for _ in range(2))
        plain = revised(context, server, None)
        assert len(server.requests) == 3 + 0 + 3
    assert without_seconds(first) == without_seconds(again) == without_seconds(plain)
    assert first["calls"] == again["calls"]
    assert first["accepted"]


def test_a_model_that_fails_is_an_error_only_where_its_work_is_kept(context: AgentContext) -> None:
    model = Model(faults=lambda case, task: Fault.wrong_key() if task == "REVISE" else None)
    with FakeServer(model) as server:
        assert revised(context, server, None)["stopped_because"] == "model failed"
        with pytest.raises(ModelError, match="the key is"):
            revised(context, server, Shelf())
