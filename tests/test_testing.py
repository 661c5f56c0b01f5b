"""The public fake server: it speaks OpenAI's protocol to the official client, and fails on the wire as it is told to."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlparse

import openai
import pytest

import agent.testing
from agent.testing import FakeServer, Fault, Reply, refusing_url

QUESTION: list[Any] = [{"role": "user", "content": "Hello?"}]


def client(server: FakeServer, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=10)


def complete(server: FakeServer, **more: Any) -> Any:
    return client(server).chat.completions.create(model="fake", messages=QUESTION, **more)


def send(server: FakeServer, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlparse(server.base_url).netloc, timeout=10)
    connection.request(method, path, None if body is None else body if isinstance(body, str) else json.dumps(body))
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)
    return is_so()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(Reply("Hello, world.", chunk_size=5, reasoning="Hm.", cached_tokens=2)) as server:
        yield server


def test_the_official_client_gets_a_reply(server: FakeServer) -> None:
    reply = complete(server)
    assert reply.choices[0].message.content == "Hello, world."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens_details.cached_tokens == 2
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_the_official_client_gets_a_stream_in_pieces(server: FakeServer) -> None:
    chunks = list(complete(server, stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert texts == ["Hello", ", wor", "ld."]
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_usage_is_streamed_only_to_those_who_ask(server: FakeServer) -> None:
    assert not any(chunk.usage for chunk in complete(server, stream=True))


def test_a_refusal_stands_in_its_own_field() -> None:
    with FakeServer(Reply(refusal="I can't.")) as server:
        message = complete(server).choices[0].message
    assert (message.content, message.refusal) == (None, "I can't.")


def test_a_sequence_is_said_in_order_and_its_end_is_loud() -> None:
    with FakeServer(["one", Reply("two")]) as server:
        assert [complete(server).choices[0].message.content for _ in range(2)] == ["one", "two"]
        with pytest.raises(openai.BadRequestError, match="2 replies, and this is request 3"):
            complete(server)


def test_a_function_answers_what_it_is_asked() -> None:
    with FakeServer(lambda body: body["messages"][-1]["content"].upper()) as server:
        assert complete(server).choices[0].message.content == "HELLO?"


def test_requests_are_kept_as_they_came(server: FakeServer) -> None:
    complete(server, temperature=0.5)
    request = server.requests[0]
    assert (request.method, request.path, request.body["temperature"]) == ("POST", "/v1/chat/completions", 0.5)
    assert request.headers["authorization"] == "Bearer any"


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault.http(429, retry_after_s=7), openai.RateLimitError, "told to answer 429"),
        (Fault.http(500), openai.InternalServerError, "told to answer 500"),
        (Fault.context_overflow(10), openai.BadRequestError, "maximum context length is 10"),
        (Fault.unknown_model("x"), openai.NotFoundError, "`x` does not exist"),
        (Fault.bad_schema(), openai.BadRequestError, "response_format"),
        (Fault.wrong_key("k"), openai.AuthenticationError, "Incorrect API key"),
        (Fault.reset(), openai.APIConnectionError, "Connection error"),
        (Fault.truncated_body(), openai.APIConnectionError, "Connection error"),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)
def test_each_fault_reaches_the_client(fault: Fault, error: type[Exception], words: str) -> None:
    with FakeServer(fault) as server, pytest.raises(error, match=words) as caught:
        complete(server)
    wait = fault.retry_after_s
    assert wait is None or caught.value.response.headers["retry-after"] == str(wait)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.cut_stream(after=2), openai.APIConnectionError),
        (Fault.error_event(), openai.APIError),
        (Fault.wrong_json(), json.JSONDecodeError),
        (Fault.reset(), openai.APIConnectionError),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_stream_fails_as_told(fault: Fault, error: type[Exception]) -> None:
    with FakeServer(fault) as server, pytest.raises(error):
        list(complete(server, stream=True))


def test_a_stream_that_is_cut_in_an_orderly_way_has_no_end() -> None:
    with FakeServer(Fault.cut_stream(after=2, reply=Reply("abcdef", chunk_size=3), is_orderly=True)) as server:
        chunks = list(complete(server, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "abc"]
    assert chunks[-1].choices[0].finish_reason is None


def test_a_web_page_is_no_answer() -> None:
    with FakeServer(Fault.no_api()) as server:
        assert list(complete(server, stream=True)) == []


def test_a_client_that_leaves_is_noticed() -> None:
    with FakeServer(Fault.hang()) as server:
        with pytest.raises(openai.APITimeoutError):
            complete(server, timeout=0.05)
        assert until(lambda: server.disconnects == 1)
        assert server.in_flight == 0


def test_nobody_listens_at_the_refusing_address() -> None:
    address = urlparse(refusing_url())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port), timeout=5)


def test_a_wrong_key_is_refused() -> None:
    with FakeServer("fine", api_key="right") as server:
        with pytest.raises(openai.AuthenticationError):
            complete(server)
        assert client(server, "right").chat.completions.create(model="fake", messages=QUESTION)


def test_unknown_models_and_long_conversations_are_refused() -> None:
    with FakeServer("fine", models=["small"], max_model_len=4) as server:
        with pytest.raises(openai.NotFoundError):
            complete(server)
        with pytest.raises(openai.BadRequestError, match="maximum context length"):
            client(server).chat.completions.create(model="small", messages=QUESTION * 5)


def test_what_servers_tell_about_themselves() -> None:
    with FakeServer("fine", models=["small"], max_model_len=4096) as server:
        models = send(server, "GET", "/v1/models")[1]["data"]
        assert [(model["id"], model["max_model_len"]) for model in models] == [("small", 4096)]
        assert send(server, "POST", "/tokenize", {"prompt": "x" * 8})[1]["count"] == 3
        assert send(server, "GET", "/health")[0] == 200
        assert send(server, "GET", "/nothing")[0] == 404
        assert send(server, "POST", "/v1/chat/completions", "{")[0] == 400


def test_many_requests_are_served_at_once() -> None:
    with FakeServer(Reply("fine", delay_s=2)) as server:  # longer than 64 threads need to start on a busy machine
        started = time.monotonic()
        with ThreadPoolExecutor(64) as pool:
            list(pool.map(lambda _: send(server, "POST", "/v1/chat/completions", {"model": "fake"}), range(64)))
        assert server.most_in_flight == 64
        assert time.monotonic() - started < 20, "one after the other it would be 128 s"


def test_it_runs_by_itself() -> None:
    command = [sys.executable, "-m", "agent.testing", "--text", "alone"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", address)
        found = openai.OpenAI(base_url=address, api_key="any").chat.completions.create(model="fake", messages=QUESTION)
        process.terminate()
    assert found.choices[0].message.content == "alone"


def test_what_is_public_is_named() -> None:
    assert agent.testing.__all__ == ["FakeServer", "Fault", "Reply", "Request", "refusing_url"]
