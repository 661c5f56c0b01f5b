"""Where the processor time of a batch goes: clocks of the threads, read at the seams of the work; nothing is sampled.

It holds for one process with an encoder of one thread, since then all of a row's work but its HTTP happens in the row's thread:
stages are told by the spans that the agent opens for OpenTelemetry, LangGraph is what is left of an answer beside its stages, and
the model calls have a thread of their own. A clock of a thread does not run while it waits.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry import trace

from agent.config import Settings
from agent.context import load_context
from agent.state import AgentContext
from principles_store.embedding import Embedder, Vectors, load_embedder
from principles_store.library import load_library
from principles_store.scenario import load_classifier
from principles_store.shared_embedding import BatchingEmbedder, EmbeddingMemory
from principles_store.store import default_store_dir, open_index

ENCODER = "encoder"
LANGGRAPH = "LangGraph"
FINDING = "scenario and principles, but for the encoder"
STAGES = "prompts, parsing, checks, keeping of replies"
CALLS = "HTTP client, LangChain, attempts"
BATCH = "rows, JSON, journal"
REST = "rest"

_PART_OF_SPAN = {"answer": LANGGRAPH, "classify": FINDING, "retrieve": FINDING}
_ROWS, _CALLS = "clinalign-row-", "clinalign-model-calls"
"""How the threads of a batch are called."""


class CpuParts:
    """Processor seconds by part; what a part within another takes is not the other's."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._thread = threading.local()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge what this thread does to a part."""
        around: float = getattr(self._thread, "within", 0.0)
        self._thread.within = 0.0
        start = time.thread_time()
        try:
            yield
        finally:
            spent = time.thread_time() - start
            with self._lock:
                self.seconds[name] += spent - self._thread.within
            self._thread.within = around + spent

    def now(self) -> dict[str, float]:
        """Return the processor seconds of every part so far; together they are the process's."""
        threads = {thread.name: _clock(thread) for thread in threading.enumerate()}
        main = threads[threading.main_thread().name]
        rows = sum(seconds for name, seconds in threads.items() if name.startswith(_ROWS))
        calls, parts = threads.get(_CALLS, 0.0), dict(self.seconds)
        batch = main + rows - sum(parts.values())
        return {**parts, CALLS: calls, BATCH: batch, REST: time.process_time() - main - rows - calls}


def metered_context(settings: Settings, parts: CpuParts) -> AgentContext:
    """Return the settings' context, with a model, so that its encoder and its stages are charged to their parts."""
    trace.set_tracer_provider(_SpanMeter(parts))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else it works in threads that belong to no row
    encoder = load_embedder(settings.embedder, cache_dir=settings.cache, threads=1)
    embedder = EmbeddingMemory(BatchingEmbedder(_MeteredEncoder(encoder, parts)))
    index = open_index(load_library(settings.library), embedder, settings.store or default_store_dir())
    classifier = load_classifier(embedder, cache_dir=settings.cache)
    return replace(load_context(settings), index=index, embedder=embedder, classifier=classifier)


@dataclass
class _MeteredEncoder:
    embedder: Embedder
    parts: CpuParts

    def __post_init__(self) -> None:
        self.id = self.embedder.id

    def encode(self, texts: Sequence[str]) -> Vectors:
        with self.parts.part(ENCODER):
            return self.embedder.encode(texts)


class _SpanMeter(trace.NoOpTracerProvider):
    """Takes the place of OpenTelemetry's provider; records no span, only what each costs."""

    def __init__(self, parts: CpuParts) -> None:
        self._parts = parts

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return _SpanClock(self._parts)


class _SpanClock(trace.NoOpTracer):
    def __init__(self, parts: CpuParts) -> None:
        self._parts = parts

    @contextmanager
    def start_as_current_span(self, name: str, *_: Any, **__: Any) -> Iterator[trace.Span]:  # type: ignore[override]
        with self._parts.part(_PART_OF_SPAN.get(name, STAGES)):
            yield trace.INVALID_SPAN


def _clock(thread: threading.Thread) -> float:
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
