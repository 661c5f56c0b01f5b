"""What `clinalign revise` was given: a question from the command line, standard input or a file, and its draft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from agent.errors import InputError

MAX_BYTES = 2_000_000
"""Of one input; a larger one isn't a conversation."""


def read_request(
    *, question: str | None, draft: str | None, draft_file: Path | None, file: Path | None, stdin: BinaryIO
) -> dict[str, Any]:
    """Return {conversation, draft?} in a form that `agent.invoke` takes; raises InputError naming what is wrong where."""
    if draft is not None and draft_file is not None:
        raise InputError("--draft and --draft-file exclude each other; give one")
    if question is not None and file is not None:
        raise InputError("a question and --file exclude each other; give one")
    if file is not None:
        request = _parsed(_read_file(file), str(file))
    elif question in (None, "-"):
        request = _parsed(_decoded(stdin.read(MAX_BYTES + 1), "standard input"), "standard input")
    else:
        request = {"conversation": question}
    if draft_file is not None:
        draft = _read_file(draft_file)
    return request | ({"draft": draft} if draft is not None else {})


def _parsed(text: str, name: str) -> dict[str, Any]:
    """Return a request from JSON if the text is JSON (or its file says so), else from a plain question."""
    if not text.strip():
        raise InputError(f"{name}: empty; give a question, or a JSON conversation")
    if not (name.endswith(".json") or text.lstrip()[0] in "[{"):
        return {"conversation": text.strip()}
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}: malformed JSON at line {error.lineno}, column {error.colno}: {error.msg}") from error
    if isinstance(data, list):
        return {"conversation": data}
    if not isinstance(data, dict):
        raise InputError(f"{name}: expected a list of messages or an object, found {type(data).__name__}")
    return data


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); check the path") from error
    return _decoded(content, str(path))


def _decoded(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise InputError(f"{name}: more than {MAX_BYTES:,} bytes; give one conversation")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
