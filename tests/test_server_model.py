"""The server over the LLM engine and a model server on loopback: what is paid for, and what goes wrong there."""

import httpx
import pytest
from openai import APIStatusError
from scripted_model import ScriptedModel, criterion, critique, edit, edits, judged_by, with_model
from serving import ASKED, DRAFT, HTTP, eventually, served

from agent.testing import FakeServer, Fault

ADDED = "Ask again if you faint."
SECRET = "sk-secret-Quux1234567890"


def willing():
    """Return a model that adds a sentence and finds that good."""
    return ScriptedModel(
        critique(criterion("Says when to ask again.")),
        edits(edit("ADD", 1, ADDED)),
        lambda prompt: judged_by(ADDED, prompt),
    )


def ask(server, **more):
    more = {"messages": ASKED, "extra_body": {"clinalign": {"draft": DRAFT}}} | more
    return server.client.chat.completions.create(model=server.model, **more)


def test_the_calls_of_a_real_engine_are_billed_one_by_one(context):
    with FakeServer(willing()) as model, served(with_model(context, model)) as server:
        reply = ask(server, extra_body={})
        counted = server.metric('clinalign_tokens_total{kind="prompt"}')
    steps = reply.usage.clinalign["steps"]
    assert ADDED in reply.choices[0].message.content
    assert (reply.model, list(steps)) == ("clinalign/openai:fake", ["draft", "critique", "revise", "judge"])
    assert reply.usage.prompt_tokens == sum(step["prompt_tokens"] for step in steps.values()) == counted > 0
    assert reply.usage.completion_tokens == sum(step["completion_tokens"] for step in steps.values()) > 0
    assert {step["model"] for step in steps.values()} == {"openai:fake"}


def test_a_draft_is_shown_as_a_draft_while_it_is_written(context):
    with FakeServer(willing()) as model, served(with_model(context, model)) as server:
        got = list(ask(server, extra_body={}, stream=True))
    events = [chunk.clinalign["event"] for chunk in got if hasattr(chunk, "clinalign")]
    first_answer = next(number for number, chunk in enumerate(got) if chunk.choices[0].delta.content)
    last_draft = max(n for n, chunk in enumerate(got) if getattr(chunk, "clinalign", {}).get("event") == "draft")
    assert "draft" in events
    assert last_draft < first_answer


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_closes_the_call_to_the_model_at_once(context, stream):
    with FakeServer(Fault.hang()) as model, served(with_model(context, model)) as server:
        with pytest.raises(httpx.ReadTimeout):
            HTTP.post(f"{server.url}/v1/chat/completions", json=server.body(stream=stream), timeout=0.5)
        assert eventually(lambda: model.disconnects == 1, within_s=2)
        assert eventually(lambda: server.health()["in_flight"] == 0)
        assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.wrong_key(SECRET), 502, "authentication"),
        (Fault.unknown_model(), 502, "unknown_model"),
        (Fault.context_overflow(), 400, "context_length_exceeded"),
        (Fault.http(500, "oops"), 502, "server_error"),
        (Fault.http(429, "slow down"), 503, "overloaded"),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_a_fault_of_the_model_server_is_told_in_openais_form(context, fault, status, code):
    with (
        FakeServer(fault) as model,
        served(with_model(context, model, max_attempts=1)) as server,
        pytest.raises(APIStatusError) as caught,
    ):
        ask(server)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.type == ("invalid_request_error" if status == 400 else "upstream_error")
    assert SECRET not in str(caught.value.body)


def test_a_model_server_that_is_not_there_is_unreachable(context):
    with FakeServer() as model:
        nowhere = with_model(context, model, max_attempts=1)
    with served(nowhere) as server:
        reply = server.post()
    assert (reply.status_code, reply.json()["error"]["fault"]) == (503, "unreachable")


def test_what_was_paid_for_is_kept_when_the_model_fails_later(context):
    model_says = ScriptedModel(critique(criterion("Says when to ask again.")), Fault.http(500, "oops"))
    with FakeServer(model_says) as model, served(with_model(context, model, max_attempts=1)) as server:
        reply = ask(server)
    assert reply.choices[0].message.content == DRAFT
    assert reply.clinalign["stopped_because"] == "model failed"
    assert reply.usage.total_tokens > 0
