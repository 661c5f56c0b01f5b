"""Open what an agent needs, once: embedder, library, index, classifier, engine."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from agent.config import Settings
from agent.embedded import embedded_engine
from agent.engine import Engine
from agent.seeds import NoSeeds, Seeds, StoredSeeds
from agent.state import AgentContext
from agent.trace import check_trace
from principles_store.embedding import Embedder, load_embedder
from principles_store.index import DEFAULT_K
from principles_store.library import load_library
from principles_store.rubric_set import load_rubrics
from principles_store.scenario import load_classifier
from principles_store.shared_embedding import BatchingEmbedder, EmbeddingMemory
from principles_store.store import default_store_dir, open_index, open_seed_index

if TYPE_CHECKING:
    from agent.chat import ChatClient

DEFAULT_K_FOR_MODELS = 10
"""More than for the embedded engine: a model leaves out those that don't apply."""


@lru_cache(maxsize=4)
def load_context(settings: Settings) -> AgentContext:
    """Return the context that `settings` describe; the same settings give the same object.

    Raises the ClinAlignError of whatever can't be opened. Change a library on disk and restart, or clear with
    `load_context.cache_clear()`.
    """
    if settings.trace:
        check_trace(settings.trace)
    engine = open_engine(settings) if settings.model else None  # first, so that a wrong name costs no waiting
    encoder = load_embedder(settings.embedder, cache_dir=settings.cache, threads=settings.threads)
    embedder = EmbeddingMemory(BatchingEmbedder(encoder))
    index = open_index(load_library(settings.library), embedder, settings.store or default_store_dir())
    seeds = open_seeds(settings, embedder) if engine else NoSeeds()
    k = settings.k or (DEFAULT_K_FOR_MODELS if engine else DEFAULT_K)
    return AgentContext(
        engine=engine or embedded_engine(index, embedder, k=k),
        classifier=load_classifier(embedder, cache_dir=settings.cache),
        index=index,
        embedder=embedder,
        limits=settings.limits(),
        k=k,
        uses_principles=settings.principles or engine is None,  # the embedded engine judges by nothing else
        seeds=seeds,
        seed=settings.seed or 0,
        trace=settings.trace,
        trace_text=settings.trace_text,
    )


def open_seeds(settings: Settings, embedder: Embedder) -> Seeds:
    """Return the seeds that the settings name; raises LibraryError or StoreError where their rubrics can't be read."""
    if not settings.seeds:
        return NoSeeds()
    rubrics = load_rubrics(settings.rubrics)
    return StoredSeeds(open_seed_index(rubrics, embedder, settings.store or default_store_dir()), embedder)


def open_client(settings: Settings, spec: str) -> ChatClient:
    """Return what asks the model of a spec, provider:name, as the settings want it asked."""
    from agent.chat import ChatClient
    from agent.context_window import load_window
    from agent.models import load_model, parse_spec

    parsed = parse_spec(spec)
    model = load_model(spec, timeout_s=settings.timeout_s, temperature=settings.temperature, seed=settings.seed)
    return ChatClient(
        model,
        spec,
        window=load_window(model, parsed, context_tokens=settings.context_tokens),
        max_attempts=settings.max_attempts,
        timeout_s=settings.timeout_s,
        max_output_tokens=settings.max_output_tokens,
        thinking_tokens=settings.thinking_tokens,
        json_schema=settings.json_schema,
        price_input=settings.price_input,
        price_output=settings.price_output,
        redact=settings.redact,
        sampling={"temperature": settings.temperature, "seed": settings.seed},
    )


def open_engine(settings: Settings) -> Engine:
    """Return the engine that asks the models of the settings; they must name one."""
    from agent.llm import llm_engine

    writer = open_client(settings, settings.model or "")
    judge = writer if settings.judge in (None, settings.model) else open_client(settings, settings.judge)
    windows = tuple(client.window for client in dict.fromkeys((writer, judge)) if client.window)
    return llm_engine(writer, judge, limits=settings.limits(), windows=windows)
