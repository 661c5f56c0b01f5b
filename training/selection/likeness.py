"""Which vectors are near each other: products of unit rows, block by block, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from principles_store.embedding import Embedder, Vectors

_Item = TypeVar("_Item")
_BLOCK = 2_048
"""Rows of each side at a time: a product of 16 MB."""
_ENCODED = 512
"""Texts at a time."""


def near_pairs(queries: Vectors, others: Vectors, least: float) -> Iterator[tuple[int, int, float]]:
    """Yield (query, other, cosine) of every pair of at least this cosine, in no order that means anything."""
    for start in range(0, len(queries), _BLOCK):
        for beside in range(0, len(others), _BLOCK):
            products = queries[start : start + _BLOCK] @ others[beside : beside + _BLOCK].T
            for row, column in np.argwhere(products >= least):
                yield start + int(row), beside + int(column), min(float(products[row, column]), 1.0)


def near_within(vectors: Vectors, least: float) -> Iterator[tuple[int, int, float]]:
    """Yield (first, second, cosine) of every pair among these of at least this cosine, each once, first < second."""
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        for first, second, cosine in near_pairs(block, vectors[start:], least):
            if first < second:
                yield start + first, start + second, cosine


def in_blocks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield the items in lists of this size, the last one shorter."""
    source = iter(items)
    while block := list(islice(source, size)):
        yield block


def encoded(texts: Sequence[str], embedder: Embedder) -> Vectors:
    """Return unit rows; block by block, so that only a block's tokens are in memory."""
    blocks = [embedder.encode(block) for block in in_blocks(texts, _ENCODED)]
    return np.concatenate(blocks) if blocks else np.empty((0, 1), dtype=np.float32)
