"""The embedding model on all cores: one thread of its own to each batch, instead of all threads on each batch in turn.

Threads that share a batch meet after every layer, which costs much where batches are small: one conversation takes twice the
processor time on two threads. Those with batches of their own never meet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from principles_store.embedding import BATCH_SIZE, Embedder, OnnxEmbedder, Vectors, load_embedder

_SHARE = 4 * BATCH_SIZE
"""Most texts that one thread takes at a time; the same for any number of threads, so that the vectors are too."""
_SHARE_CHARACTERS = 8_000
"""And most characters, about 2,000 tokens: the model keeps the memory of the largest batch it ever saw, for each thread."""


class AllCores:
    """An embedder that encodes on several threads; `embedder` uses one thread and may be called by many."""

    def __init__(self, embedder: Embedder, threads: int) -> None:
        self.id = embedder.id
        self._embedder = embedder
        self._threads = threads

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows, shape (len(texts), D), in the order of `texts`."""
        shares = list(_shares([len(text) for text in texts]))
        if len(shares) <= 1:
            return self._embedder.encode(texts)
        with ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(lambda share: self._embedder.encode([texts[n] for n in share]), shares))
        vectors = np.empty((len(texts), found[0].shape[1]), dtype=np.float32)
        for share, rows in zip(shares, found, strict=True):
            vectors[share] = rows
        return vectors


def _shares(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of texts of like lengths, the longest first: what comes last is then quickly done."""
    share: list[int] = []
    characters = 0
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        if share and (len(share) == _SHARE or characters + lengths[number] > _SHARE_CHARACTERS):
            yield share
            share, characters = [], 0
        share.append(number)
        characters += lengths[number]
    if share:
        yield share


def load_on_all_cores(name: str, *, cache_dir: Path | None = None, threads: int | None = None) -> Embedder:
    """Return the embedder called `name`, on so many threads; None: one per core.

    Models other than the default see to their threads themselves.
    """
    embedder = load_embedder(name, cache_dir=cache_dir, threads=1)
    count = threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return AllCores(embedder, count) if count > 1 and isinstance(embedder, OnnxEmbedder) else embedder
