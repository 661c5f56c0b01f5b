"""How often each principle is brought up on real conversations: one that comes up for most of them says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.engine import Case
from agent.request import asked_form
from agent.retrieval import retrieve_principles
from agent.state import AgentContext
from evals.dataset import Example
from principles_store.principle import Principle

MOST = 1 / 3
"""A principle that is retrieved more often than this must say why (`applies_when.broad`)."""


@dataclass(frozen=True)
class FiringRate:
    """One principle's share of conversations."""

    principle: Principle
    rate: float

    @property
    def too_broad(self) -> bool:
        """More often than allowed, without a stated reason."""
        return self.rate > MOST and self.principle.applies_when.broad is None


def firing_rates(examples: Sequence[Example], context: AgentContext) -> list[FiringRate]:
    """Return every principle of the library with the share of conversations it is retrieved for, most frequent first."""
    counts: Counter[str] = Counter()
    for example in examples:
        scenario = context.classifier.classify(example.conversation)
        case = Case(example.conversation, scenario, asked_form(example.conversation))
        found = retrieve_principles(case, context.index, context.embedder, draft=example.draft, k=context.k)
        counts.update(item.principle.id for item in found)
    rates = [FiringRate(principle, counts[principle.id] / len(examples)) for principle in context.index.library]
    return sorted(rates, key=lambda item: -item.rate)
