"""Every fault of a real server on loopback, met through ChatClient with a real ChatOpenAI: retried where it can help, else one
clear line; and the paid-for work stands in the ledger. What takes too long is `test_chat_deadlines.py`'s."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Any

import pytest
from chat_client import KEY, NO_LIMITS, Listener, ask, both_ways, open_client, overhear

from agent.errors import ModelError
from agent.events import DraftToken
from agent.ledger import Ledger
from agent.testing import FakeServer, Fault, Reply, refusing_url

PASSING = [
    Fault.http(429),
    Fault.http(429, retry_after_s=0.05),
    Fault.http(500),
    Fault.http(502),
    Fault.http(503, retry_after_s=0),
    Fault.http(408),
    Fault.reset(),
    Fault.truncated_body(),
    Fault.wrong_json(),
    Fault.no_api(),
    Reply(""),
    Reply("Half a", finish_reason="abort"),
]
PASSING_IN_STREAM = [
    Fault.cut_stream(after=2),
    Fault.cut_stream(after=2, is_orderly=True),
    Fault.error_event(),
]
LASTING = [
    (Fault.http(400, "temperature must be at most 2"), "rejected request", 1),
    (Fault.wrong_key(KEY), "authentication", 1),
    (Fault.http(403), "authentication", 1),
    (Fault.unknown_model("gpt-9"), "unknown model", 1),
    (Fault.context_overflow(2048), "context overflow", 1),
    (Fault.http(429, code="insufficient_quota"), "overloaded", 1),
    (Fault.http(429), "overloaded", 4),
    (Fault.http(500), "server error", 4),
    (Fault.reset(), "broken stream", 3),
    (Fault.wrong_json(), "broken stream", 3),
    (Fault.no_api(), "broken stream", 3),
    (Fault.truncated_body(), "broken stream", 3),
    (Reply(""), "empty reply", 2),
    (Reply("<think>So much to think of", finish_reason="length"), "cut-off reply", 1),
    (Reply("I can't", finish_reason="content_filter"), "refusal", 1),
]
LASTING_IN_STREAM = [
    (Fault.cut_stream(after=2), "broken stream", 3),
    (Fault.cut_stream(after=2, is_orderly=True), "broken stream", 3),
    (Fault.error_event(), "server error", 4),
    (Fault.error_event("maximum context length is 10 tokens", status=400), "context overflow", 1),
]


def name_of(value: object) -> str:
    if isinstance(value, Fault):
        return f"{value.kind} {value.status if value.kind == 'http' else ''} {value.code or ''}".strip()
    if value is None or callable(value):
        return "streamed" if value else "whole"
    return repr(value.text) if isinstance(value, Reply) else str(value)


def failure(script: Any, on_token: Listener | None = None, **settings: Any) -> tuple[ModelError, FakeServer]:
    with FakeServer(script) as server, pytest.raises(ModelError) as caught:
        ask(open_client(server, **settings), on_token=on_token)
    return caught.value, server


def in_table(names: str, both: list[Any], streamed: list[Any]) -> pytest.MarkDecorator:
    rows = [(row, way) for row in both for way in (None, overhear)] + [(row, overhear) for row in streamed]
    parts = [(*(row if isinstance(row, tuple) else (row,)), way) for row, way in rows]
    return pytest.mark.parametrize([*names.split(), "on_token"], parts, ids=name_of)


@in_table("fault", PASSING, PASSING_IN_STREAM)
def test_a_passing_fault_is_retried(fault: Fault | Reply, on_token: Listener | None) -> None:
    with FakeServer([fault, "Here I am."]) as server:
        assert ask(open_client(server), on_token=on_token) == "Here I am."
        assert [request.body.get("stream", False) for request in server.requests] == [on_token is not None] * 2


@in_table("fault kind requests", LASTING, LASTING_IN_STREAM)
def test_a_lasting_fault_ends_in_one_clear_line(
    fault: Fault | Reply, kind: str, requests: int, on_token: Listener | None
) -> None:
    error, server = failure(fault, on_token, max_attempts=4)
    assert (error.fault, len(server.requests)) == (kind, requests)
    assert str(error).startswith("openai:fake: ")
    assert "\n" not in str(error)


def test_a_server_that_is_not_there_is_asked_three_times() -> None:
    with pytest.raises(ModelError, match=r"can't be reached; is it running.*3 attempts") as caught:
        ask(open_client(refusing_url()))
    assert caught.value.fault == "unreachable"


def test_a_server_that_comes_back_is_found() -> None:
    with FakeServer("") as server:
        address = server.base_url
    port = int(address.split(":")[2].split("/")[0])
    client = open_client(address, backoff_s=0.3)
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(ask(client)))
    asking.start()
    time.sleep(0.05)
    with FakeServer("Back again.", port=port):
        asking.join(5)
    assert found == ["Back again."]


def test_an_address_that_is_none_is_not_tried_again() -> None:
    started = time.monotonic()
    with pytest.raises(ModelError) as caught:
        ask(open_client("localhost:1/v1", backoff_s=5))
    assert caught.value.fault == "unreachable"
    assert time.monotonic() - started < 2


def test_what_was_shown_of_a_broken_attempt_is_voided() -> None:
    tokens: list[DraftToken] = []
    script: Sequence[Fault | Reply] = [
        Fault.cut_stream(after=2, reply=Reply("wrong start", chunk_size=5)),
        Reply("right", chunk_size=9),
    ]
    with FakeServer(script) as server:
        assert ask(open_client(server), on_token=tokens.append) == "right"
    assert tokens == [DraftToken("wrong"), DraftToken("", restart=True), DraftToken("right")]


def test_an_unusable_reply_was_paid_for_and_a_failed_attempt_is_counted() -> None:
    ledger = Ledger(NO_LIMITS)
    with FakeServer(
        [Fault.http(500), Reply(""), Reply("Fine.", usage={"prompt_tokens": 7, "completion_tokens": 2})]
    ) as server:
        ask(open_client(server, price_input=1e6, price_output=1e7), ledger=ledger)
    assert [call.attempts for call in ledger.calls] == [2, 1]
    assert (ledger.calls[1].input_tokens, ledger.calls[1].output_tokens) == (7, 2)
    assert ledger.spent.calls == 2
    assert ledger.spent.cost == pytest.approx(ledger.spent.input_tokens + 10 * ledger.spent.output_tokens)


def test_a_refusal_in_its_own_field_is_told_from_an_empty_reply() -> None:
    error, server = failure(Reply(refusal="I can't help with that."))
    assert (error.fault, len(server.requests)) == ("refusal", 1)
    assert "I can't help with that." in str(error)


def test_a_refusal_in_its_own_field_of_a_stream_is_an_empty_reply() -> None:
    error, _ = failure(Reply(refusal="I can't help with that."), overhear)
    assert error.fault == "empty reply"  # langchain-openai drops `delta.refusal`


@both_ways
@pytest.mark.parametrize(
    "fault", [Fault.wrong_key(KEY), Fault.http(500, f"while calling with {KEY}")], ids=["401", "500"]
)
def test_no_key_stands_in_message_log_or_traceback(
    fault: Fault, on_token: Listener | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        error, _ = failure(fault, on_token, max_attempts=2)
    shown = "".join(traceback.format_exception(error)) + str(error) + caplog.text
    assert KEY not in shown
    assert "[key]" in str(error)


def test_a_cause_without_a_key_is_kept() -> None:
    error, _ = failure(Fault.http(500), max_attempts=1)
    assert type(error.__cause__).__name__ == "OpenAIAPIError"
