"""What keeps an answer of the page safe in a browser: headers, a nonce for the page's own scripts, the owner's cookie."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from agent.page.owners import owner_cookie

STOPPING = "The server is being stopped; try again later."
_CACHED = ("/assets/", "/static/", "/svelte/", "/theme.css", "/favicon.ico")
"""The same for everybody; the rest may hold somebody's text."""
_HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class ProtectedAnswer:
    """The `send` of one request."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._nonce = secrets.token_urlsafe(16)
        self._start: Message | None = None
        self._page: bytearray | None = None
        """Of a page, what has come of it so far; None: not a page, and sent on as it comes."""
        self._is_over = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            self._protect(MutableHeaders(raw=message.setdefault("headers", [])))
            if self._page is None:
                await self._send(message)
            return
        if self._page is None:
            self._is_over = not message.get("more_body", False)
            await self._send(message)
            return
        self._page += message.get("body", b"")
        if not message.get("more_body", False):
            await self._send_page(bytes(self._page))

    async def send_json(self, status: int, data: Mapping[str, Any]) -> None:
        body = json.dumps(data).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})

    async def end(self) -> None:
        """End an answer that was cut short."""
        if self._start is None:
            await self.send_json(503, {"detail": STOPPING})
        elif not self._is_over:
            self._page = None
            await self({"type": "http.response.body", "body": b""})

    def _protect(self, headers: MutableHeaders) -> None:
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]  # Gradio lets every site read from a server that is not on localhost
        headers.update(_HEADERS)
        headers["content-security-policy"] = _POLICY.format(nonce=self._nonce)
        if not self._scope["path"].startswith(_CACHED):
            headers["cache-control"] = "no-store"
        kind = headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            headers["x-accel-buffering"] = "no"  # nginx would hold the events back
        cookies = [_same_site(cookie) for cookie in headers.getlist("set-cookie")]
        if kind.startswith("text/html"):
            self._page = bytearray()
            cookies.append(owner_cookie(self._scope))
        del headers["set-cookie"]
        for cookie in cookies:
            headers.append("set-cookie", cookie)

    async def _send_page(self, page: bytes) -> None:
        """Send a page whose scripts carry the nonce; texts in it have no `<`, which Gradio writes as `\\u003c`."""
        assert self._start is not None  # noqa: S101  # ASGI's order
        self._is_over = True
        page = page.replace(b"<script", b'<script nonce="%s"' % self._nonce.encode())
        MutableHeaders(raw=self._start["headers"])["content-length"] = str(len(page))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": page})


def _same_site(cookie: str) -> str:
    """Return a cookie that is not sent with requests that other sites make."""
    parts = [part for part in cookie.split("; ") if not part.lower().startswith("samesite")]
    return "; ".join([*parts, "SameSite=Lax"])
