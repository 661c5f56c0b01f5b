"""Criteria that clinicians wrote for similar conversations: the seeds from which a rubric may start.

Only the port. The store of verified rubrics that fills it comes with the rubrics themselves; until then there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from principles_store.conversation import Conversation

MIN_SIMILARITY = 0.5
"""Below this, seeds were seen to mislead (docs/architecture.md)."""
MAX_SEEDS = 15


@dataclass(frozen=True)
class Seed:
    """One criterion of a verified rubric for another conversation."""

    rubric_id: str
    criterion: str
    points: int
    similarity: float
    """Of that conversation to this one, 0..1."""


class Seeds(Protocol):
    """Finds seeds."""

    def similar(self, conversation: Conversation) -> Sequence[Seed]:
        """Return criteria of similar conversations, nearest first; empty where there are none."""
        ...


class NoSeeds:
    """The store of verified rubrics before there are any."""

    def similar(self, conversation: Conversation) -> Sequence[Seed]:
        return ()
