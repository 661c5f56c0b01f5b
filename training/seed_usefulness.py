"""Whether nearer seeds are of more use: how much of what a conversation's own rubric asks for stands in the nearest kept one.

On a set by itself every rubric is looked at as if it were not in the set; on a file of rubrics, each is a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from principles_store.conversation import Conversation
from principles_store.embedding import Embedder, Vectors
from principles_store.rubric_set import RubricSet
from principles_store.seed_index import rubric_text, seed_text

SAME = 0.6
"""Cosine from which on two criteria ask for much the same; a convention, which moves all figures alike."""
EDGES = (-1.0, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 1.01)


@dataclass(frozen=True)
class Wanted:
    """A conversation, and the criteria with points above 0 of its own rubric."""

    conversation: Conversation
    criteria: Sequence[str]


@dataclass(frozen=True)
class Band:
    """Conversations whose nearest rubric is about as similar."""

    low: float
    high: float
    conversations: int
    useful: float | None
    """Mean share of the criteria that the nearest rubric has too; None where there is no conversation."""


@dataclass(frozen=True)
class Usefulness:
    """Of the nearest rubric, by how near it is."""

    bands: tuple[Band, ...]
    overall: float
    random: float
    """The same with any rubric in place of the nearest."""


def usefulness_of(rubrics: RubricSet, embedder: Embedder, *, wanted: Sequence[Wanted] | None = None) -> Usefulness:
    """Return how useful the nearest rubric is; `wanted` None: for the set's own conversations, each without its rubric."""
    kept = [embedder.encode([item.criterion for item in r.rubric if item.points > 0]) for r in rubrics]
    texts = embedder.encode([rubric_text(rubric) for rubric in rubrics])
    if wanted is None:
        own = kept
        likeness = embedder.encode([seed_text(rubric.conversation) for rubric in rubrics]) @ texts.T
        np.fill_diagonal(likeness, -1)
    else:
        own = [embedder.encode(list(one.criteria)) for one in wanted]
        likeness = embedder.encode([seed_text(one.conversation) for one in wanted]) @ texts.T
    nearest, how_near = likeness.argmax(axis=1), likeness.max(axis=1)
    useful = np.array([_shared(mine, kept[other]) for mine, other in zip(own, nearest, strict=True)])
    any_other = [_shared(mine, kept[(7 * number + 3) % len(kept)]) for number, mine in enumerate(own)]
    bands = tuple(_band(useful, how_near, low, high) for low, high in pairwise(EDGES))
    return Usefulness(bands, float(useful.mean()), float(np.mean(any_other)))


def _shared(mine: Vectors, theirs: Vectors) -> float:
    return float(((mine @ theirs.T).max(axis=1) >= SAME).mean()) if len(mine) and len(theirs) else 0.0


def _band(useful: npt.NDArray[np.float64], near: npt.NDArray[np.float32], low: float, high: float) -> Band:
    within = useful[(near >= low) & (near < high)]
    return Band(low, high, len(within), float(within.mean()) if len(within) else None)
