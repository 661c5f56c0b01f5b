"""The index on Chroma: built once, opened only if it fits, and never a traceback for a store that can't be used."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings
from toy_index import WordEmbedder, principle, query, toy_library

from principles_store.embedding import Vectors
from principles_store.errors import EmbeddingError, StoreError
from principles_store.library import Library
from principles_store.store import KEPT_COLLECTIONS, build_index, index_hash, is_fresh, open_index

LIBRARY = toy_library(principle("chest", "chest pain"), principle("cough", "dry cough", mistakes=["no need to worry"]))
TESTS = Path(__file__).parent


class CountingEmbedder(WordEmbedder):
    """Counts how often it is asked."""

    def __init__(self, name: str = "words") -> None:
        self.id = name
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        return super().encode(texts)


@pytest.fixture
def counting() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a folder with the complete index of LIBRARY."""
    build_index(LIBRARY, WordEmbedder(), tmp_path / "store")
    return tmp_path / "store"


def _collection(folder: Path, library: Library = LIBRARY) -> tuple[chromadb.ClientAPI, str]:
    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    return client, f"principles-{index_hash(library, WordEmbedder.id)[:16]}"


def test_a_complete_index_is_read_without_encoding(built: Path, counting: CountingEmbedder) -> None:
    index = open_index(LIBRARY, counting, built)
    records, vectors = index.vectors_of("situation", "criterion", "meets", "breaks")
    assert counting.calls == 0
    np.testing.assert_allclose(vectors, WordEmbedder().encode([record.text for record in records]), atol=1e-6)
    assert [item.principle.id for item in index.search(query("chest pain"))] == ["chest"]


def test_building_anew_encodes_again(built: Path, counting: CountingEmbedder) -> None:
    build_index(LIBRARY, counting, built)
    assert counting.calls == 1 and is_fresh(LIBRARY, counting.id, built)


@pytest.mark.parametrize(
    ("library", "embedder"),
    [
        (toy_library(principle("chest", "chest pain", topic="chest"), LIBRARY.principles[1]), CountingEmbedder()),
        (LIBRARY, CountingEmbedder("other weights")),
    ],
    ids=["edited library", "other embedder"],
)
def test_an_index_of_something_else_is_never_served(built: Path, library: Library, embedder: CountingEmbedder) -> None:
    assert not is_fresh(library, embedder.id, built)
    index = open_index(library, embedder, built)
    assert embedder.calls == 1 and index.library is library
    assert is_fresh(LIBRARY, "words", built), "the other one stays"


@pytest.mark.parametrize("damage", ["not marked complete", "a row is lost"])
def test_an_unfinished_index_is_built_again(built: Path, counting: CountingEmbedder, damage: str) -> None:
    client, name = _collection(built)
    collection = client.get_collection(name, embedding_function=None)
    if damage == "a row is lost":
        collection.delete(ids=["cough/situation/-1/0"])
    else:
        collection.modify(metadata={key: value for key, value in collection.metadata.items() if key != "complete"})
    client.close()
    assert not is_fresh(LIBRARY, counting.id, built)
    open_index(LIBRARY, counting, built)
    assert counting.calls == 1 and is_fresh(LIBRARY, counting.id, built)


KILLED = """
    import os, sys
    from chromadb.api.models.Collection import Collection
    from toy_index import WordEmbedder
    from test_store import LIBRARY
    from principles_store import store
    store.BATCH = 5
    add = Collection.add
    Collection.add = lambda self, **rows: (add(self, **rows), os._exit(9))
    store.open_index(LIBRARY, WordEmbedder(), sys.argv[1])
"""


def test_a_build_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path, counting: CountingEmbedder) -> None:
    assert _start(KILLED, str(tmp_path)).wait(60) == 9
    assert not is_fresh(LIBRARY, counting.id, tmp_path)
    open_index(LIBRARY, counting, tmp_path)
    assert counting.calls == 1


