"""Texts by their words: what makes two the same but for spelling, and the runs of eight words that they share.

Runs of eight words and a share of 70 % are PaLM's measure of contamination (Chowdhery et al. 2022, arXiv 2204.02311, section 8).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

RUN = 8
"""Words in a row."""
LEAST_RUNS = 5
"""Of the shorter of two texts, so twelve words: the share of fewer runs says nothing."""
Hashes = npt.NDArray[np.uint64]
_WORD = re.compile(r"\w+")
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, power, 1 << 64) for power in range(1, RUN + 1)], dtype=np.uint64)


def words(text: str) -> list[str]:
    """Return the words of a text as they are compared: one spelling for all widths, cases and punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def runs(found: list[str]) -> Hashes:
    """Return the hashes of the different runs of words, sorted; empty for fewer words than a run has."""
    if len(found) < RUN:
        return np.empty(0, dtype=np.uint64)
    hashes = np.array([_hash(word) for word in found], dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(hashes, RUN)
    return np.unique((windows * _FACTORS).sum(axis=1, dtype=np.uint64))


@lru_cache(maxsize=200_000)
def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class RunIndex:
    """The runs of many texts, to be asked which of them share how much with another."""

    def __init__(self, texts: Iterable[Hashes]) -> None:
        """Take the runs of each text; texts are called by their position."""
        kept = list(texts)
        self._sizes = np.array([len(found) for found in kept], dtype=np.int64)
        owners = np.repeat(np.arange(len(kept), dtype=np.int32), self._sizes)
        hashes = np.concatenate(kept) if kept else np.empty(0, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._owners = hashes[order], owners[order]

    def shares(self, found: Hashes, least: float) -> Iterator[tuple[int, float]]:
        """Yield (text, share) where at least this share of the shorter one's runs stands in the other too."""
        if len(found) < LEAST_RUNS or not len(self._hashes):
            return
        starts = np.searchsorted(self._hashes, found, side="left")
        ends = np.searchsorted(self._hashes, found, side="right")
        hit = np.flatnonzero(ends > starts)
        if not len(hit):
            return
        shared = np.concatenate([self._owners[starts[n] : ends[n]] for n in hit])
        texts, counts = np.unique(shared, return_counts=True)
        shorter = np.minimum(self._sizes[texts], len(found))
        for text, count, size in zip(texts.tolist(), counts.tolist(), shorter.tolist(), strict=True):
            if size >= LEAST_RUNS and count / size >= least:
                yield text, count / size
