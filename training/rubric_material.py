"""What a model writes a rubric from: what is known of a conversation, and how a task tells what is there.

Drafting (from a preference) and synthesis (from a conversation alone) have it in common; their fences are the agent's own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from agent.engine import Case
from agent.request import asked_form
from agent.retrieval import with_material
from agent.state import AgentContext
from principles_store.conversation import Conversation
from principles_store.rubric_entry import TAGS


def case_of(conversation: Conversation, context: AgentContext, *, answer: str | None = None) -> tuple[Case, str | None]:
    """Return what is known of a conversation, with a warning if it had to be shortened for the model.

    `answer`: the longest one that stands beside it in a prompt. What is known rests on the whole conversation.
    """
    whole = Case(conversation, context.classifier.classify(conversation), asked_form(conversation))
    fitted, warning = context.engine.fitter(conversation, answer)
    return replace(with_material(whole, context, draft=None), conversation=fitted), warning


def principle_note(case: Case) -> str:
    """Return how the principles are numbered, in our words."""
    count = len(case.principles)
    return f"The principles are numbered 1 to {count}." if count else "There are no principles."


@cache
def tag_list() -> str:
    """Return the tags with their meanings, a line each."""
    return "\n".join(f"  {name}: {meaning}" for name, meaning in TAGS.items())
