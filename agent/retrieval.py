"""Which principles a case calls for: the conversation, its scenario and the draft as one query to the index."""

from __future__ import annotations

from agent.engine import Case
from agent.sentences import split
from principles_store.conversation import query_texts, user_text
from principles_store.embedding import Embedder
from principles_store.index import Index, Query, Retrieved


def retrieve_principles(
    case: Case, index: Index, embedder: Embedder, *, draft: str | None, k: int
) -> tuple[Retrieved, ...]:
    """Return at most `k` principles for the case, best first; the draft adds those whose mistake it shows."""
    sentences = [sentence.plain for sentence in split(draft)] if draft else []
    query = Query(
        vectors=embedder.encode(query_texts(case.conversation)),
        user_text=user_text(case.conversation),
        scenario=case.scenario.for_search,
        draft_vectors=embedder.encode(sentences) if sentences else None,
    )
    return tuple(index.search(query, k))
