"""The index on Chroma seen by whole processes: several at once, killed, without rights, with a server, offline."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pytest
from toy_index import TWO, CountingEmbedder, free_port, query

from principles_store.store import is_fresh, open_index

TESTS = Path(__file__).parent


@pytest.fixture
def counting() -> CountingEmbedder:
    return CountingEmbedder()


KILLED = """
    import os, sys
    from chromadb.api.models.Collection import Collection
    from toy_index import TWO, WordEmbedder
    from principles_store import store
    store.BATCH = 5
    add = Collection.add
    Collection.add = lambda self, **rows: (add(self, **rows), os._exit(9))
    store.open_index(TWO, WordEmbedder(), sys.argv[1])
"""


def test_a_build_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path, counting: CountingEmbedder) -> None:
    assert _start(KILLED, str(tmp_path)).wait(60) == 9
    assert not is_fresh(TWO, counting.id, tmp_path)
    open_index(TWO, counting, tmp_path)
    assert counting.calls == 1


AS_NOBODY = """
    import os, sys
    from toy_index import TWO, WordEmbedder
    from principles_store.errors import StoreError
    from principles_store.store import open_index
    open_index(TWO, WordEmbedder(), sys.argv[1])  # loads all modules
    os.chmod(sys.argv[1], 0o555)
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        open_index(TWO, WordEmbedder(), sys.argv[1])
    except StoreError as error:
        print(error)
"""


def test_a_read_only_folder_is_one_line() -> None:
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        child = _start(AS_NOBODY, folder)
        output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert output.strip() == (
        f"the store {folder} is no folder that can be written (Permission denied); point CLINALIGN_STORE to one"
    )


OPENING = """
    import sys
    from toy_index import TWO, CountingEmbedder, query
    from principles_store.store import open_index
    embedder = CountingEmbedder()
    index = open_index(TWO, embedder, sys.argv[1])
    print(embedder.calls, *(item.principle.id for item in index.search(query("chest pain"))))
"""


def test_processes_that_start_at_once_build_it_once(tmp_path: Path) -> None:
    children = [_start(OPENING, str(tmp_path / "store")) for _ in range(3)]
    outputs = [child.communicate(timeout=120)[0] for child in children]
    assert sorted(outputs) == ["0 chest\n", "0 chest\n", "1 chest\n"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Run a real Chroma server and return its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        Path(sys.executable).with_name("chroma"),
        "run",
        "--path",
        tmp_path / "served",
        "--port",
        url.rpartition(":")[2],
    ]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(f"{url}/api/v2/heartbeat")
            yield url
        finally:
            process.terminate()


def test_a_chroma_server_keeps_the_index(server: str, counting: CountingEmbedder) -> None:
    open_index(TWO, counting, server)
    index = open_index(TWO, counting, f"{server}/")
    assert counting.calls == 1 and is_fresh(TWO, counting.id, server)
    assert index.firing(query("chest pain")) == ["chest"]


OFFLINE = """
    import socket, sys
    reached = []
    def checked(real):
        def connect(self, address):
            if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
                reached.append(address)
                raise OSError(f"no network in this test: {address}")
            return real(self, address)
        return connect
    def lookup(host, *args, **kwargs):
        reached.append(host)
        raise socket.gaierror(f"no network in this test: {host}")
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, checked(getattr(socket.socket, name)))
    socket.getaddrinfo = lookup
    from pathlib import Path
    from principles_store.embedding import load_embedder
    from principles_store.index import Query
    from principles_store.library import load_library
    from principles_store.store import build_index, open_index
    from toy_index import principle, toy_library
    embedder = load_embedder(cache_dir=Path(sys.argv[2]) if sys.argv[2] else None)
    build_index(toy_library(principle("chest", "chest pain")), embedder, sys.argv[1])
    index = open_index(load_library(), embedder, sys.argv[1])
    text = "crushing chest pain, sweating"
    assert index.search(Query(embedder.encode([text]), text, {}))
    print(reached)
"""


def test_building_opening_and_searching_reach_no_network(data_dir: Path) -> None:
    child = _start(OFFLINE, str(data_dir / "chroma"), os.environ.get("CLINALIGN_CACHE", ""))
    output, _ = child.communicate(timeout=200)
    assert (child.returncode, output) == (0, "[]\n")


def _start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python process that can import the tests' own modules."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} doesn't answer")
