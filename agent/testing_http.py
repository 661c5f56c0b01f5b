"""The HTTP side of the fake model server: one connection, requests one after another, faults down to the socket."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from agent.testing_replies import Body, Fault, Reply, completion, count_tokens, error, events

_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Body
    arrived_at: float
    """Reading of time.monotonic()."""


class Script(Protocol):
    """Decides what is answered; the server is told when a request begins and how it ends."""

    models: tuple[str, ...]
    max_model_len: int

    def begin(self, request: Request) -> Reply | Fault: ...
    def end(self, *, is_complete: bool) -> None: ...


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, script: Script, connections: set[Connection]) -> None:
        self._script, self._connections = script, connections
        self._received = bytearray()
        self._work: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._work:
            self._work.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not found:
            return
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
        size = int(headers.get("content-length", 0))
        if len(rest) < size:
            return
        self._received = bytearray(rest[size:])
        method, path = line.split(" ")[:2]
        try:
            body = json.loads(rest[:size]) if size else {}
        except ValueError:
            self._send(400, error(Fault.http(400, "the request is no JSON")))
            return
        request = Request(method, path, headers, body, time.monotonic())
        if request.path.endswith("/chat/completions"):
            self._work = asyncio.ensure_future(self._serve(request))
        else:
            self._look_up(request)

    def _look_up(self, request: Request) -> None:
        """Answer what is asked about the server itself."""
        script = self._script
        if request.path.endswith("/models"):
            facts = {"object": "model", "owned_by": "fake", "max_model_len": script.max_model_len}
            self._send(200, {"object": "list", "data": [{"id": name, **facts} for name in script.models]})
        elif request.path.endswith("/tokenize"):
            count = count_tokens(request.body)
            tokens = list(range(count))
            self._send(200, {"count": count, "max_model_len": script.max_model_len, "tokens": tokens})
        elif request.path.endswith("/health"):
            self._send(200, {})
        else:
            self._send(404, {"detail": "Not Found"})

    async def _serve(self, request: Request) -> None:
        """Answer a chat completion; the task is cancelled when the client leaves."""
        is_complete = False
        outcome = self._script.begin(request)
        try:
            if isinstance(outcome, Fault):
                await self._fail(outcome, request.body)
            elif request.body.get("stream"):
                await self._stream(outcome, request.body)
            else:
                await asyncio.sleep(outcome.delay_s)
                self._send(200, completion(outcome, request.body))
            is_complete = True
        finally:
            self._work = None
            self._script.end(is_complete=is_complete)

    async def _stream(self, reply: Reply, body: Body, *, after: int | None = None) -> None:
        """Send the events, or only the first few; then the stream has no end yet."""
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        parts = [_STREAM_HEAD]
        for number, data in enumerate(events(reply, body)):
            if number == after:
                break
            parts.append(_chunk(f"data: {data}\n\n"))
            if reply.chunk_delay_s:
                self.transport.write(b"".join(parts))
                parts.clear()
                await asyncio.sleep(reply.chunk_delay_s)
        self.transport.write(b"".join([*parts, b"" if after is not None else b"0\r\n\r\n"]))

    async def _fail(self, fault: Fault, body: Body) -> None:
        if fault.kind == "hang":
            await asyncio.Event().wait()
        elif fault.kind == "http":
            wait = {} if fault.retry_after_s is None else {"retry-after": f"{fault.retry_after_s:g}"}
            self._send(fault.status, error(fault), wait)
        elif fault.kind == "cut stream":
            await self._stream(fault.reply, body, after=fault.after)
            if fault.is_orderly:
                self.transport.write(b"0\r\n\r\n")
            else:
                self.transport.close()
        elif fault.kind == "error event":
            await self._stream(fault.reply, body, after=fault.after)
            event = {"error": {"message": fault.message, "type": "InternalServerError", "code": fault.status}}
            self.transport.write(_chunk(f"data: {json.dumps(event)}\n\n") + b"0\r\n\r\n")
        elif fault.kind == "wrong json":
            self._send_text(200, "text/event-stream", 'data: {"choices": [{"ind\n\n')
        elif fault.kind == "truncated body":
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{")
            self.transport.close()
        elif fault.kind == "no api":
            self._send_text(200, "text/html", "<!doctype html><title>Welcome</title>")
        else:
            self._reset()

    def _reset(self) -> None:
        """Close so that the client meets a reset instead of an end."""
        plain: socket.socket = self.transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _send(self, status: int, body: Body, headers: Mapping[str, str] | None = None) -> None:
        self._send_text(status, "application/json", json.dumps(body), headers)

    def _send_text(self, status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        lines = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.transport.write(f"HTTP/1.1 {status} Fake\r\n{head}\r\n".encode() + body)


def _chunk(text: str) -> bytes:
    data = text.encode()
    return b"%x\r\n%b\r\n" % (len(data), data)
