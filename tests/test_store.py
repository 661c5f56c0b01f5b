"""The index on Chroma: built once, opened only if it fits, and never a traceback for a store that can't be used."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings
from toy_index import TWO, CountingEmbedder, WordEmbedder, free_port, principle, query, toy_library

from principles_store.embedding import Vectors
from principles_store.errors import EmbeddingError, StoreError
from principles_store.library import Library
from principles_store.store import KEPT_COLLECTIONS, build_index, index_hash, is_fresh, open_index


@pytest.fixture
def counting() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a folder with the complete index of TWO."""
    build_index(TWO, WordEmbedder(), tmp_path / "store")
    return tmp_path / "store"


def _collection(folder: Path) -> tuple[chromadb.ClientAPI, str]:
    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    return client, f"principles-{index_hash(TWO, WordEmbedder.id)[:16]}"


def test_a_complete_index_is_read_without_encoding(built: Path, counting: CountingEmbedder) -> None:
    index = open_index(TWO, counting, built)
    records, vectors = index.vectors_of("situation", "criterion", "meets", "breaks")
    assert counting.calls == 0
    np.testing.assert_allclose(vectors, WordEmbedder().encode([record.text for record in records]), atol=1e-6)
    assert [item.principle.id for item in index.search(query("chest pain"))] == ["chest"]


def test_building_anew_encodes_again(built: Path, counting: CountingEmbedder) -> None:
    build_index(TWO, counting, built)
    assert counting.calls == 1 and is_fresh(TWO, counting.id, built)


@pytest.mark.parametrize(
    ("library", "embedder"),
    [
        (toy_library(principle("chest", "chest pain", topic="chest"), TWO.principles[1]), CountingEmbedder()),
        (TWO, CountingEmbedder("other weights")),
    ],
    ids=["edited library", "other embedder"],
)
def test_an_index_of_something_else_is_never_served(built: Path, library: Library, embedder: CountingEmbedder) -> None:
    assert not is_fresh(library, embedder.id, built)
    index = open_index(library, embedder, built)
    assert embedder.calls == 1 and index.library is library
    assert is_fresh(TWO, "words", built), "the other one stays"


@pytest.mark.parametrize("damage", ["not marked complete", "a row is lost"])
def test_an_unfinished_index_is_built_again(built: Path, counting: CountingEmbedder, damage: str) -> None:
    client, name = _collection(built)
    collection = client.get_collection(name, embedding_function=None)
    if damage == "a row is lost":
        collection.delete(ids=["cough/situation/-1/0"])
    else:
        collection.modify(metadata={key: value for key, value in collection.metadata.items() if key != "complete"})
    client.close()
    assert not is_fresh(TWO, counting.id, built)
    open_index(TWO, counting, built)
    assert counting.calls == 1 and is_fresh(TWO, counting.id, built)


def test_asking_whether_it_is_fresh_builds_nothing(tmp_path: Path) -> None:
    assert not is_fresh(TWO, "words", tmp_path / "new")
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
        "no server": f"http://127.0.0.1:{free_port()}",
        "no port": "http://127.0.0.1:none",
    }[kind]


@pytest.mark.parametrize("kind", ["file", "below a file", "unwritable", "other scheme", "no server", "no port"])
def test_an_unusable_place_is_one_line_that_names_it_and_the_remedy(tmp_path: Path, kind: str) -> None:
    location = _unusable(tmp_path, kind)
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        open_index(TWO, WordEmbedder(), location)
    assert location in str(caught.value) and "CLINALIGN_STORE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("keep", [0.0, 0.05, 0.5, 0.9], ids=["garbage", "head", "half", "most"])
def test_a_damaged_database_is_one_line_that_names_it_and_the_remedy(built: Path, keep: float) -> None:
    file = built / "chroma.sqlite3"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)] or b"garbage" * 1000)
    with pytest.raises(StoreError, match="move that folder away") as caught:
        open_index(TWO, WordEmbedder(), built)
    assert str(built) in str(caught.value) and "\n" not in str(caught.value)
    shutil.rmtree(built)
    open_index(TWO, WordEmbedder(), built)  # the remedy works, in the same process


def test_a_silent_server_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("principles_store.store.SERVER_TIMEOUT_S", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(StoreError, match="check that a Chroma server answers there"),
    ):
        open_index(TWO, WordEmbedder(), f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_an_error_of_the_embedder_stays_its_own(tmp_path: Path) -> None:
    class Broken(WordEmbedder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            raise EmbeddingError("no weights")

    with pytest.raises(EmbeddingError, match="no weights"):
        open_index(TWO, Broken(), tmp_path)


def test_threads_that_start_at_once_build_it_once(tmp_path: Path, counting: CountingEmbedder) -> None:
    with ThreadPoolExecutor(4) as pool:
        indexes = list(pool.map(lambda _: open_index(TWO, counting, tmp_path), range(4)))
    assert counting.calls == 1
    assert all(index.firing(query("chest pain")) == ["chest"] for index in indexes)
