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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import numpy as np

from principles_store.embedding import Embedder, Vectors, default_cache_dir
from principles_store.errors import StoreError
from principles_store.index import Index, Record, library_records
from principles_store.library import Library

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

FORMAT = 1
"""Version of the records' layout; part of the hash, so that a new layout is a new collection."""
BATCH = 2000
LOCK_TIMEOUT_S = 600
"""Far longer than any build."""
SERVER_TIMEOUT_S = 5
"""For a server's first sign of life."""
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
    with _sole_user(str(location)):
        with _chroma(str(location)) as client:
            collection = _complete_collection(client, _collection_name(library, embedder.id), len(records))
            if collection is not None:
                return Index(library, records, _read_vectors(collection, records))
        return _build(library, records, embedder, str(location))


def build_index(library: Library, embedder: Embedder, location: str | Path) -> Index:
    """Build the index anew, whatever is there; raises StoreError like `open_index`."""
    with _sole_user(str(location)):
        return _build(library, library_records(library), embedder, str(location))


def is_fresh(library: Library, embedder_id: str, location: str | Path) -> bool:
    """Tell whether a complete index of exactly this library and embedder is at `location`; builds nothing."""
    if not _is_url(str(location)) and not (Path(location) / "chroma.sqlite3").is_file():
        return False
    with _sole_user(str(location)), _chroma(str(location)) as client:
        name = _collection_name(library, embedder_id)
        return _complete_collection(client, name, len(library_records(library))) is not None


def _collection_name(library: Library, embedder_id: str) -> str:
    return _PREFIX + index_hash(library, embedder_id)[:16]


def _is_url(location: str) -> bool:
    return location.startswith(("http://", "https://"))


@contextmanager
def _sole_user(location: str) -> Iterator[None]:
    """Keep this user's other processes away from `location` meanwhile: Chroma sets a new folder up without a lock."""
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    import chromadb  # noqa: F401 - takes a second, which no other process should wait for
    from filelock import FileLock, Timeout

    if "://" in location and not _is_url(location):
        raise StoreError(f"the store {location!r} is neither a folder nor an http URL; correct CLINALIGN_STORE")
    server = hashlib.sha256(location.encode()).hexdigest()[:16]
    path = default_cache_dir() / f"server-{server}.lock" if _is_url(location) else Path(location) / ".lock"
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path).acquire(timeout=LOCK_TIMEOUT_S))
        except Timeout as error:
            raise StoreError(
                f"another process has held {path} for {LOCK_TIMEOUT_S} s; end it, then try again"
            ) from error
        except OSError as error:
            if not _is_url(location):
                reason = error.strerror or type(error).__name__
                raise StoreError(
                    f"the store {location} is no folder that can be written ({reason}); point CLINALIGN_STORE to one"
                ) from error
            logger.debug("no lock for %s (%s)", location, error)
        yield


@contextmanager
def _chroma(location: str) -> Iterator[Client]:
    """Open Chroma at `location`, and turn whatever it raises into a StoreError that says where and what to do."""
    try:
        with closing(_client(location)) as client:
            yield client
    except (StoreError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Chroma's Rust core panics with a BaseException of its own on a damaged file.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        remedy = (
            "check that a Chroma server answers there, or point CLINALIGN_STORE to a folder"
            if _is_url(location)
            else "it can be made again from the library: move that folder away, or point CLINALIGN_STORE to a folder you can "
            "write to"
        )
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise StoreError(f"the index at {location} can't be used ({reason}); {remedy}") from error


def _client(location: str) -> Client:
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if _is_url(location):
        from urllib.request import urlopen

        url = urlsplit(location)
        host = url.netloc if url.port or url.scheme == "https" else f"{url.netloc}:8000"
        server = f"{url.scheme}://{host}{url.path.rstrip('/')}"
        # Chroma's own client would wait for ever.
        urlopen(f"{server}/api/v2/heartbeat", timeout=SERVER_TIMEOUT_S).close()  # noqa: S310 - checked by _is_url
        return cast("Client", chromadb.HttpClient(host=server, ssl=url.scheme == "https", settings=settings))
    try:
        return cast("Client", chromadb.PersistentClient(path=location, settings=settings))
    finally:
        # Chroma would keep a start that failed, and break on it at the next try in this process.
        if location not in SharedSystemClient._identifier_to_refcount:
            SharedSystemClient._identifier_to_system.pop(location, None)


def _complete_collection(client: Client, name: str, expected: int) -> Collection | None:
    """Return the collection if it was finished and still holds every row."""
    found = {collection.name: collection for collection in client.list_collections()}.get(name)
    if found is None or (found.metadata or {}).get("complete") != expected or found.count() != expected:
        return None
    return client.get_collection(name, embedding_function=None)


def _build(library: Library, records: Sequence[Record], embedder: Embedder, location: str) -> Index:
    logger.info("building the index of %d principles (%d texts)", len(library), len(records))
    vectors = embedder.encode([record.text for record in records])
    with _chroma(location) as client:
        _keep(client, library, records, vectors, embedder.id)
    return Index(library, records, vectors)


def _keep(client: Client, library: Library, records: Sequence[Record], vectors: Vectors, embedder_id: str) -> None:
    name = _collection_name(library, embedder_id)
    if name in {collection.name for collection in client.list_collections()}:
        client.delete_collection(name)
    started: dict[str, Any] = {"library_hash": library.content_hash, "embedder": embedder_id, "built_at": time.time()}
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


def _read_vectors(collection: Collection, records: Sequence[Record]) -> Vectors:
    rows: dict[str, Any] = {}
    for start in range(0, len(records), BATCH):
        ids = [record.id for record in records[start : start + BATCH]]
        part = collection.get(ids=ids, include=["embeddings"])
        rows.update(zip(part["ids"], part["embeddings"], strict=True))  # type: ignore[arg-type]
    missing = [record.id for record in records if record.id not in rows]
    if missing:
        raise StoreError(f"the index lacks {len(missing)} of {len(records)} rows, first {missing[0]!r}")
    return np.asarray([rows[record.id] for record in records], dtype=np.float32)


def _prune(client: Client, *, keep: str) -> None:
    """Drop the oldest indexes of other libraries; every edit of a library leaves one behind."""
    others = [c for c in client.list_collections() if c.name.startswith(_PREFIX) and c.name != keep]
    others.sort(key=lambda collection: float((collection.metadata or {}).get("built_at", 0.0)), reverse=True)
    for collection in others[KEPT_COLLECTIONS:]:
        client.delete_collection(collection.name)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else "no message"
