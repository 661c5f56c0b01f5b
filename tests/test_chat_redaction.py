"""Redaction around a model call: identifiers don't leave, and come back in text, tokens and JSON."""

from __future__ import annotations

import pytest
from chat_client import ask, ask_json, open_client
from pydantic import BaseModel

from agent.events import DraftToken
from agent.testing import FakeServer, Fault, Reply

QUESTION = "I am Mr. Peter Harrow, mail peter.harrow@example.org. Is ibuprofen 400 mg fine?"


class Quote(BaseModel):
    evidence: str


def sent(server: FakeServer) -> str:
    return str(server.requests[0].body["messages"])


def test_identifiers_do_not_leave_and_come_back() -> None:
    with FakeServer(lambda body: Reply("You wrote: " + body["messages"][0]["content"], chunk_size=3)) as server:
        assert ask(open_client(server, redact=True), QUESTION) == f"You wrote: {QUESTION}"
    assert "Harrow" not in sent(server)
    assert "example.org" not in sent(server)
    assert "ibuprofen 400 mg" in sent(server)


@pytest.mark.parametrize("chunk_size", [1, 4, 100])
def test_tokens_are_restored_too(chunk_size: int) -> None:
    tokens: list[DraftToken] = []
    with FakeServer(Reply("Yes: [EMAIL-1] [", chunk_size=chunk_size)) as server:
        reply = ask(open_client(server, redact=True), QUESTION, on_token=tokens.append)
    assert "".join(token.text for token in tokens) == reply == "Yes: peter.harrow@example.org ["


def test_half_a_placeholder_of_a_broken_attempt_is_forgotten() -> None:
    tokens: list[DraftToken] = []
    broken = Fault.cut_stream(after=2, reply=Reply("Yes [EMA", chunk_size=8))
    with FakeServer([broken, "Yes: [EMAIL-1]."]) as server:
        ask(open_client(server, redact=True), QUESTION, on_token=tokens.append)
    since = [token.restart for token in tokens].index(True)
    assert "".join(token.text for token in tokens[since:]) == "Yes: peter.harrow@example.org."


def test_json_is_restored_inside_its_strings() -> None:
    class Shape(BaseModel):
        evidence: list[str]

    with FakeServer('{"evidence": ["[EMAIL-1]"]}') as server:
        client = open_client(server, redact=True)
        assert ask(client, QUESTION, schema=Shape.model_json_schema()) == '{"evidence": ["peter.harrow@example.org"]}'


def test_without_redaction_everything_is_sent_as_it_is() -> None:
    with FakeServer('{"evidence": "[EMAIL-1]"}') as server:
        assert ask_json(open_client(server), Quote) == Quote(evidence="[EMAIL-1]")
        ask(open_client(server), QUESTION)
    assert "Harrow" in str(server.requests[1].body["messages"])
