"""A PostgreSQL of Debian's packages that lives as long as a block, in a folder of its own, on a socket of its own.

PostgreSQL refuses to run as root, so root starts it as `postgres` or `nobody`. `tests/postgres_env.sh` installs it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_HOMES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of a new, empty database; skips where no PostgreSQL is installed."""
    if not _HOMES:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql; run tests/postgres_env.sh as root")
    folder = Path(tempfile.mkdtemp(prefix="clinalign-pg-", dir="/tmp"))  # the name of a socket has 107 bytes at most
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _unprivileged())
        _run("initdb", "-D", str(folder / "data"), "-U", "reviews", "-A", "trust", "-E", "UTF8", "--no-sync")
        settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
        _run("pg_ctl", "-D", str(folder / "data"), "-o", settings, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://reviews@/postgres?host={folder}"
        finally:
            _run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    user = ["runuser", "-u", _unprivileged(), "--"] if os.geteuid() == 0 else []
    command = [*user, str(_HOMES[0] / program), *arguments]
    done = subprocess.run(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"{program}: {done.stderr.decode()}"


def _unprivileged() -> str:
    known = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
