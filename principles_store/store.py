"""The index of a library on Chroma: build it once, open it only if it fits, hold it in memory. The one importer of chromadb.

A collection's name carries the hash of library and embedder, so a stale index can't be opened by mistake; it is marked
complete only after its last row. Chroma keeps and shares the vectors (with text and scenario labels, for any Chroma
client); searching is done in memory by `index.py`. Our vectors are always passed: Chroma's own embedder would download.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from principles_store.embedding import Embedder
from principles_store.errors import StoreError
from principles_store.index import Index, Record, library_records
from principles_store.library import Library

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

FORMAT = 1
"""Version of the records' layout; part of the hash, so that a new layout is a new collection."""
BATCH = 2000
KEPT_COLLECTIONS = 4
"""Indexes of other libraries or versions that stay beside the current one."""
_PREFIX = "principles-"

logger = logging.getLogger(__name__)


def default_store_dir() -> Path:
    """Return the folder of the index below the user's data directory."""
    from platformdirs import user_data_path

    return user_data_path("clinalign") / "chroma"


def index_hash(library: Library, embedder_id: str) -> str:
    """Return what the index depends on, as hexadecimal SHA-256."""
    return hashlib.sha256(f"{FORMAT}\n{embedder_id}\n{library.content_hash}".encode()).hexdigest()


def open_index(library: Library, embedder: Embedder, location: str | Path) -> Index:
    """Return the index of `library`, reading it from Chroma at `location` (folder or http URL), building it if need be.

    Raises StoreError where the location can't be used or holds a damaged index.
    """
    records = library_records(library)
    with _StoreErrors(location):
        client = _client(str(location))
        name = _collection_name(library, embedder)
        collection = _complete_collection(client, name, len(records))
        if collection is None:
            return _build(client, name, library, records, embedder)
        return Index(library, records, _read_vectors(collection, records))


def build_index(library: Library, embedder: Embedder, location: str | Path) -> Index:
    """Build the index anew, whatever is there; raises StoreError like `open_index`."""
    with _StoreErrors(location):
        return _build(
            _client(str(location)), _collection_name(library, embedder), library, library_records(library), embedder
        )


def is_fresh(library: Library, embedder_id: str, location: str | Path) -> bool:
    """Tell whether a complete index of exactly this library and embedder is at `location`; builds nothing."""
    if not _is_url(str(location)) and not (Path(location) / "chroma.sqlite3").is_file():
        return False
    with _StoreErrors(location):
        name = _PREFIX + index_hash(library, embedder_id)[:16]
        return _complete_collection(_client(str(location)), name, len(library_records(library))) is not None


def _collection_name(library: Library, embedder: Embedder) -> str:
    return _PREFIX + index_hash(library, embedder.id)[:16]


def _is_url(location: str) -> bool:
    return location.startswith(("http://", "https://"))


@lru_cache(maxsize=8)
def _client(location: str) -> ClientAPI:
    """Return the one client of this process for `location`; Chroma wants no second one on the same path."""
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if _is_url(location):
        from urllib.parse import urlsplit

        url = urlsplit(location)
        port = url.port or (443 if url.scheme == "https" else 8000)
        return chromadb.HttpClient(host=url.hostname or "", port=port, ssl=url.scheme == "https", settings=settings)
    Path(location).mkdir(parents=True, exist_ok=True)
    return chromadb.PersistentClient(path=location, settings=settings)


def _complete_collection(client: ClientAPI, name: str, expected: int) -> Collection | None:
    """Return the collection if it was finished and still holds every row."""
    found = {collection.name: collection for collection in client.list_collections()}.get(name)
    if found is None or (found.metadata or {}).get("complete") != expected or found.count() != expected:
        return None
    return client.get_collection(name, embedding_function=None)


def _build(client: ClientAPI, name: str, library: Library, records: Sequence[Record], embedder: Embedder) -> Index:
    logger.info("building the index of %d principles (%d texts)", len(library), len(records))
    vectors = embedder.encode([record.text for record in records])
    if name in {collection.name for collection in client.list_collections()}:
        client.delete_collection(name)
    started: dict[str, Any] = {"library_hash": library.content_hash, "embedder": embedder.id, "built_at": time.time()}
    collection = client.create_collection(
        name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}, metadata=started
    )
    for start in range(0, len(records), BATCH):
        part = records[start : start + BATCH]
        collection.add(
            ids=[record.id for record in part],
            embeddings=vectors[start : start + BATCH],
            documents=[record.text for record in part],
            metadatas=[_metadata(library, record) for record in part],
        )
    collection.modify(metadata={**started, "complete": len(records)})
    _prune(client, keep=name)
    return Index(library, records, vectors)


def _metadata(library: Library, record: Record) -> dict[str, Any]:
    principle = library.by_id[record.principle_id]
    labels = dict.fromkeys(principle.scenarios, True)
    return {
        "principle_id": principle.id,
        "kind": record.kind,
        "criterion": record.criterion,
        "dimension": principle.dimension,
        **labels,
    }


def _read_vectors(collection: Collection, records: Sequence[Record]) -> np.ndarray:
    rows: dict[str, Any] = {}
    for start in range(0, len(records), BATCH):
        ids = [record.id for record in records[start : start + BATCH]]
        part = collection.get(ids=ids, include=["embeddings"])
        rows.update(zip(part["ids"], part["embeddings"], strict=True))  # type: ignore[arg-type]
    missing = [record.id for record in records if record.id not in rows]
    if missing:
        raise StoreError(f"the index lacks {len(missing)} of {len(records)} rows, first {missing[0]!r}")
    return np.asarray([rows[record.id] for record in records], dtype=np.float32)


def _prune(client: ClientAPI, *, keep: str) -> None:
    """Drop the oldest indexes of other libraries; every edit of a library leaves one behind."""
    others = [c for c in client.list_collections() if c.name.startswith(_PREFIX) and c.name != keep]
    others.sort(key=lambda collection: float((collection.metadata or {}).get("built_at", 0.0)), reverse=True)
    for collection in others[KEPT_COLLECTIONS:]:
        client.delete_collection(collection.name)


class _StoreErrors:
    """Turn whatever Chroma raises inside the block into a StoreError that says where and what to do."""

    def __init__(self, location: str | Path) -> None:
        self._location = location

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # Chroma's Rust core panics with a BaseException of its own on a damaged file.
        if error is None or isinstance(error, StoreError | KeyboardInterrupt | SystemExit | GeneratorExit):
            return
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            _client.cache_clear()
            raise StoreError(
                f"the index at {self._location} can't be used ({type(error).__name__}: {_first_line(error)}); it can be made "
                f"again from the library: move that folder away, or point CLINALIGN_STORE to a folder you can write to"
            ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else "no message"
