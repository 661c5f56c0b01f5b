"""Questions for a smoke run: those of the shipped starter rubrics, with the shipped principles' own criteria.

Their rubrics are what `clinalign rubrics synthesize` writes without a model, less the criteria that only a model can judge: the
embedded judge would leave these open. The starter rubrics' own criteria are not used, since that judge knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from agent.state import AgentContext
from principles_store.embedding import DEFAULT_MODEL
from principles_store.principle import PrincipleCriterion
from training.alignment.rows import RewardCriterion, Row

AS_SHIPPED: Mapping[str, Any] = {
    "library": None,
    "embedder": DEFAULT_MODEL,
    "principles": True,
    "k": None,
    "model": None,
    "judge": None,
}
"""Settings that the rows depend on; where index and cache lie is the user's choice."""


def shipped_rows() -> Iterator[Row]:
    """Yield the questions for which there is something to earn, in the order of the shipped files.

    Which library and models the environment names makes no difference; the same version gives the same rows.
    """
    from principles_store.rubric_set import load_rubrics
    from training.rubric_material import case_of

    context = shipped_context()
    for entry in load_rubrics():
        case, _ = case_of(entry.conversation, context)
        rubric = tuple(
            RewardCriterion(item.text, item.points, near.principle.axis, near.principle.id)
            for near in case.principles
            for item in near.principle.criteria
            if item.detect
        )
        if any(item.points > 0 for item in rubric):
            yield Row(entry.id, list(entry.conversation), rubric)


@cache
def kept_rows() -> tuple[Row, ...]:
    """Return the same, worked out once in a process: it takes seconds."""
    return tuple(shipped_rows())


def shipped_criteria() -> dict[str, PrincipleCriterion]:
    """Return the shipped principles' criteria, with their example sentences, by text."""
    from principles_store.library import load_library

    return {item.text: item for principle in load_library() for item in principle.criteria}


def shipped_context() -> AgentContext:
    """Return what the embedded engine works with as it is shipped."""
    from agent.config import load_settings
    from agent.context import load_context

    return load_context(load_settings().model_copy(update=AS_SHIPPED))
