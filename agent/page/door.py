"""What stands before the page: who and what is let in, how large a request may be, and what a browser may do with the answer.

Pure ASGI, so that nothing that streams is held up. Of Gradio's many addresses only those that the page uses are open: files can
be neither left here nor fetched. Logging in is Gradio's own; `users.py` says who may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import ConfigError
from agent.page.protection import STOPPING, ProtectedAnswer
from agent.serving.door import is_loopback

BODY_S = 30.0
"""For a client to send its request."""
DRAINED = 8
"""Times the limit that is read of a request that is too large: a client that is still sending doesn't hear why."""
_ADDRESSES = frozenset(
    {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt", "/login", "/logout"}
    | {
        f"/gradio_api/{name}"
        for name in ("queue/join", "queue/data", "cancel", "reset", "login_check", "user", "app_id")
    }
)
_FOLDERS = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")


class RefusedError(Exception):
    """A request that is not let in; the message is for whoever sent it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_open(host: str, *, has_users: bool, no_auth: bool) -> frozenset[str] | None:
    """Return the names that a request may be for, None for any; raise ConfigError for a page that is open by mistake."""
    if has_users and no_auth:
        raise ConfigError("--no-auth contradicts --auth; leave one of them out")
    if has_users or no_auth:
        return None
    if not is_loopback(host):
        raise ConfigError(
            f"listening on {host} opens the page to others: give it users (--auth FILE), or say --no-auth if something else "
            "guards it"
        )
    return frozenset({"127.0.0.1", "localhost", "::1", host})


class PageDoor:
    """ASGI middleware around the whole page; `close()` ends what streams, so that the server can stop."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        health: Callable[[], Mapping[str, Any]],
        hosts: frozenset[str] | None,
        max_body_bytes: int,
    ) -> None:
        self._app, self._health, self._hosts, self._max_body_bytes = app, health, hosts, max_body_bytes
        self._streams: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the server's own start and end
            await self._app(scope, receive, send)
            return
        answer = ProtectedAnswer(scope, send)
        if scope["path"] == "/health":
            await answer.send_json(200, self._health())
            return
        try:
            self._let_in(scope)
            receive = await self._whole_body(scope, receive)
        except RefusedError as refusal:
            await answer.send_json(refusal.status, {"detail": str(refusal)})
            return
        await self._pass_on(scope, receive, answer)

    def close(self) -> None:
        """End what streams; called in the server's loop."""
        self._is_closing = True
        for stream in self._streams:
            stream.cancel()

    def _let_in(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        if self._hosts is not None and _name(headers.get("host", "")) not in self._hosts:
            raise RefusedError(
                403, "This page answers its own machine only; start it with --auth to open it to others."
            )
        if path not in _ADDRESSES and not path.startswith(_FOLDERS):
            raise RefusedError(404, "Nothing is served here.")
        if scope["method"] not in {"GET", "HEAD", "POST"} or _is_from_elsewhere(headers, path):
            raise RefusedError(403, "This page takes no requests from other sites.")
        if self._is_closing:
            raise RefusedError(503, STOPPING)

    async def _whole_body(self, scope: Scope, receive: Receive) -> Receive:
        """Read the body, declared or chunked, and return a `receive` that gives it again."""
        if scope["method"] != "POST":
            return receive
        told = Headers(scope=scope).get("content-length", "")
        try:
            async with asyncio.timeout(BODY_S):
                body = await self._read(receive, is_too_large=told.isdigit() and int(told) > self._max_body_bytes)
        except TimeoutError:
            raise RefusedError(408, f"The request did not come within {BODY_S:g} s; try again.") from None
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        return again

    async def _read(self, receive: Receive, *, is_too_large: bool) -> bytes:
        body, size = bytearray(), 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "The request did not come whole.")
            size += len(message.get("body", b""))
            is_too_large = is_too_large or size > self._max_body_bytes
            if not is_too_large:
                body += message.get("body", b"")
            if not message.get("more_body") or size > DRAINED * self._max_body_bytes:
                break
        if is_too_large:
            limit = self._max_body_bytes // 1024
            raise RefusedError(413, f"The request has more than {limit} KiB; shorten the question or the draft.")
        return bytes(body)

    async def _pass_on(self, scope: Scope, receive: Receive, answer: ProtectedAnswer) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # every request is one
        if scope["path"].startswith(("/gradio_api/queue/data", "/gradio_api/heartbeat/")):
            self._streams.add(task)
        try:
            await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            if not self._is_closing:
                raise
            task.uncancel()
        finally:
            self._streams.discard(task)
        if self._is_closing:
            await answer.end()


def _name(host: str) -> str:
    """Return the name of a Host header, without the port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()


def _is_from_elsewhere(headers: Headers, path: str) -> bool:
    """Tell whether another site's page made a browser send this; to follow a link to the page is fine."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        is_link = path == "/" and headers.get("sec-fetch-dest") == "document"
        return site not in {"same-origin", "none"} and not is_link
    origin = headers.get("origin")  # plain http beyond this machine, where browsers send no more
    return origin is not None and origin.partition("://")[2] != headers.get("host")
