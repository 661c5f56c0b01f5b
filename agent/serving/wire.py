"""What the server needs of HTTP beyond its framework: bounded bodies, clients that go away, and server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Send

from agent.serving.openai_errors import ApiError, bad_request

BODY_S = 30.0
"""For a client to send its request."""
LAST_WORD_S = 1.0
"""For a client to hear of an error."""
_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold the events back
}


class ClientGoneError(Exception):
    """The client has closed the connection."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return a request's body; raise an ApiError past `limit` bytes, told beforehand or not, or if it doesn't come."""
    message = f"the request has more than {limit // 1024} KiB; shorten the conversation"
    too_large = ApiError(413, "invalid_request_error", "request_too_large", message, "too_large")
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise bad_request(f"the request didn't come within {BODY_S:g} s", status=408) from None
    return bytes(body)


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and give it up with ClientGoneError as soon as the client closes the connection."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Wire:
    """The way back to one client: a JSON response, or a stream of events; and errors in the form that still fits."""

    def __init__(self, request: Request, send: Send) -> None:
        self._request, self._send_message = request, send
        self._has_begun = False
        """A status has been sent: from here on an error is an event of the stream."""

    async def send_json(self, data: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str]) -> None:
        """Send a whole response."""
        response = Response(_json(data), status, headers=dict(headers), media_type="application/json")
        await response(self._request.scope, self._request.receive, self._send)

    async def begin_stream(self, headers: Mapping[str, str]) -> None:
        """Send the head of a stream of events."""
        raw = [(name.encode(), value.encode()) for name, value in (_STREAM_HEADERS | dict(headers)).items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})

    async def send_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Send events that came together, in one piece."""
        await self._send_body("".join(f"data: {_json(each)}\n\n" for each in events))

    async def send_comment(self, text: str) -> None:
        """Send what keeps the connection alive and is no event."""
        await self._send_body(f": {text}\n\n")

    async def end_stream(self, last: str = "") -> None:
        await self._send_body(last, more=False)

    async def refuse(self, problem: ApiError) -> None:
        """Tell the client what went wrong: by status, or by an event where the stream has begun."""
        # A client that doesn't listen, or has gone, is not waited for.
        with contextlib.suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(LAST_WORD_S):
                if self._has_begun:
                    await self.send_events([problem.body()])
                    await self.end_stream()
                else:
                    await self.send_json(problem.body(), status=problem.status, headers=problem.headers)

    async def _send_body(self, text: str, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": more})

    async def _send(self, message: Message) -> None:
        self._has_begun = True
        await self._send_message(message)


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON in ASCII: many clients take U+2028 and the like for the end of a line, and half a character can't be sent."""
    return json.dumps(data, separators=(",", ":"))
