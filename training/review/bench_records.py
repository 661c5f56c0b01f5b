"""Records for measuring the review: the shipped rubrics, each with two responses put together from its own criteria."""

from __future__ import annotations

import random
from collections.abc import Iterator

from principles_store.rubric_set import load_rubrics
from training.preferences import HealthRubric

_SENTENCES = 12
"""Of a response: some 150 words."""


def made_up_records(count: int, *, seed: int = 0) -> Iterator[HealthRubric]:
    """Yield so many records of realistic size, ids in order; the same for the same seed."""
    rubrics = load_rubrics().rubrics
    random_ = random.Random(seed)
    for number in range(count):
        entry = rubrics[number % len(rubrics)]
        texts = [item.criterion for item in entry.rubric]
        responses = [{"text": " ".join(random_.choices(texts, k=_SENTENCES))} for _ in range(2)]
        criteria = [
            {**item.model_dump(), "verdicts": tuple(random_.choices(("met", "unmet", "unknown"), k=2))}
            for item in entry.rubric
        ]
        yield HealthRubric.model_validate(
            {
                "id": f"{entry.id}-{number:05}",
                "theme": entry.theme,
                "conversation": entry.conversation,
                "responses": tuple(responses),
                "preferred": 0,
                "draft": tuple(criteria),
                "status": "drafted",
                "provenance": {"source": "made up", "origin": "synthetic"},
            }
        )
