"""Indexes on Chroma, of principles and of rubrics: build once, open only what fits, hold in memory. The one importer of chromadb.

A collection's name carries the hash of content and embedder, so a stale index can't be opened by mistake; it is marked
complete only after its last row. Chroma keeps and shares the vectors (with text and labels, for any Chroma client);
searching is done in memory by `index.py` and `seed_index.py`. Our vectors are always passed: Chroma's own embedder would download.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import numpy as np

from principles_store.embedding import Embedder, Vectors, default_cache_dir
from principles_store.errors import StoreError
from principles_store.index import Index, Record, library_records
from principles_store.library import Library
from principles_store.rubric_set import RubricSet
from principles_store.seed_index import SeedIndex, rubric_text

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
"""Indexes of other versions, of each kind, that stay beside the current one."""

logger = logging.getLogger(__name__)


def default_store_dir() -> Path:
    """Return the folder of the index below the user's data directory."""
    from platformdirs import user_data_path

    return user_data_path("clinalign") / "chroma"


@dataclass(frozen=True)
class Content:
    """What is indexed: rows of a text each, with the labels that other Chroma clients can filter by."""

    kind: Literal["principles", "rubrics"]
    hash: str
    """Of the principles or rubrics themselves."""
    ids: Sequence[str]
    texts: Sequence[str]
    labels: Sequence[Mapping[str, Any]]

    def index_hash(self, embedder_id: str) -> str:
        """Return what the index depends on, as hexadecimal SHA-256."""
        return hashlib.sha256(f"{FORMAT}\n{embedder_id}\n{self.hash}".encode()).hexdigest()

    def collection(self, embedder_id: str) -> str:
        """Return the name of its collection."""
        return f"{self.kind}-{self.index_hash(embedder_id)[:16]}"


def library_content(library: Library) -> Content:
    """Return what is indexed of a library: every text that is compared by meaning."""
    records = library_records(library)
    labels = [_labels(library, record) for record in records]
    return Content("principles", library.content_hash, [r.id for r in records], [r.text for r in records], labels)


def rubrics_content(rubrics: RubricSet) -> Content:
    """Return what is indexed of a set of rubrics: a text each, labelled by theme and by whether it is verified."""
    labels = [
        {"theme": r.theme, "origin": r.origin, "verified": r.is_verified, "criteria": len(r.rubric)} for r in rubrics
    ]
    texts = [rubric_text(rubric) for rubric in rubrics]
    return Content("rubrics", rubrics.content_hash, [rubric.id for rubric in rubrics], texts, labels)


def index_hash(library: Library, embedder_id: str) -> str:
    """Return what the index of a library depends on, as hexadecimal SHA-256."""
    return library_content(library).index_hash(embedder_id)


def open_index(library: Library, embedder: Embedder, location: str | Path) -> Index:
    """Return the index of `library`, reading it from Chroma at `location` (folder or http URL), building it if need be.

    Raises StoreError where the location can't be used or holds a damaged index.
    """
    vectors = _open(library_content(library), embedder, str(location))
    return Index(library, library_records(library), vectors)


def open_seed_index(rubrics: RubricSet, embedder: Embedder, location: str | Path) -> SeedIndex:
    """Return the index of kept rubrics, from a collection beside the principles'; otherwise as `open_index`."""
    return SeedIndex(rubrics, _open(rubrics_content(rubrics), embedder, str(location)))


def build_index(library: Library, embedder: Embedder, location: str | Path) -> Index:
    """Build the index anew, whatever is there; raises StoreError like `open_index`."""
    with _sole_user(str(location)):
        vectors = _build(library_content(library), embedder, str(location))
    return Index(library, library_records(library), vectors)


def is_fresh(library: Library, embedder_id: str, location: str | Path) -> bool:
    """Tell whether a complete index of exactly this library and embedder is at `location`; builds nothing."""
    if not _is_url(str(location)) and not (Path(location) / "chroma.sqlite3").is_file():
        return False
    content = library_content(library)
    with _sole_user(str(location)), _chroma(str(location)) as client:
        return _complete_collection(client, content.collection(embedder_id), len(content.ids)) is not None


def _open(content: Content, embedder: Embedder, location: str) -> Vectors:
    with _sole_user(location):
        with _chroma(location) as client:
            collection = _complete_collection(client, content.collection(embedder.id), len(content.ids))
            if collection is not None:
                return _read_vectors(collection, content.ids)
        return _build(content, embedder, location)


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


def _build(content: Content, embedder: Embedder, location: str) -> Vectors:
    logger.info("building the index of %s (%d texts)", content.kind, len(content.ids))
    vectors = embedder.encode(content.texts)
    with _chroma(location) as client:
        _keep(client, content, vectors, embedder.id)
    return vectors


def _keep(client: Client, content: Content, vectors: Vectors, embedder_id: str) -> None:
    name = content.collection(embedder_id)
    if name in {collection.name for collection in client.list_collections()}:
        client.delete_collection(name)
    hash_name = {"principles": "library_hash", "rubrics": "rubrics_hash"}[content.kind]
    started: dict[str, Any] = {hash_name: content.hash, "embedder": embedder_id, "built_at": time.time()}
    collection = client.create_collection(
        name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}, metadata=started
    )
    for start in range(0, len(content.ids), BATCH):
        part = slice(start, start + BATCH)
        collection.add(
            ids=list(content.ids[part]),
            embeddings=vectors[part],
            documents=list(content.texts[part]),
            metadatas=[dict(labels) for labels in content.labels[part]],
        )
    collection.modify(metadata={**started, "complete": len(content.ids)})
    _prune(client, content.kind, keep=name)


def _labels(library: Library, record: Record) -> dict[str, Any]:
    principle = library.by_id[record.principle_id]
    return {
        "principle_id": principle.id,
        "kind": record.kind,
        "criterion": record.criterion,
        "dimension": principle.dimension,
        **dict.fromkeys(principle.scenarios, True),
    }


def _read_vectors(collection: Collection, ids: Sequence[str]) -> Vectors:
    rows: dict[str, Any] = {}
    for start in range(0, len(ids), BATCH):
        part = collection.get(ids=list(ids[start : start + BATCH]), include=["embeddings"])
        rows.update(zip(part["ids"], part["embeddings"], strict=True))  # type: ignore[arg-type]
    if missing := [name for name in ids if name not in rows]:
        raise StoreError(f"the index lacks {len(missing)} of {len(ids)} rows, first {missing[0]!r}")
    return np.asarray([rows[name] for name in ids], dtype=np.float32)


def _prune(client: Client, kind: str, *, keep: str) -> None:
    """Drop the oldest indexes of other versions; every edit of what is indexed leaves one behind."""
    others = [c for c in client.list_collections() if c.name.startswith(f"{kind}-") and c.name != keep]
    others.sort(key=lambda collection: float((collection.metadata or {}).get("built_at", 0.0)), reverse=True)
    for collection in others[KEPT_COLLECTIONS:]:
        client.delete_collection(collection.name)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else "no message"
