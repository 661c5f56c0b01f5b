"""What a case calls for: principles, by its conversation, scenario and draft as one query to the index, and seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.engine import Case
from agent.sentences import split
from agent.state import AgentContext
from principles_store.conversation import Conversation, query_texts, user_text
from principles_store.embedding import Embedder
from principles_store.index import Index, Query, Retrieved
from principles_store.scenario import Scenario


def with_material(case: Case, context: AgentContext, *, draft: str | None) -> Case:
    """Return the case with what its rubric may be written from: principles, and seeds for an engine that weighs both."""
    weighs = context.engine.weighs_principles
    found: tuple[Retrieved, ...] = ()
    if context.uses_principles:
        found = retrieve_principles(case, context.index, context.embedder, draft=draft, k=context.k, wide=weighs)
    return replace(case, principles=found, seeds=tuple(context.seeds.similar(case.conversation)) if weighs else ())


def retrieve_principles(
    case: Case, index: Index, embedder: Embedder, *, draft: str | None, k: int, wide: bool = False
) -> tuple[Retrieved, ...]:
    """Return at most `k` principles for the case, best first; the draft adds those whose mistake it shows.

    `wide` fills up with principles that are only near, for whoever can tell which of them apply.
    """
    query = case_query(case.conversation, case.scenario, embedder, draft=draft)
    return tuple(index.search(query, k, wide=wide))


def retrieved_row(found: Retrieved) -> dict[str, Any]:
    """Return a retrieved principle in the form of the JSON contract."""
    principle = found.principle
    return {
        "id": principle.id,
        "title": principle.title,
        "dimension": principle.dimension,
        "score": found.score,
        "why": list(found.why),
    }


def case_query(conversation: Conversation, scenario: Scenario, embedder: Embedder, *, draft: str | None) -> Query:
    """Return the query that stands for a conversation and its draft; all its texts are encoded in one batch."""
    views = query_texts(conversation)
    sentences = [sentence.plain for sentence in split(draft)] if draft else []
    vectors = embedder.encode([*views, *sentences])
    return Query(
        vectors=vectors[: len(views)],
        user_text=user_text(conversation),
        scenario=scenario.for_search,
        draft_vectors=vectors[len(views) :] if sentences else None,
    )
