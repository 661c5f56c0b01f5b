"""One embedder for many threads: each distinct text is encoded once, and texts that wait are encoded together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path

import numpy as np

from principles_store.embedding import DEFAULT_MODEL, Embedder, Vectors, load_embedder

MOST_TEXTS = 64
"""Encoded in one go; more would make the first wait for the last."""
LONGEST_MEMORY = 20_000
"""Texts whose vectors an `EmbeddingMemory` keeps before it starts over: about 30 MB."""


class BatchingEmbedder:
    """An embedder that many threads share: whoever comes while it works waits, and then all who wait share one batch.

    One encoder at work leaves the other cores to whoever computes. Where only one thread asks, nothing changes.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.id = embedder.id
        self._embedder = embedder
        self._at_work = threading.Lock()
        self._waiting: deque[tuple[list[str], Future[Vectors]]] = deque()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows as the embedder itself would, up to rounding: what else is in a batch changes the last digits."""
        mine: Future[Vectors] = Future()
        self._waiting.append((list(texts), mine))
        while not mine.done():
            with self._at_work:
                if not mine.done():  # nobody before has encoded it too
                    self._encode(self._next_batch())
        return mine.result()

    def _next_batch(self) -> list[tuple[list[str], Future[Vectors]]]:
        batch = [self._waiting.popleft()]
        total = len(batch[0][0])
        while self._waiting and total < MOST_TEXTS:
            batch.append(self._waiting.popleft())
            total += len(batch[-1][0])
        return batch

    def _encode(self, batch: list[tuple[list[str], Future[Vectors]]]) -> None:
        try:
            vectors = self._embedder.encode([text for texts, _ in batch for text in texts])
        except BaseException as error:  # all who wait must hear of it, also of Ctrl-C
            for _, future in batch:
                future.set_exception(error)
            return
        start = 0
        for texts, future in batch:
            future.set_result(vectors[start : start + len(texts)])
            start += len(texts)


class EmbeddingMemory:
    """An embedder that encodes each distinct text once; bounded, and safe to share between threads."""

    def __init__(self, embedder: Embedder) -> None:
        self.id = embedder.id
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}
        self._changing = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        known = self._known
        found = {text: known[text] for text in texts if text in known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            new = dict(zip(missing, self._embedder.encode(missing), strict=True))
            found |= new
            with self._changing:  # what other threads have added meanwhile stays
                if len(self._known) + len(new) > LONGEST_MEMORY:
                    self._known = {}
                self._known.update(new)
        if not texts:
            return self._embedder.encode([])
        return np.stack([found[text] for text in texts])

    def forget(self) -> None:
        """Drop all vectors, so that a measurement starts from nothing."""
        self._known = {}


def shared_embedder(
    name: str = DEFAULT_MODEL, *, cache_dir: Path | None = None, threads: int | None = None
) -> EmbeddingMemory:
    """Return the one embedder that all parts of the process share; arguments and errors as of `load_embedder`."""
    return _opened(name, cache_dir, threads)


@lru_cache(maxsize=4)
def _opened(name: str, cache_dir: Path | None, threads: int | None) -> EmbeddingMemory:
    """By position alone: a cache takes a default that is left out for another call than the same one given."""
    return EmbeddingMemory(BatchingEmbedder(load_embedder(name, cache_dir=cache_dir, threads=threads)))
