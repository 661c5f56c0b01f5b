"""Criteria that were written for similar conversations: the seeds from which a rubric may start.

Only a part of each rubric is shown, so that none is copied whole; what a criterion asks for still has to be made to fit the
conversation at hand. The rubrics themselves are kept by `principles_store/rubric_set.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agent.prompt import Fenced
from principles_store.conversation import Conversation, last_turn
from principles_store.embedding import Embedder
from principles_store.rubric_entry import RubricEntry
from principles_store.seed_index import SeedIndex, seed_text

MIN_SIMILARITY = 0.5
"""Below this, seeds were seen to mislead (docs/seeds.md)."""
SHARES = (6, 4, 3, 2)
"""Criteria shown of the first, second … similar rubric: none has so few that it would be shown whole."""
MAX_SEEDS = sum(SHARES)
MAX_FROM_SEEDS = 6
"""Criteria of a rubric that may rest on seeds: what was written for others is not to outweigh this conversation."""
RUBRIC = "rubric:"
"""What stands before the id of a kept rubric, where a criterion names what it rests on."""
_QUESTION = 240
"""Characters of the similar conversation's last turn that are shown."""


@dataclass(frozen=True)
class Seed:
    """One criterion of a rubric for another conversation."""

    rubric_id: str
    criterion: str
    points: int
    similarity: float
    """Of that conversation to this one, 0..1."""
    is_verified: bool = False
    """Whether a clinician checked that rubric."""
    question: str = ""
    """What was asked there, perhaps cut."""

    @property
    def source(self) -> str:
        """What a criterion that rests on it names instead of a principle."""
        return f"{RUBRIC}{self.rubric_id}"


class Seeds(Protocol):
    """Finds seeds."""

    @property
    def content_hash(self) -> str:
        """Hash of the rubrics they come from; empty where there are none."""
        ...

    def similar(self, conversation: Conversation) -> Sequence[Seed]:
        """Return criteria of similar conversations, those of one rubric together; empty where none is similar enough."""
        ...


@dataclass(frozen=True)
class NoSeeds:
    """Seeds switched off."""

    content_hash: str = ""

    def similar(self, conversation: Conversation) -> Sequence[Seed]:
        return ()


@dataclass(frozen=True)
class StoredSeeds:
    """Seeds out of an index of kept rubrics: the most similar ones above the floor, verified ones first."""

    index: SeedIndex
    embedder: Embedder
    least: float = MIN_SIMILARITY

    @property
    def content_hash(self) -> str:
        return self.index.rubrics.content_hash

    def similar(self, conversation: Conversation) -> Sequence[Seed]:
        vector = self.embedder.encode([seed_text(conversation)])[0]
        found = self.index.similar(vector, least=self.least, most=len(SHARES))
        return tuple(
            Seed(
                rubric.id, item.criterion, item.points, round(near.similarity, 4), rubric.is_verified, _question(rubric)
            )
            for near, share in zip(found, SHARES, strict=False)
            for rubric in [near.rubric]
            for item in sorted(rubric.rubric, key=lambda item: -abs(item.points))[: min(share, len(rubric.rubric) - 1)]
        )


def seeds_block(seeds: Sequence[Seed]) -> Fenced | str:
    """Return the seeds for a prompt, numbered from 1, under the conversation each comes from; empty where there are none."""
    if not seeds:
        return ""
    lines: list[str] = []
    for number, seed in enumerate(seeds, start=1):
        if number == 1 or seed.rubric_id != seeds[number - 2].rubric_id:
            checked = "checked by clinicians" if seed.is_verified else "not checked by a clinician"
            asked = f": {seed.question!r}" if seed.question else ""
            lines.append(f"Of a conversation with similarity {seed.similarity:.2f}, {checked}{asked}")
        lines.append(f"{number}. ({seed.points:+d}) {seed.criterion}")
    return Fenced("seeds", "\n".join(lines))


def seed_note(seeds: Sequence[Seed]) -> str:
    """Return what goes behind the number of criteria in a task; empty without seeds."""
    return f", at most {MAX_FROM_SEEDS} of them from seeds (minus the number of the seed)" if seeds else ""


def seed_rows(seeds: Sequence[Seed]) -> list[dict[str, Any]]:
    """Return, in the form of the JSON contract, which rubrics the seeds come from."""
    first = {seed.rubric_id: seed for seed in reversed(seeds)}
    return [
        {
            "rubric_id": name,
            "similarity": first[name].similarity,
            "verified": first[name].is_verified,
            "question": first[name].question,
            "criteria": sum(seed.rubric_id == name for seed in seeds),
        }
        for name in dict.fromkeys(seed.rubric_id for seed in seeds)
    ]


def _question(rubric: RubricEntry) -> str:
    text = " ".join(last_turn(rubric.conversation).split())
    return text if len(text) <= _QUESTION else f"{text[: _QUESTION - 1]}…"