def test_asking_whether_it_is_fresh_builds_nothing(tmp_path: Path) -> None:
    assert not is_fresh(LIBRARY, "words", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_old_indexes_are_dropped_and_foreign_collections_are_not(tmp_path: Path, counting: CountingEmbedder) -> None:
    client, _ = _collection(tmp_path)
    client.create_collection("someone-elses", embedding_function=None)
    versions = [toy_library(principle("p", f"version {n}")) for n in range(KEPT_COLLECTIONS + 3)]
    for version in versions:
        open_index(version, counting, tmp_path)
    fresh = [is_fresh(version, counting.id, tmp_path) for version in versions]
    assert fresh == [False, False] + [True] * (KEPT_COLLECTIONS + 1)
    assert "someone-elses" in {collection.name for collection in client.list_collections()}


def test_any_chroma_client_can_read_texts_and_labels(built: Path) -> None:
    client, name = _collection(built)
    rows = client.get_collection(name, embedding_function=None).get(where={"non-emergent": True})
    assert "chest pain" in (rows["documents"] or [])


def _unusable(tmp_path: Path, kind: str) -> str:
    if kind == "file":
        (tmp_path / "file").write_text("x", encoding="utf-8")
    return {
        "file": str(tmp_path / "file"),
        "below a file": f"{__file__}/store",
        "unwritable": "/proc/clinalign",
        "other scheme": "ftp://127.0.0.1/store",
        "no server": f"http://127.0.0.1:{_free_port()}",
        "no port": "http://127.0.0.1:none",
    }[kind]


@pytest.mark.parametrize("kind", ["file", "below a file", "unwritable", "other scheme", "no server", "no port"])
def test_an_unusable_place_is_one_line_that_names_it_and_the_remedy(tmp_path: Path, kind: str) -> None:
    location = _unusable(tmp_path, kind)
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        open_index(LIBRARY, WordEmbedder(), location)
    assert location in str(caught.value) and "CLINALIGN_STORE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("keep", [0.0, 0.05, 0.5, 0.9], ids=["garbage", "head", "half", "most"])
def test_a_damaged_database_is_one_line_that_names_it_and_the_remedy(built: Path, keep: float) -> None:
    file = built / "chroma.sqlite3"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)] or b"garbage" * 1000)
    with pytest.raises(StoreError, match="move that folder away") as caught:
        open_index(LIBRARY, WordEmbedder(), built)
    assert str(built) in str(caught.value) and "\n" not in str(caught.value)
    shutil.rmtree(built)
    open_index(LIBRARY, WordEmbedder(), built)  # the remedy works, in the same process


def test_a_silent_server_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("principles_store.store.SERVER_TIMEOUT_S", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(StoreError, match="check that a Chroma server answers there"),
    ):
        open_index(LIBRARY, WordEmbedder(), f"http://127.0.0.1:{silent.getsockname()[1]}")


AS_NOBODY = """
    import os, sys
    from toy_index import WordEmbedder
    from test_store import LIBRARY
    from principles_store.errors import StoreError
    from principles_store.store import open_index
    open_index(LIBRARY, WordEmbedder(), sys.argv[1])  # loads all modules
    os.chmod(sys.argv[1], 0o555)
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        open_index(LIBRARY, WordEmbedder(), sys.argv[1])
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


def test_an_error_of_the_embedder_stays_its_own(tmp_path: Path) -> None:
    class Broken(WordEmbedder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            raise EmbeddingError("no weights")

    with pytest.raises(EmbeddingError, match="no weights"):
        open_index(LIBRARY, Broken(), tmp_path)


OPENING = """
    import sys
    from test_store import LIBRARY, CountingEmbedder
    from toy_index import query
    from principles_store.store import open_index
    embedder = CountingEmbedder()
    index = open_index(LIBRARY, embedder, sys.argv[1])
    print(embedder.calls, *(item.principle.id for item in index.search(query("chest pain"))))
"""


def test_processes_that_start_at_once_build_it_once(tmp_path: Path) -> None:
    children = [_start(OPENING, str(tmp_path / "store")) for _ in range(3)]
    outputs = [child.communicate(timeout=120)[0] for child in children]
    assert sorted(outputs) == ["0 chest\n", "0 chest\n", "1 chest\n"]


def test_threads_that_start_at_once_build_it_once(tmp_path: Path, counting: CountingEmbedder) -> None:
    with ThreadPoolExecutor(4) as pool:
        indexes = list(pool.map(lambda _: open_index(LIBRARY, counting, tmp_path), range(4)))
    assert counting.calls == 1
    assert all(index.firing(query("chest pain")) == ["chest"] for index in indexes)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Run a real Chroma server and return its URL."""
    url = f"http://127.0.0.1:{_free_port()}"
    command = [
        Path(sys.executable).with_name("chroma"),
        "run",
        "--path",
        tmp_path / "served",
        "--port",
        url.rsplit(":")[-1],
    ]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        _wait_for(f"{url}/api/v2/heartbeat")
        yield url
        process.terminate()


def test_a_chroma_server_keeps_the_index(server: str, counting: CountingEmbedder) -> None:
    open_index(LIBRARY, counting, server)
    index = open_index(LIBRARY, counting, f"{server}/")
    assert counting.calls == 1 and is_fresh(LIBRARY, counting.id, server)
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} doesn't answer")
