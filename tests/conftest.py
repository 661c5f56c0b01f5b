"""What the tests share: the shipped library with its embedder, index and classifier, and a user environment of their own.

The index is kept in pytest's cache, since encoding the library takes longer than all tests; its name carries the hash of
library and embedder, so an edited library gets a new one, and pays only for its new texts. `pytest --cache-clear` drops it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from filelock import FileLock

from agent.embedded import embedded_engine
from agent.state import AgentContext
from principles_store.embedding import Embedder, Vectors, load_embedder
from principles_store.index import DEFAULT_K, Index
from principles_store.library import Library, load_library
from principles_store.rubric_set import load_rubrics
from principles_store.scenario import ScenarioClassifier, load_classifier
from principles_store.shared_embedding import EmbeddingMemory
from principles_store.store import open_index, open_seed_index

# Under a name of its own: settings refuse CLINALIGN_ names that they don't know, and xdist's workers inherit this one.
_DEV_DATA = Path(
    os.environ.setdefault(
        "TESTS_DEV_DATA",
        os.environ.get("CLINALIGN_DEV_DATA") or str(Path(__file__).resolve().parents[2] / "shared" / "data"),
    )
)

# A machine that does other work is slow; that is no fault of what is tested.
hypothesis.settings.register_profile("shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("shared")
for _name in [name for name in os.environ if name.startswith("CLINALIGN_") and name != "CLINALIGN_CACHE"]:
    del os.environ[_name]  # the developer's own settings are not what is tested
os.environ["HF_HUB_OFFLINE"] = "1"
_CACHE = Path(os.environ["CLINALIGN_CACHE"]) if "CLINALIGN_CACHE" in os.environ else None


class KeptVectors:
    """An embedder whose vectors outlive the session in a file."""

    def __init__(self, embedder: Embedder, file: Path) -> None:
        self.id = embedder.id
        self._embedder, self._file, self._known = embedder, file, {}
        if file.is_file():
            with np.load(file) as kept:
                self._known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))

    def encode(self, texts: Sequence[str]) -> Vectors:
        missing = [text for text in texts if text not in self._known]
        if missing:
            self._known |= dict(zip(missing, self._embedder.encode(missing), strict=True))
            np.savez(self._file, texts=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))
        return np.stack([self._known[text] for text in texts])


@pytest.fixture(scope="session")
def library() -> Library:
    return load_library()


@pytest.fixture(scope="session")
def embedder() -> EmbeddingMemory:
    return EmbeddingMemory(load_embedder(cache_dir=_CACHE))


@pytest.fixture(scope="session")
def classifier(embedder: EmbeddingMemory) -> ScenarioClassifier:
    return load_classifier(embedder, cache_dir=_CACHE)


@pytest.fixture(scope="session")
def built_store(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    library: Library,
    embedder: EmbeddingMemory,
) -> Path:
    """Return a folder with the complete indexes of the shipped library and rubrics; read it, copy it, don't change it."""
    kept = request.config.cache
    folder = kept.mkdir("clinalign-index") if kept else tmp_path_factory.mktemp("index")
    with FileLock(folder / ".lock"):
        kept = KeptVectors(embedder, folder / f"{embedder.id}.npz")
        open_index(library, kept, folder / "chroma")
        open_seed_index(load_rubrics(), kept, folder / "chroma")
    return folder / "chroma"


@pytest.fixture(scope="session")
def index(library: Library, embedder: EmbeddingMemory, built_store: Path) -> Index:
    with FileLock(built_store.parent / ".lock"):
        return open_index(library, embedder, built_store)


@pytest.fixture(scope="session")
def context(index: Index, embedder: EmbeddingMemory, classifier: ScenarioClassifier) -> AgentContext:
    """Return the context of the shipped library with the embedded engine and the default limits."""
    return AgentContext(
        engine=embedded_engine(index, embedder, k=DEFAULT_K), classifier=classifier, index=index, embedder=embedder
    )


@pytest.fixture
def data_dir(built_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this process and its children a data folder of their own, with the index in it; the cache stays shared."""
    folder = tmp_path / "data"
    with FileLock(built_store.parent / ".lock"):
        shutil.copytree(built_store, folder / "chroma")
    monkeypatch.setenv("CLINALIGN_STORE", str(folder / "chroma"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """Return the folder of the development data; mark the test `data`."""
    if not _DEV_DATA.is_dir():
        pytest.skip(f"no development data in {_DEV_DATA}; set CLINALIGN_DEV_DATA")
    return _DEV_DATA
