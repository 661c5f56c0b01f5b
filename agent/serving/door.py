"""Who may ask the server: bearer keys compared in constant time, and what a browser must not be used for.

Without a key the server is its own machine's alone, and two doors are shut that a web page in that machine's browser would find
open: a request that is not declared as JSON (it needs no permission of ours), and one for another host's name (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Sequence

from starlette.requests import Request

from agent.errors import ConfigError
from agent.serving.openai_errors import ApiError, bad_request

NOT_AUTHORIZED_HEADERS = {"www-authenticate": "Bearer"}


class Door:
    """Lets a request in, or raises the ApiError that keeps it out."""

    def __init__(self, keys: Sequence[str] = (), *, hosts: frozenset[str] | None = None) -> None:
        self._digests = {_digest(key.encode()): key.encode() for key in keys}
        self._hosts = hosts
        """Names that a request may be for; None: any."""

    def enter(self, request: Request) -> bytes:
        """Return the key that the request came with, b"" where none is needed."""
        if self._hosts is not None and request.url.hostname not in self._hosts:
            message = "this server answers its own machine only; give it a key (CLINALIGN_SERVER_KEY) to open it"
            raise ApiError(403, "invalid_request_error", "wrong_host", message, "unauthorized")
        if not self._digests:
            return b""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        found = _digest(given.strip().encode("latin-1") if scheme.lower() == "bearer" else b"")
        # Digests are of one length, and all are compared: time tells neither a key's length nor which one was near.
        matching = [key for digest, key in self._digests.items() if hmac.compare_digest(digest, found)]
        if not matching:
            what = "wrong" if given else "missing"
            message = f"the API key is {what}; send it as `Authorization: Bearer …`"
            raise ApiError(
                401,
                "invalid_request_error",
                "invalid_api_key",
                message,
                "unauthorized",
                headers=NOT_AUTHORIZED_HEADERS,
            )
        return matching[0]


def require_json(request: Request) -> None:
    """Raise an ApiError unless the body is declared as JSON, which a web page can't do without our leave."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise bad_request("send JSON, with the header `Content-Type: application/json`", status=415)


def is_loopback(host: str) -> bool:
    """Tell whether listening on `host` reaches this machine alone; raise ConfigError if it names no address."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError) as error:  # UnicodeError: no name at all
        raise ConfigError(f"can't listen on {host!r}: {getattr(error, 'strerror', None) or error}") from error
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
