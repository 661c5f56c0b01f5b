"""Every way to be refused: one OpenAI error object that says what to do, and a status that a client can act on."""

import logging
import socket

import httpx
import openai
import pytest
from serving import ASKED, DRAFT, HTTP, acting, served

from agent.errors import ConfigError, InputError, JudgeError, LimitReachedError, ModelError, TooLongError
from agent.serving.run_pool import QueueFullError
from principles_store.conversation import ConversationError

SECRET = "patient Zelda Quux"


@pytest.fixture(scope="module")
def failing():
    """What the engine raises at its first call."""
    return []


@pytest.fixture(scope="module")
def server(context, failing):
    def fail(step, ledger):
        raise failing[-1]

    with served(acting(context, fail), max_body_kb=64) as running:
        yield running


def error(reply: httpx.Response) -> dict:
    found = reply.json()["error"]
    assert {"message", "type", "param", "code"} <= set(found)
    assert found["message"]
    return found


def user(content):
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("more", "param", "message"),
    [
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": "hi"}, "messages", "valid array"),
        ({"messages": [5]}, "messages[0]", "object"),
        ({"model": None}, "model", "string"),
        ({"stream": "yes"}, "stream", "boolean"),
        ({"messages": [*ASKED, {"role": "assistant", "content": "x"}]}, "messages", "as the draft"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "system, developer"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "tools can't be called"),
        (user(None), "messages[0].content", "must be text"),
        (user(" "), "messages", "empty"),
        (user([{"type": "image_url", "image_url": {"url": "x"}}]), "messages[0].content[0]", "text only"),
        (user([{"type": "text"}]), "messages[0].content[0]", "text only"),
        (user(["x"]), "messages[0].content[0]", "text only"),
        ({"n": 2}, "n", "one answer"),
        ({"tools": [{"type": "function"}]}, "tools", "leave tools out"),
        ({"tool_choice": "required"}, "tool_choice", "leave tool_choice out"),
        ({"response_format": {"type": "json_object"}}, "response_format", "text"),
        ({"logprobs": True}, "logprobs", "leave logprobs out"),
        ({"modalities": ["audio"]}, "modalities", "text only"),
        ({"clinalign": {"darft": "x"}}, "clinalign.darft", "not permitted"),
        ({"clinalign": {"draft": " "}}, "clinalign.draft", "empty"),
        ({"clinalign": {"draft": 5}}, "clinalign.draft", "string"),
        ({"clinalign": {"thread": "a"}}, "clinalign.thread", "keeps no conversations"),
        ({"clinalign": {"thread": "../a b"}}, "clinalign.thread", "match"),
    ],
)
def test_a_request_that_cannot_be_met_names_the_field_at_fault(server, more, param, message):
    for stream in (False, True):
        reply = server.post(**({"stream": stream} | more))
        found = error(reply)
        assert (reply.status_code, found["type"], found["param"]) == (400, "invalid_request_error", param)
        assert message in found["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"model": "\\ud800"}', b"[" * 5000])
def test_a_body_that_is_no_request_is_refused(server, body):
    headers = {"content-type": "application/json"}
    reply = HTTP.post(f"{server.url}/v1/chat/completions", content=body, headers=headers)
    assert (reply.status_code, error(reply)["type"]) == (400, "invalid_request_error")


def test_a_refusal_does_not_repeat_what_was_sent(server):
    assert SECRET not in server.post(stream=SECRET).text
    assert SECRET not in server.post(clinalign={"draft": [SECRET]}).text


@pytest.mark.parametrize(
    ("fault", "status", "retry"),
    [
        ("authentication", 502, "false"),
        ("unknown model", 502, "false"),
        ("unreachable", 503, None),
        ("overloaded", 503, None),
        ("server error", 502, None),
        ("time-out", 504, None),
        ("broken stream", 502, None),
        ("refusal", 502, "false"),
        ("empty reply", 502, None),
        ("cut-off reply", 502, "false"),
        ("malformed reply", 502, "false"),
        ("rejected request", 502, "false"),
    ],
)
def test_a_model_that_fails_is_an_error_of_the_upstream(server, failing, fault, status, retry):
    failing.append(ModelError("the model failed; do this", fault))
    reply = server.post()
    found = error(reply)
    assert (reply.status_code, found["type"], found["fault"]) == (status, "upstream_error", fault)
    assert found["code"] == fault.replace(" ", "_").replace("-", "_")
    assert found["message"] == "the model failed; do this"
    assert reply.headers.get("x-should-retry") == retry


@pytest.mark.parametrize(
    ("raised", "status", "type_", "code"),
    [
        (ModelError("too long", "context overflow"), 400, "invalid_request_error", "context_length_exceeded"),
        (TooLongError("too long for the model"), 400, "invalid_request_error", "context_length_exceeded"),
        (InputError("something else is wrong"), 400, "invalid_request_error", None),
        (ConversationError("no"), 400, "invalid_request_error", None),
        (JudgeError("two verdicts missing"), 502, "upstream_error", "malformed_reply"),
        (ConfigError("no such folder"), 500, "server_error", "configuration"),
        (QueueFullError("full"), 429, "rate_limit_error", "queue_full"),
    ],
)
def test_other_errors_have_a_status_of_their_own(server, failing, raised, status, type_, code):
    failing.append(raised)
    reply = server.post()
    found = error(reply)
    assert (reply.status_code, found["type"], found["code"]) == (status, type_, code)


def test_a_limit_before_there_is_an_answer_is_an_error(server, failing):
    failing.append(LimitReachedError("calls"))
    reply = server.post(clinalign={})
    assert (reply.status_code, error(reply)["code"]) == (503, "limit_calls")


def test_a_bug_has_an_id_and_its_log_has_no_text_of_the_patient(server, failing, caplog):
    failing.append(ValueError(f"could not read {SECRET}"))
    with caplog.at_level(logging.INFO):
        reply = server.post()
    message = error(reply)["message"]
    assert (reply.status_code, reply.headers["x-should-retry"]) == (500, "false")
    assert SECRET not in reply.text + caplog.text
    id_ = message.rsplit(" ", 1)[-1]
    assert f"internal error {id_}: ValueError at " in caplog.text
    assert "serving.py" in caplog.text


def test_the_official_client_raises_its_own_errors(server, failing):
    ask = server.client.chat.completions.create
    failing.append(ModelError("down", "unreachable"))
    with pytest.raises(openai.InternalServerError, match="down"):
        ask(model=server.model, messages=ASKED, extra_body={"clinalign": {"draft": DRAFT}})
    with pytest.raises(openai.NotFoundError, match="this server has 'clinalign/fake:model'"):
        ask(model="gpt-5", messages=ASKED)
    with pytest.raises(openai.BadRequestError, match="one answer"):
        ask(model=server.model, messages=ASKED, n=2)
    with pytest.raises(openai.NotFoundError, match="clinalign/fake:model"):
        server.client.models.retrieve("gpt-5")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/v1/completions", 404), ("GET", "/v1/chat/completions", 405)],
)
def test_an_unknown_address_is_an_error_object_too(server, method, path, status):
    reply = HTTP.request(method, server.url + path)
    assert (reply.status_code, error(reply)["type"]) == (status, "invalid_request_error")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_told_or_not(server, chunked):
    body = b" " * 3_000_000
    sent = (body[start : start + 60_000] for start in range(0, len(body), 60_000)) if chunked else body
    headers = {"content-type": "application/json"}
    reply = HTTP.post(f"{server.url}/v1/chat/completions", content=sent, headers=headers)
    assert (reply.status_code, error(reply)["code"]) == (413, "request_too_large")
    assert "content-length" not in reply.request.headers or not chunked
    assert server.metric('clinalign_requests_total{outcome="too_large"}') >= 1


def test_a_client_that_sends_it_all_first_still_hears_why(server):
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"{head}Content-Length: 12000000\r\n\r\n".encode() + b" " * 12_000_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_within_the_limit_passes_chunked_too(server, failing):
    failing.append(InputError("reached the engine"))
    import json

    body = json.dumps(server.body()).encode()
    headers = {"content-type": "application/json"}
    reply = HTTP.post(f"{server.url}/v1/chat/completions", content=iter([body[:20], body[20:]]), headers=headers)
    assert error(reply)["message"] == "reached the engine"
