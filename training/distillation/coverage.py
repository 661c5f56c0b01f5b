"""How much of the criteria a set of principles accounts for, in which order they account for most, and where more adds little.

A principle accounts for a criterion if one of its texts of the same sign is as near as a threshold says. Only arithmetic.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from principles_store.embedding import Vectors
from principles_store.rubric_lint import MAX_LIKENESS
from training.distillation.evidence import Positions

Floats = NDArray[np.float32]
Likeness = NDArray[np.float16]
"""(principles, criteria): cosine of the nearest text of the same sign; −1 where there is none."""
STRICT = 0.70
"""The second threshold, of two sentences that hardly anyone would call different rules; the first is the library's own."""
_BLOCK = 4096


@dataclass(frozen=True)
class Voice:
    """What a principle says: its texts as vectors, and whether each is asked for or penalised."""

    vectors: Vectors
    signs: Sequence[int]


def likeness_to(
    voices: Sequence[Voice], vectors: Vectors, signs: NDArray[np.int8], rows: Positions | None = None
) -> Likeness:
    """Return how near each principle comes to each criterion, or to those at `rows`, of which no copy is made."""
    rows = np.arange(len(vectors)) if rows is None else rows
    nearest = np.full((len(voices), len(rows)), -1, dtype=np.float16)
    if not voices:
        return nearest
    texts = np.concatenate([voice.vectors for voice in voices])
    text_signs = np.concatenate([np.asarray(voice.signs, dtype=np.int8) for voice in voices])
    starts = np.cumsum([0, *(len(voice.signs) for voice in voices[:-1])])
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        cosines = texts @ vectors[block].T
        cosines[text_signs[:, None] != signs[None, block]] = -1
        nearest[:, start : start + _BLOCK] = np.maximum.reduceat(cosines, starts, axis=0)
    return nearest


def worth(likeness: Likeness, threshold: float) -> Floats:
    """Return what an accounted criterion counts: half for being accounted for at all, up to half for how nearly.

    By a threshold alone the order would follow one arbitrary number; beyond MAX_LIKENESS two criteria ask for the same.
    """
    cosines = likeness.astype(np.float32)
    nearness = np.clip((cosines - threshold) / (MAX_LIKENESS - threshold), 0, 1)
    counted: Floats = np.where(cosines >= threshold, 0.5 + 0.5 * nearness, 0).astype(np.float32)
    return counted


def greedy_order(likeness: Likeness, threshold: float) -> list[int]:
    """Return the principles so that each next one adds most worth; those that add nothing come last, as they were.

    Any first N of them are then a library of N, and the worth of each is at least 63 % of the best possible (Nemhauser, Wolsey,
    Fisher 1978: greedy choice for a submodular function; lazily evaluated after Minoux 1978).
    """
    best = np.zeros(likeness.shape[1], dtype=np.float32)
    waiting = [(-float(worth(row, threshold).sum()), number, -1) for number, row in enumerate(likeness)]
    heapq.heapify(waiting)
    order: list[int] = []
    while waiting:
        gain, number, looked_at = heapq.heappop(waiting)
        if looked_at == len(order) or gain == 0:
            order.append(number)
            np.maximum(best, worth(likeness[number], threshold), out=best)
        else:  # what it adds can only have become less
            added = np.maximum(worth(likeness[number], threshold) - best, 0).sum()
            heapq.heappush(waiting, (-float(added), number, len(order)))
    return order


def covered(likeness: Likeness, threshold: float) -> NDArray[np.bool_]:
    """Return which criteria some principle accounts for."""
    if not len(likeness):
        return np.zeros(likeness.shape[1], dtype=np.bool_)
    found: NDArray[np.bool_] = likeness.max(axis=0) >= np.float16(threshold)
    return found


def curve(likeness: Likeness, order: Sequence[int], threshold: float) -> list[float]:
    """Return the share of criteria accounted for by the first 1, 2, 3 … principles of an order."""
    seen = np.zeros(likeness.shape[1], dtype=np.bool_)
    shares: list[float] = []
    for number in order:
        seen |= likeness[number] >= np.float16(threshold)
        shares.append(float(seen.mean()))
    return shares


def knee(shares: Sequence[float]) -> int:
    """Return the size at the knee of a curve that begins at size 1: where it is farthest above the straight line to its end.

    The knee depends on where the curve ends. Source: Satopää et al. 2011, Finding a "Kneedle" in a Haystack, offline, without
    smoothing: the curve is a sum of gains, which never falls.
    """
    if not shares:
        return 0
    sizes = np.linspace(0, 1, len(shares) + 1)
    heights = np.array([0.0, *shares]) / (shares[-1] or 1.0)
    return max(1, int(np.argmax(heights - sizes)))
