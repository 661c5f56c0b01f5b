"""What the agent costs: warm revision against the bare encoder, cold start, index build and search.

Ratios come from one run on one machine, pair by pair, since machines differ and drift.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from agent.api import invoke
from agent.sentences import split
from agent.state import AgentContext
from principles_store.conversation import parse_conversation, query_texts
from principles_store.embedding import Vectors
from principles_store.index import Index, Query, Record, library_records
from principles_store.library import Library
from principles_store.shared_embedding import EmbeddingMemory
from principles_store.store import build_index, open_index

Pair = tuple[str, str]
"""Question and draft."""


@dataclass(frozen=True)
class Timing:
    """Medians of paired measurements, in seconds, and their ratio."""

    what: str
    seconds: float
    floor: float
    ratio: float
    """Median of the pairs' ratios."""
    spread: tuple[float, float]
    """10th and 90th percentile of the ratios."""
    n: int


def time_revision(pairs: Sequence[Pair], context: AgentContext, *, rounds: int = 3) -> Timing:
    """Time a warm revision with an empty memory against one encoder pass over the same texts."""
    memory = context.embedder
    invoke(pairs[0][0], draft=pairs[0][1], context=context)
    own, floor = [], []
    for question, draft in [pair for _ in range(rounds) for pair in pairs]:
        conversation = parse_conversation(question)
        texts = [*query_texts(conversation), *(sentence.plain for sentence in split(draft))]
        memory.forget()
        own.append(_seconds(lambda: invoke(conversation, draft=draft, context=context)))  # noqa: B023 - called at once
        memory.forget()
        floor.append(_seconds(lambda: memory.encode(texts)))  # noqa: B023
    return _timing("revision, warm / encoder pass over the same sentences", own, floor)


def time_cold_start(example: Path, *, runs: int = 5) -> Timing:
    """Time `clinalign revise` as a process against `import sentence_transformers` as a process, in turn."""
    ours = [sys.executable, "-m", "agent.cli", "revise", "--file", str(example), "--json"]
    theirs = [sys.executable, "-c", "import sentence_transformers"]
    for command in (ours, theirs):
        _run(command)
    own, floor = [], []
    for _ in range(runs):
        own.append(_seconds(lambda: _run(ours)))
        floor.append(_seconds(lambda: _run(theirs)))
    return _timing("clinalign revise, cold / import sentence_transformers", own, floor)


def time_search(index: Index, query: Query, *, runs: int = 200) -> Timing:
    """Time a search without the encoding against the bare product of situations and query."""
    _, situations = index.vectors_of("situation")
    own = [_seconds(lambda: index.search(query)) for _ in range(runs)]
    floor = [_seconds(lambda: situations @ query.vectors[:1].T) for _ in range(runs)]
    return _timing(f"search, {len(index.library):,} principles / bare product of {len(situations):,} rows", own, floor)


def time_build(library: Library, embedder: EmbeddingMemory) -> tuple[float, float]:
    """Return the seconds to build an index in a new folder, encoding included, and to open it again."""
    embedder.forget()
    with tempfile.TemporaryDirectory() as folder:
        built = _seconds(lambda: build_index(library, embedder, folder))
        opened = _seconds(lambda: open_index(library, embedder, folder))
    return built, opened


def enlarged(library: Library, size: int) -> Library:
    """Return a library of `size` entries: the given ones, over and over, under new ids."""
    principles = list(library)
    copies = [
        principles[n % len(principles)].model_copy(update={"id": f"{principles[n % len(principles)].id}-{n}"})
        for n in range(size)
    ]
    return Library(tuple(copies), f"{size} entries made from {library.source}")


def enlarged_index(library: Library, vectors_by_text: Callable[[Sequence[str]], Vectors], seed: int = 0) -> Index:
    """Return an index over an enlarged library, each copy's vectors shaken so that no two are equal."""
    records: list[Record] = [record for record in library_records(library) if record.kind == "situation"]
    generator = np.random.default_rng(seed)
    vectors = vectors_by_text([record.text for record in records])
    shaken = vectors + generator.normal(0, 0.02, vectors.shape).astype(np.float32)
    return Index(library, records, shaken / np.linalg.norm(shaken, axis=1, keepdims=True))


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _timing(what: str, own: Sequence[float], floor: Sequence[float]) -> Timing:
    ratios = [a / b for a, b in zip(own, floor, strict=True)]
    spread = (float(np.quantile(ratios, 0.1)), float(np.quantile(ratios, 0.9)))
    return Timing(what, median(own), median(floor), median(ratios), spread, len(own))
