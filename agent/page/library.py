"""The library as a page to browse: principles filtered, found by words and by meaning, and listed. No gradio.

The vectors compared are those of the agent's own index. Unlike retrieval for a conversation, a principle's own condition
doesn't count here: who browses wants to see what there is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args

from agent.page.principles import DIMENSION_WORDS, POLARITY_WORDS, SCENARIO_WORDS, principle_card
from principles_store.embedding import Embedder
from principles_store.index import MIN_SIMILARITY, Index
from principles_store.library import Library
from principles_store.principle import Principle, Severity

FILTERS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "dimension": ("Dimension", [(words, code) for code, words in DIMENSION_WORDS.items()]),
    "scenario": ("Applies to", [(words, code) for code, words in SCENARIO_WORDS.items()]),
    "severity": ("Severity", [(code, code) for code in get_args(Severity)]),
    "polarity": ("Kind", [(words, code) for code, words in POLARITY_WORDS.items()]),
}
"""What `search` can be narrowed by: a label, and choices in plain words with what they stand for."""
NOTHING = "No principle matches. Use other words or fewer, or set a filter back to all."


def search(
    library: Library,
    index: Index,
    embedder: Embedder,
    *,
    words: str = "",
    dimension: str | None = None,
    scenario: str | None = None,
    severity: str | None = None,
    polarity: str | None = None,
) -> list[Principle]:
    """Return the principles that pass every filter given (None or empty: all) and match the words.

    First by id or title, then by the rest of their text, then those nearest in meaning; without words in library order.
    """
    wanted = {"dimension": dimension, "severity": severity, "polarity": polarity}
    found = [
        principle
        for principle in library
        if all(getattr(principle, name) == value for name, value in wanted.items() if value)
        and (not scenario or scenario in principle.scenarios)
    ]
    if not words.strip():
        return found
    ranks = {principle.id: _rank(principle, words) for principle in found}
    named = sorted((p for p in found if ranks[p.id] is not None), key=lambda p: ranks[p.id] or 0)
    near = _nearness(words, index, embedder)
    rest = [p for p in found if ranks[p.id] is None and near.get(p.id, 0.0) >= MIN_SIMILARITY]
    return named + sorted(rest, key=lambda p: -near[p.id])


def library_html(principles: Sequence[Principle], total: int) -> str:
    """Return how many of `total` principles these are, and the list; each opens to its card."""
    items = "".join(f"<li>{principle_card(principle)}</li>" for principle in principles)
    listed = f"<ul>{items}</ul>" if items else f"<p>{NOTHING}</p>"
    count = f"<p class='count' role='status' aria-live='polite'>{len(principles)} of {total} principles</p>"
    return f"<div class='clinalign library'>{count}{listed}</div>"


def _rank(principle: Principle, words: str) -> int | None:
    """Return 0 where id or title is just this, 1 where all words begin a word of them, 2 of its whole text, else None."""
    asked = words.casefold().split()
    name = f"{principle.id} {principle.title}"
    if " ".join(asked) in (principle.id, " ".join(principle.title.casefold().split())):
        return 0
    if _has_all(asked, name):
        return 1
    criteria = " ".join(criterion.text for criterion in principle.criteria)
    sources = " ".join(f"{source.organisation} {source.title} {source.year}" for source in principle.sources)
    text = [name, principle.statement, *principle.applies_when.situations, criteria, principle.guidance.text, sources]
    return 2 if _has_all(asked, " ".join(text)) else None


def _has_all(words: Sequence[str], text: str) -> bool:
    folded = text.casefold()
    return all(re.search(rf"(?<!\w){re.escape(word)}", folded) for word in words)


def _nearness(words: str, index: Index, embedder: Embedder) -> dict[str, float]:
    """Return each principle's likeness to the words, by its nearest situation or criterion."""
    records, vectors = index.vectors_of("situation", "criterion")
    nearness: dict[str, float] = {}
    for record, likeness in zip(records, (vectors @ embedder.encode([words])[0]).tolist(), strict=True):
        nearness[record.principle_id] = max(likeness, nearness.get(record.principle_id, -1.0))
    return nearness
