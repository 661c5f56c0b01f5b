"""Exact search over kept rubrics in memory: which are for conversations like this one. Keeping vectors is `store.py`'s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from principles_store.conversation import Conversation, query_texts
from principles_store.embedding import Vectors
from principles_store.rubric_entry import RubricEntry
from principles_store.rubric_set import RubricSet

QUESTION_CHARACTERS = 600
"""Of the question in a rubric's text; about half of what the encoder reads."""


def seed_text(conversation: Conversation) -> str:
    """Return the text by which rubrics for a conversation are found: what the user said in all turns."""
    return query_texts(conversation)[-1]


def rubric_text(rubric: RubricEntry) -> str:
    """Return the text that stands for a kept rubric: what was asked, and what it wants of an answer.

    With the criteria the nearest rubrics are of more use than by the question alone (docs/seeds.md). The encoder cuts the end.
    """
    wanted = "\n".join(item.criterion for item in rubric.rubric if item.points > 0)
    return f"{seed_text(rubric.conversation)[:QUESTION_CHARACTERS]}\n{wanted}"


@dataclass(frozen=True)
class SimilarRubric:
    """A kept rubric, and how like it is to the conversation at hand, -1..1."""

    rubric: RubricEntry
    similarity: float


class SeedIndex:
    """Rubrics with the vectors of their texts."""

    def __init__(self, rubrics: RubricSet, vectors: Vectors) -> None:
        """Take a set and a unit row for each of its rubrics, shape (len(rubrics), D)."""
        self.rubrics = rubrics
        self._vectors = vectors
        self._verified = np.array([rubric.is_verified for rubric in rubrics], dtype=bool)

    def similarities(self, vectors: Vectors) -> npt.NDArray[np.float32]:
        """Return the similarity of each of N conversations to each rubric, shape (N, len(rubrics))."""
        return vectors @ self._vectors.T

    def similar(self, vector: Vectors, *, least: float, most: int) -> list[SimilarRubric]:
        """Return at most so many rubrics of at least this similarity: verified ones first, then the nearest."""
        likeness = self.similarities(vector[None])[0]
        near = np.flatnonzero(likeness >= least)
        order = near[np.lexsort((-likeness[near], ~self._verified[near]))]
        return [SimilarRubric(self.rubrics.rubrics[n], float(likeness[n])) for n in order[:most]]
