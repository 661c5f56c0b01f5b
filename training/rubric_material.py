"""What a model writes a rubric from: what is known of a conversation, how it is shown, and what a criterion of the reply rests on.

Drafting (from a preference) and synthesis (from a conversation alone) have it in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from agent.engine import Case
from agent.prompt import Fenced
from agent.request import asked_form
from agent.retrieval import retrieve_principles
from agent.rubric import OWN_KNOWLEDGE
from agent.seeds import MAX_FROM_SEEDS
from agent.state import AgentContext
from principles_store.conversation import Conversation
from principles_store.index import Retrieved
from principles_store.rubric_entry import TAGS


def case_of(conversation: Conversation, context: AgentContext, *, answer: str | None = None) -> tuple[Case, str | None]:
    """Return what is known of a conversation, with a warning if it had to be shortened for the model.

    `answer`: the longest one that stands beside it in a prompt. Seeds, and principles that are only near, are for whoever weighs
    them.
    """
    fitted, warning = context.engine.fitter(conversation, answer)
    case = Case(fitted, context.classifier.classify(conversation), asked_form(conversation))
    weighs = context.engine.weighs_principles
    if context.uses_principles:
        found = retrieve_principles(case, context.index, context.embedder, draft=None, k=context.k, wide=weighs)
        case = replace(case, principles=found)
    return replace(case, seeds=tuple(context.seeds.similar(conversation)) if weighs else ()), warning


def seeds_hash(case: Case, context: AgentContext) -> str:
    """Return the hash of the kept rubrics that the case's seeds came from; empty without seeds."""
    return context.seeds.content_hash if case.seeds else ""


def source_of(number: int, case: Case) -> str:
    """Return what a criterion rests on: a principle's number, minus a seed's, or 0 for the model's own knowledge."""
    if number > 0:
        return case.principles[number - 1].principle.id
    return case.seeds[-number - 1].source if number < 0 else OWN_KNOWLEDGE


def conversation_block(case: Case) -> Fenced:
    """Return the conversation for a prompt, turn by turn."""
    return Fenced(
        "conversation", [Fenced("turn", turn["content"], {"role": turn["role"]}) for turn in case.conversation]
    )


def principles_block(case: Case) -> Fenced:
    """Return the principles for a prompt, numbered from 1, each with its criteria: what is asked for in general."""
    listed = [_principle(found, number) for number, found in enumerate(case.principles, start=1)]
    return Fenced("principles", listed or "none was found")


def principle_note(case: Case) -> str:
    """Return how the principles are numbered, in our words."""
    count = len(case.principles)
    return f"The principles are numbered 1 to {count}." if count else "There are no principles."


def seed_note(case: Case) -> str:
    """Return what goes behind "criteria" in a task; empty without seeds."""
    return f", at most {MAX_FROM_SEEDS} of them from seeds (minus the number of the seed)" if case.seeds else ""


@cache
def tag_list() -> str:
    """Return the tags with their meanings, a line each."""
    return "\n".join(f"  {name}: {meaning}" for name, meaning in TAGS.items())


def _principle(found: Retrieved, number: int) -> Fenced:
    principle = found.principle
    criteria: Sequence[str] = [f"- ({criterion.points:+d}) {criterion.text}" for criterion in principle.criteria]
    text = "\n".join([f"{principle.title}. {principle.statement}", *criteria])
    return Fenced("principle", text, {"number": str(number)})
