"""The way to a Ray cluster and back: one that runs, or a Ray of this machine alone; quiet, and with an answer in bounded time.

Leaves out Ray Client (`ray://`): the batch keeps its journal and the calls that are paid for on its own disk, where the nodes must
be able to reach it, so it runs on a node of the cluster (docs/cluster.md).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent.errors import ConfigError

_CONNECT_S, _STATUS_S = 5.0, 60.0
_OBJECT_STORE = 256 * 2**20
"""Bytes, of a Ray of our own; what goes through it are the rows in flight."""


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Give the module `ray`, connected; leave the connection as it was found. Raises ConfigError, within a minute or two."""
    ray = _load_ray()
    if ray.is_initialized():
        yield ray
        return
    if address is not None:
        _look_for_cluster(address)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    own = {"object_store_memory": _OBJECT_STORE, "include_dashboard": False} if address is None else {}
    try:
        with _silence():
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"can't join the Ray cluster {address!r}: {reason(error)}") from error
    # What Ray tells of workers that die goes to stdout, where our results are; Ray's debugger has it keep silent in the same way.
    ray._private.worker._worker_logs_enabled = False
    try:
        for number, handler in handlers.items():
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, handler)  # Ray has put its own there
        yield ray
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = True


@contextmanager
def _silence() -> Iterator[None]:
    """Keep Ray's native code from writing to stderr: what matters comes as an exception too, or stands in Ray's logs."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # it says that it has read that variable
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _load_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError("a batch on Ray needs it installed: pip install 'clinalign[ray]'") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _look_for_cluster(address: str) -> None:
    """Raise ConfigError where no cluster answers; `ray.init` alone would wait for minutes."""
    if address.startswith("ray://"):
        raise ConfigError(f"{address}: the batch must run on a node of the cluster; name its host:port, or auto")
    host, _, port = address.rpartition(":")
    if address != "auto":
        if not host or not port.isdigit():
            raise ConfigError(f"{address!r} is no address of a Ray cluster; give host:port, or auto")
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
        except OSError as error:
            raise ConfigError(f"no Ray cluster answers at {address}: {error.strerror or error}") from error
    asked = [sys.executable, "-m", "ray.scripts.scripts", "status", *(["--address", address] * (address != "auto"))]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=_STATUS_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"no Ray cluster answers at {address} in {_STATUS_S:.0f} s") from error
    if told.returncode:
        raise ConfigError(f"no Ray cluster that takes us at {address}: {_last_line(told.stderr)}")


def reason(error: BaseException) -> str:
    """Return the one line of Ray's long messages that says what it was."""
    return f"{type(error).__name__}: {_last_line(str(error))}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"
