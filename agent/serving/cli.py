"""The command `clinalign serve`: read the options, open what they name, listen. The server itself is `server.py`.

Keys come from the environment alone: an argument would stand in the process list.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli_options import Judge, Library, Model, Principles, Redact, Rubrics, Seeds, Temperature, Trace
from agent.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn

    from agent.server import ServerOptions

KEY_VARIABLE = "CLINALIGN_SERVER_KEY"
SHUTDOWN_S = 30
"""For answers under way, once the server is told to stop."""


def serve(  # noqa: PLR0913, PLR0917  # each is an option of the command
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 8000,
    model: Model = None,
    judge: Judge = None,
    temperature: Temperature = None,
    library: Library = None,
    rubrics: Rubrics = None,
    principles: Principles = None,
    seeds: Seeds = None,
    redact: Redact = None,
    trace: Trace = None,
    max_concurrency: Annotated[int, typer.Option(help="Answers worked on at once.")] = 64,
    max_waiting: Annotated[int, typer.Option(help="Requests that may wait beyond these; more get a 429.")] = 256,
    max_seconds: Annotated[float | None, typer.Option(help="For one answer, waiting included.")] = None,
    max_body_kb: Annotated[int, typer.Option(help="Size of a request.")] = 1024,
    checkpoints: Annotated[Path | None, typer.Option(help="SQLite file in which conversations are kept.")] = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="Listen beyond this machine without a key.")] = False,
) -> None:
    """Serve the agent to any OpenAI client; keys, if any, in CLINALIGN_SERVER_KEY, separated by commas."""
    from agent.config import load_settings
    from agent.context import load_context

    try:
        from agent.server import ServerOptions, build_server
    except ImportError as error:
        raise ConfigError(
            f"serving needs more packages ({error.name} is missing): pip install 'clinalign[serve]'"
        ) from error
    from agent.telemetry import configure_telemetry

    keys = take_keys(os.environ)
    settings = load_settings(
        model=model,
        judge=judge,
        temperature=temperature,
        library=library,
        rubrics=rubrics,
        principles=principles,
        seeds=seeds,
        redact=redact,
        trace=trace,
        max_seconds=max_seconds,
    )
    seconds = ServerOptions.max_seconds if settings.max_seconds is None else settings.max_seconds
    hosts = _hosts(host, keys, no_key=no_key)
    options = ServerOptions(keys, hosts, max_concurrency, max_waiting, seconds, max_body_kb, checkpoints)
    listener = listen(host, port)
    configure_telemetry()
    app = build_server(load_context(settings), options)
    typer.echo(f"clinalign serves {app.state.model} at {url(listener)}/v1, {_door(options)}", err=True)
    run(app, listener)


def take_keys(environment: Any) -> tuple[str, ...]:
    """Return the keys, and take them out of the environment, so that no child or dump of it has them.

    Raises ConfigError for a variable without a key in it: whoever set it means the server to be closed.
    """
    value = environment.pop(KEY_VARIABLE, None)
    if value is None:
        return ()
    keys = tuple(key.strip() for key in value.split(",") if key.strip())
    if not keys:
        raise ConfigError(f"{KEY_VARIABLE} is set but empty; give it a key, or unset it")
    if not all(key.isascii() and key.isprintable() and " " not in key for key in keys):
        raise ConfigError(f"{KEY_VARIABLE} has a key that no client can send; use letters, digits and punctuation")
    return keys


def _hosts(host: str, keys: Sequence[str], *, no_key: bool) -> frozenset[str] | None:
    """Return the names that a request may be for; raise ConfigError for a server that is open by mistake."""
    from agent.serving.door import is_loopback

    if keys and no_key:
        raise ConfigError(f"--no-key contradicts {KEY_VARIABLE}; leave one of them out")
    if keys or no_key:
        return None
    if not is_loopback(host):
        raise ConfigError(
            f"listening on {host} opens the server to others: set {KEY_VARIABLE}, or say --no-key if something else guards it"
        )
    return frozenset({"127.0.0.1", "localhost", "::1", host})


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise ConfigError where that is not possible."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name at all
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"can't listen on {host}, port {port}: {reason}; choose another --port or --host") from error


def url(listener: socket.socket) -> str:
    """Return the address that clients use."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: Any, listener: socket.socket) -> None:
    """Serve until interrupted."""
    import uvicorn

    uvicorn.Server(uvicorn_config(app, shutdown_s=SHUTDOWN_S)).run(sockets=[listener])


def uvicorn_config(app: Any, *, shutdown_s: int) -> uvicorn.Config:
    """Return how an app of ours is served: quietly, and with so long for what is under way at the end."""
    import uvicorn

    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=shutdown_s,
    )


def _door(options: ServerOptions) -> str:
    if options.keys:
        return f"{len(options.keys)} key(s)"
    return "without a key, for this machine only" if options.hosts else "without a key, open to whoever reaches it"
