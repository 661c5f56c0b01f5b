"""What the fake model server of `testing.py` can be told to say, and how that looks in OpenAI's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Body = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the model says."""

    text: str = ""
    chunk_size: int = 16
    """Characters per event when streaming."""
    delay_s: float = 0.0
    """Before the first byte."""
    chunk_delay_s: float = 0.0
    """Between events; 0 sends them together."""
    reasoning: str = ""
    """Thinking in a field of its own (`reasoning_content`), before the text."""
    refusal: str = ""
    finish_reason: str = "stop"
    usage: Mapping[str, int] | None = None
    """prompt_tokens and completion_tokens; counted where not given, and `{}` reports none."""
    repeats_usage: bool = False
    """Usage so far stands in every event, as some servers do."""
    cached_tokens: int = 0
    """Of the prompt, from the prefix cache."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong instead of a reply."""

    kind: Literal["http", "hang", "reset", "cut stream", "error event", "truncated body", "wrong json", "no api"]
    status: int = 500
    message: str = "the fake server was told to fail"
    code: str | None = None
    retry_after_s: float | None = None
    reply: Reply = Reply("This reply is never sent to its end.")
    after: int = 1
    """Events before the stream is cut."""
    is_orderly: bool = False
    """The stream is cut by an orderly end, as by a proxy, not by closing the connection."""

    @classmethod
    def http(
        cls, status: int, message: str = "", *, code: str | None = None, retry_after_s: float | None = None
    ) -> Fault:
        """Return an error response in OpenAI's form."""
        return cls("http", status, message or f"the fake server was told to answer {status}", code, retry_after_s)

    @classmethod
    def hang(cls) -> Fault:
        """Return silence until the client leaves."""
        return cls("hang")

    @classmethod
    def reset(cls) -> Fault:
        """Return a connection that is reset once the request has come."""
        return cls("reset")

    @classmethod
    def cut_stream(
        cls, *, after: int = 1, reply: Reply | str = Reply("This is cut off."), is_orderly: bool = False
    ) -> Fault:
        """Return a stream that ends after so many events."""
        reply = Reply(reply) if isinstance(reply, str) else reply
        return cls("cut stream", reply=reply, after=after, is_orderly=is_orderly)

    @classmethod
    def error_event(cls, message: str = "the engine died", *, status: int = 500, after: int = 1) -> Fault:
        """Return a stream that ends with an error, as of a server that fails while it speaks."""
        return cls("error event", status, message, after=after)

    @classmethod
    def truncated_body(cls) -> Fault:
        """Return a body that is shorter than its Content-Length."""
        return cls("truncated body")

    @classmethod
    def wrong_json(cls) -> Fault:
        """Return a body, or an event, that is no JSON."""
        return cls("wrong json")

    @classmethod
    def no_api(cls) -> Fault:
        """Return a web page with status 200, as a wrong address does."""
        return cls("no api")

    @classmethod
    def context_overflow(cls, limit: int = 2048) -> Fault:
        """Return vLLM's and OpenAI's answer to a conversation that is too long."""
        message = f"This model's maximum context length is {limit} tokens, but the request has more."
        return cls.http(400, message, code="context_length_exceeded")

    @classmethod
    def unknown_model(cls, name: str = "fake") -> Fault:
        """Return the answer to a model's name that is not served."""
        return cls.http(404, f"The model `{name}` does not exist.", code="model_not_found")

    @classmethod
    def bad_schema(cls) -> Fault:
        """Return the answer of a server that can't decode by this JSON schema."""
        return cls.http(400, "Invalid schema for response_format 'reply': it is not supported.")

    @classmethod
    def wrong_key(cls, key: str = "") -> Fault:
        """Return the answer to a wrong key, which repeats it as some servers do."""
        return cls.http(401, f"Incorrect API key provided: {key}", code="invalid_api_key")


Scripted = str | Reply | Fault


def completion(reply: Reply, body: Body) -> Body:
    """Return the answer to a request that doesn't stream."""
    message = {"role": "assistant", "content": reply.text or None}
    message |= {"reasoning_content": reply.reasoning} if reply.reasoning else {}
    message |= {"refusal": reply.refusal} if reply.refusal else {}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    usage = _usage(reply, body)
    return _head(body, "chat.completion") | {"choices": [choice]} | ({"usage": usage} if usage else {})


def events(reply: Reply, body: Body) -> Iterator[str]:
    """Yield the data of the events of a stream; usage only for those who ask for it."""
    head, usage = _head(body, "chat.completion.chunk"), _usage(reply, body)
    start = (
        json.dumps(head | ({"usage": usage} if reply.repeats_usage else {}))[:-1]
        + ', "choices": [{"index": 0, "delta": '
    )
    yield f'{start}{{"role": "assistant", "content": ""}}, "finish_reason": null}}]}}'
    for name, text in (("reasoning_content", reply.reasoning), ("content", reply.text), ("refusal", reply.refusal)):
        for position in range(0, len(text), reply.chunk_size):
            piece = json.dumps({name: text[position : position + reply.chunk_size]})
            yield f'{start}{piece}, "finish_reason": null}}]}}'
    yield f'{start}{{}}, "finish_reason": {json.dumps(reply.finish_reason)}}}]}}'
    if usage and (body.get("stream_options") or {}).get("include_usage"):
        yield json.dumps(head | {"choices": [], "usage": usage})
    yield "[DONE]"


def error(fault: Fault) -> Body:
    """Return the body of an error response."""
    return {"error": {"message": fault.message, "type": "fake_error", "param": None, "code": fault.code}}


def count_tokens(body: Body) -> int:
    """Count the tokens of a conversation, or of the text that vLLM's (`prompt`) or llama.cpp's (`content`) /tokenize is asked."""
    texts = [message.get("content") or "" for message in body.get("messages", [])]
    texts += [body[name] for name in ("prompt", "content") if name in body][
        :1
    ]  # a client may send both, to suit either
    return sum(len(str(text)) // 4 + 1 for text in texts)


def _head(body: Body, kind: str) -> Body:
    return {"id": "fake-1", "object": kind, "created": 0, "model": str(body.get("model", "fake"))}


def _usage(reply: Reply, body: Body) -> Body:
    if reply.usage is not None and not reply.usage:
        return {}
    said = len(reply.text) // 4 + len(reply.reasoning) // 4 + 1
    usage = {"prompt_tokens": count_tokens(body), "completion_tokens": said, **(reply.usage or {})}
    return usage | {
        "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": len(reply.reasoning) // 4},
    }
