"""Who may log in: a file of `name:password`, a line each, which nobody else may read; `#` begins a line that is left out."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.errors import ConfigError

SHORTEST = 8
"""Characters of a password; nothing slows down who tries many."""
_OTHERS = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP
"""A group may read: that is how orchestrators hand out secrets."""


def read_users(file: Path) -> Callable[[str, str], bool]:
    """Return a check of name and password that takes as long for any.

    Raises ConfigError, which names a line but never says what stands in it.
    """
    key = secrets.token_bytes(32)
    digests: dict[str, bytes] = {}
    for number, name, password in _lines(file, _text(file)):
        if name in digests:
            raise ConfigError(f"{file}, line {number}: this name is there twice; leave one of them out")
        digests[name] = _digest(key, password)
    if not digests:
        raise ConfigError(f"{file} names nobody; write a line `name:password` for each user")
    nobody = _digest(key, secrets.token_urlsafe())

    def is_user(name: str, password: str) -> bool:
        return hmac.compare_digest(digests.get(name, nobody), _digest(key, password))

    return is_user


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8-sig") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if mode & _OTHERS:
                raise ConfigError(f"others can read or change {file}, which holds passwords; run: chmod 600 {file}")
            return opened.read()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not text in UTF-8; write a line `name:password` for each user") from error
    except OSError as error:
        raise ConfigError(f"can't read the users in {file}: {error.strerror or error}") from error


def _lines(file: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, name and password of each line that has them."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if fault := _fault(name, colon, password):
            raise ConfigError(f"{file}, line {number}: {fault}")
        yield number, name.strip(), password


def _fault(name: str, colon: str, password: str) -> str | None:
    if not colon or not name.strip():
        return "write it as `name:password`"
    if password != password.strip():
        return "the password begins or ends with a space, which nobody would see; choose another"
    if len(password) < SHORTEST:
        return f"the password has fewer than {SHORTEST} characters; choose a longer one"
    return None


def _digest(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
