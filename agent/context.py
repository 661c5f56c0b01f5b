"""Open what an agent needs, once: embedder, library, index, classifier, engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config import Settings
from agent.embedded import embedded_engine
from agent.engine import Engine
from agent.errors import ConfigError
from agent.judge_spec import EMBEDDED
from agent.seeds import NoSeeds, Seeds, StoredSeeds
from agent.state import AgentContext
from agent.trace import check_trace
from principles_store.embedding import Embedder
from principles_store.index import DEFAULT_K
from principles_store.library import load_library
from principles_store.rubric_set import load_rubrics
from principles_store.scenario import load_classifier
from principles_store.shared_embedding import shared_embedder
from principles_store.store import default_store_dir, open_index, open_seed_index

if TYPE_CHECKING:
    from agent.chat import ChatClient
    from agent.embedded_judge import EmbeddedJudge
    from agent.judge import Judge
    from agent.small_judge.judge import SmallJudge

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
    judge = _judge_without_model(settings) if settings.judge and not engine else None
    embedder = shared_embedder(settings.embedder, cache_dir=settings.cache, threads=settings.threads)
    index = open_index(load_library(settings.library), embedder, settings.store or default_store_dir())
    seeds = open_seeds(settings, embedder) if engine else NoSeeds()
    k = settings.k or (DEFAULT_K_FOR_MODELS if engine else DEFAULT_K)
    return AgentContext(
        engine=engine or embedded_engine(index, embedder, k=k, judge=judge),
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
    from agent.cascade import CascadeJudge
    from agent.llm import llm_engine
    from agent.llm_judge import ModelJudge

    spec = settings.judges
    small = _small_judge(settings, spec.small) if spec.small else None
    writer = open_client(settings, settings.model or "")
    critic = writer if spec.rest in (None, settings.model) else open_client(settings, spec.rest)
    return llm_engine(
        writer,
        critic,
        limits=settings.limits(),
        windows=tuple(client.window for client in dict.fromkeys((writer, critic)) if client.window),
        judge=CascadeJudge(small, ModelJudge(critic)) if small and spec.rest else small,
        overruled_by=small,
    )


def _judge_without_model(settings: Settings) -> Callable[[EmbeddedJudge], Judge]:
    """Return what makes the judge of the settings from the detectors; a small judge is asked first in any case.

    What it leaves open the detectors judge where no model is named for it: a draft is not left alone because nobody was sure.
    """
    from agent.cascade import CascadeJudge

    spec = settings.judges
    if spec.small is None:
        raise ConfigError(f"judge {settings.judge!r} needs a model that writes; name one with --model")
    small = _small_judge(settings, spec.small)
    if spec.rest in (None, EMBEDDED):
        return lambda detectors: CascadeJudge(small, detectors)
    from agent.llm_judge import ModelJudge

    asked = ModelJudge(open_client(settings, spec.rest))
    return lambda detectors: CascadeJudge(small, asked)


def _small_judge(settings: Settings, folder: Path) -> SmallJudge:
    from agent.small_judge.judge import load_small_judge

    return load_small_judge(folder, cache_dir=settings.cache, threads=settings.threads)
