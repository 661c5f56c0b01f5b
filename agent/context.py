"""Open what an agent needs, once: embedder, library, index, classifier, engine."""

from __future__ import annotations

from functools import lru_cache

from agent.config import Settings
from agent.embedded import embedded_engine
from agent.state import AgentContext
from principles_store.embedding import EmbeddingMemory, load_embedder
from principles_store.library import load_library
from principles_store.scenario import load_classifier
from principles_store.store import default_store_dir, open_index


@lru_cache(maxsize=4)
def load_context(settings: Settings) -> AgentContext:
    """Return the context that `settings` describe; the same settings give the same object.

    Raises the ClinAlignError of whatever can't be opened. Change a library on disk and restart, or clear with
    `load_context.cache_clear()`.
    """
    embedder = EmbeddingMemory(load_embedder(settings.embedder, cache_dir=settings.cache))
    index = open_index(load_library(settings.library), embedder, settings.store or default_store_dir())
    return AgentContext(
        engine=embedded_engine(index, embedder, k=settings.k),
        classifier=load_classifier(embedder, cache_dir=settings.cache),
        index=index,
        embedder=embedder,
        limits=settings.limits(),
        k=settings.k,
        seed=settings.seed,
    )
