"""Which fault an exception of a provider is, by what it carries; how real servers bring them about is test_chat_faults.py's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from langchain_core.exceptions import ContextOverflowError

from agent.faults import diagnose, is_free_of_keys, scrub

_REQUEST = httpx2.Request("POST", "http://127.0.0.1:1/v1/chat/completions")


def status_error(
    status: int, message: str = "no", *, code: str | None = None, headers: dict[str, str] | None = None
) -> Exception:
    response = httpx2.Response(status, headers=headers, request=_REQUEST)
    return openai.APIStatusError(message, response=response, body={"message": message, "code": code})


def anthropic_error(status: int, kind: str, message: str) -> Exception:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    response = httpx.Response(status, request=httpx.Request("POST", "http://127.0.0.1:1/v1/messages"))
    return anthropic.APIStatusError(f"Error code: {status} - {json.dumps(body)}", response=response, body=body)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "fault", "is_retryable"),
    [
        (status_error(400), "rejected request", False),
        (ValueError({"message": "the engine died", "code": 500}), "server error", True),
        (ValueError({"message": "maximum context length is 10 tokens", "code": 400}), "context overflow", False),
        (ValueError({"message": "the engine died", "code": None}), "broken stream", True),
        (status_error(401), "authentication", False),
        (status_error(403), "authentication", False),
        (status_error(400, "API key not valid. Please pass a valid API key."), "authentication", False),
        (status_error(404), "unknown model", False),
        (status_error(400, "invalid model ID", code="model_not_found"), "unknown model", False),
        (status_error(408), "time-out", True),
        (status_error(413), "context overflow", False),
        (status_error(400, "maximum context length is 10 tokens"), "context overflow", False),
        (status_error(400, "the request exceeds the available context size"), "context overflow", False),
        (status_error(400, "flagged", code="content_filter"), "refusal", False),
        (status_error(429), "overloaded", True),
        (status_error(429, "pay", code="insufficient_quota"), "overloaded", False),
        (status_error(402), "overloaded", False),
        (status_error(500), "server error", True),
        (status_error(501), "server error", False),
        (status_error(502), "server error", True),
        (status_error(503), "overloaded", True),
        (anthropic_error(529, "overloaded_error", "Overloaded"), "overloaded", True),
        (anthropic_error(400, "invalid_request_error", "prompt is too long: 9 tokens"), "context overflow", False),
        (anthropic_error(401, "authentication_error", "invalid x-api-key"), "authentication", False),
        (openai.APIError("boom", _REQUEST, body={"message": "boom", "code": 500}), "server error", True),
        (openai.APIError("boom", _REQUEST, body=None), "broken stream", True),
        (ContextOverflowError("too long"), "context overflow", False),
        (openai.APITimeoutError(_REQUEST), "time-out", True),
        (TimeoutError(), "time-out", True),
        (caused(openai.APIConnectionError(request=_REQUEST), httpx2.ConnectError("refused")), "unreachable", True),
        (caused(openai.APIConnectionError(request=_REQUEST), httpx2.ReadError("reset")), "broken stream", True),
        (httpx.UnsupportedProtocol("no http://"), "unreachable", False),
        (httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "unreachable", False),
        (ConnectionRefusedError(111, "refused"), "unreachable", True),
        (ConnectionResetError(104, "reset"), "broken stream", True),
        (json.JSONDecodeError("Expecting value", "{", 1), "broken stream", True),
        (KeyError("delta"), "broken stream", True),
        (MemoryError("out of memory"), "server error", False),
    ],
    ids=lambda value: None if isinstance(value, Exception | bool) else value,
)
def test_each_error_has_its_fault(error: Exception, fault: str, is_retryable: bool) -> None:
    found = diagnose(error)
    assert (found.fault, found.is_retryable) == (fault, is_retryable)
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_what_the_server_asks_to_wait_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert diagnose(status_error(429, headers=headers)).retry_after_s == seconds


def test_a_date_to_wait_for_is_turned_into_seconds() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert diagnose(status_error(503, headers={"retry-after": later})).retry_after_s == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("status", "message", "is_about_schema"),
    [
        (400, "Invalid schema for response_format 'reply'", True),
        (422, "Extra inputs are not permitted: json_schema", True),
        (400, "Grammar error: Unimplemented keys", True),
        (400, "x" * 400 + " response_format is not supported", True),
        (400, "temperature must be at most 2", False),
        (500, "schema", False),
    ],
)
def test_a_rejected_schema_is_told_from_other_rejections(status: int, message: str, is_about_schema: bool) -> None:
    assert diagnose(status_error(status, message)).rejects_schema is is_about_schema


def test_a_long_answer_of_the_server_is_cut() -> None:
    assert len(diagnose(status_error(400, "word " * 1000)).message) < 300


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijklmnop",
        "Incorrect API key provided: sk-ab***************mnop.",
        "header Authorization: Bearer abcdefghijklmnop",
        "https://user:abcdefghijklmnop@host/v1",
        "GET /v1beta/models?key=abcdefghijklmnop&alt=sse",
        "AIzaabcdefghijklmnop1234",
        "gsk_abcdefghijklmnop1234",
        "hf_abcdefghijklmnop1234",
        "x-api-key: abcdefghijklmnop",
    ],
)
def test_no_key_is_left_in_a_text(text: str) -> None:
    assert "mnop" not in scrub(text)


@pytest.mark.parametrize(
    "text", ["the risk-benefit ratio", "hf_hub_download failed", "the key is missing", "key=", "SK-II 5 mg"]
)
def test_what_is_no_key_stays(text: str) -> None:
    assert scrub(text) == text


def test_keys_known_by_value_are_scrubbed_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "plain words as key")
    assert scrub("(plain words as key)(another one)", ["another one"]) == "([key])([key])"


def test_a_key_in_the_cause_of_an_error_is_found() -> None:
    error: Any = caused(RuntimeError("call failed"), RuntimeError("sk-abcdefghijkl"))
    assert not is_free_of_keys(error)
    assert is_free_of_keys(RuntimeError("call failed"))


def test_an_error_that_was_raised_from_none_is_judged_alone() -> None:
    error = TimeoutError()
    error.__context__, error.__suppress_context__ = ConnectionRefusedError(111, "refused"), True
    assert diagnose(error).fault == "time-out"
