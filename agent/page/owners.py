"""Whose conversations these are: the name somebody logged in with, or a random number in the browser's cookie."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from agent.errors import InputError

_SECURE, _PLAIN = "__Host-clinalign", "clinalign"
"""The first can't be set by other sites on the same domain, but needs https."""
_YEAR_S = 365 * 24 * 3600
_ID = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 random bits."""


def owner_of(request_cookies: Mapping[str, str], username: str | None) -> str:
    """Return who asks; no name can be taken for a cookie's number. Raises InputError without either."""
    if username:
        return f"user:{username}"
    number = _number(request_cookies, (_SECURE, _PLAIN))
    if number is None:
        raise InputError(
            "this page keeps your conversations apart from others' by a cookie, and none came; allow cookies for it, "
            "then reload it"
        )
    return f"browser:{number}"


def owner_cookie(scope: Scope) -> str:
    """Return the Set-Cookie line that keeps this browser's number for another year, or gives it one.

    SameSite is Lax: with Strict, a browser that follows a link to the page would seem a new one, and lose its conversations.
    """
    is_secure = scope["scheme"] == "https"
    name = _SECURE if is_secure else _PLAIN
    number = _number(cookie_parser(Headers(scope=scope).get("cookie", "")), (name,)) or secrets.token_urlsafe(32)
    secure = "; Secure" if is_secure else ""
    return f"{name}={number}; Path=/; Max-Age={_YEAR_S}; HttpOnly; SameSite=Lax{secure}"


def _number(cookies: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((cookies[name] for name in names if _ID.fullmatch(cookies.get(name, ""))), None)
