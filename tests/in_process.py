"""A command of clinalign run in this process, where a process of its own would cost seconds and show no more.

Terminals, signals and kills need a real one.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

from agent.cli import app, run_command
from agent.context import load_context
from agent.entry_commands import add_commands
from agent.testing import FakeServer


def address(server: FakeServer | None) -> dict[str, str]:
    """Return the environment by which a command's models are at a server."""
    return {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "any"} if server else {}


def clinalign_here(*words: str, stdin: bytes = b"", **environment: str) -> CompletedProcess[str]:
    """Return what `clinalign WORDS` says and its exit code."""
    return command_here(_whole_app(), "clinalign", *words, stdin=stdin, **environment)


def command_here(
    command: Callable[[], Any], *words: str, stdin: bytes = b"", **environment: str
) -> CompletedProcess[str]:
    """Return what a command, started by these words, says and its exit code; the environment is as it was afterwards."""
    given, out, err = (io.TextIOWrapper(io.BytesIO(text), encoding="utf-8") for text in (stdin, b"", b""))
    code: Any = 0
    load_context.cache_clear()  # its models may have been at another test's server
    with (
        patch.dict(os.environ, environment),
        patch.object(sys, "argv", list(words)),
        patch.object(sys, "stdin", given),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            run_command(command)
        except SystemExit as ended:
            code = ended.code or 0
    said, told = (_text(stream) for stream in (out, err))
    return CompletedProcess(list(words), code, said, told)


@cache
def _whole_app() -> Callable[[], Any]:
    add_commands(app, "clinalign.commands")
    return app


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
