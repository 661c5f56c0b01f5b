"""What the page shows, as plain values: of a turn at work, and of a conversation that waits for its person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import shorten
from typing import Any, NamedTuple

from agent.page.bubbles import chat_messages
from agent.page.report import report_html
from agent.page.stages import stages_html, status_line
from agent.review.conversations import Card
from agent.review.progress import Progress
from agent.review.turn import Turn
from agent.state import EMERGENCY_NOTICE
from principles_store.library import Library

WELCOME = "<p>Ask a question, or choose an example. Paste an answer as the draft to have that one checked.</p>"
TITLE_CHARACTERS = 60
Choices = Sequence[tuple[str, Any]]
"""Of a menu: what is shown, and what it stands for."""


class Live(NamedTuple):
    """What changes while somebody looks on; all of it plain values, since that is what costs Gradio least."""

    conversation: str
    chat: list[dict[str, str]]
    notice: str
    status: str
    changes: str


@dataclass(frozen=True)
class Settled:
    """What changes once a turn is over."""

    question: str | None
    """The last one, where it has no answer; None: the field is the person's."""
    draft: str | None
    earlier: Choices
    """Conversations."""
    turns: Choices
    """Whose changes can be shown; the last is."""


def at_work(id: str, before: Sequence[Turn], progress: Progress, library: Library) -> Live:
    """Return the view while a turn is answered, or judged again after a decision; `before`: the turns before it."""
    is_answered = progress.turn["output"] is not None
    return Live(
        id,
        chat_messages(before, progress),
        notice(progress.scenario),
        status_line(progress),
        report_html(progress.turn, library, is_open=True) if is_answered else stages_html(progress),
    )


def standing(id: str, turns: Sequence[Turn], library: Library) -> Live:
    """Return the view of a conversation that waits for its person."""
    last = turns[-1] if turns else None
    return Live(
        id,
        chat_messages(turns, None),
        notice(last["output"]["scenario"] if last and last["output"] else None),
        "",
        report_html(last, library, is_open=True) if last else WELCOME,
    )


def settled(turns: Sequence[Turn], cards: Sequence[Card]) -> Settled:
    """Return the menus of a conversation that waits; a question without an answer is back in its field."""
    failed = turns[-1] if turns and turns[-1]["error"] is not None else None
    return Settled(
        question=failed["question"] if failed else None,
        draft=(failed["given_draft"] or "") if failed else None,
        earlier=[(f"{card.title} ({card.updated:%d %b %H:%M} UTC)", card.id) for card in cards],
        turns=[(shorten(turn["question"], TITLE_CHARACTERS, placeholder=" …"), n) for n, turn in enumerate(turns)],
    )


def refusal(error: Exception) -> str:
    """Return the notice of a request that was not taken."""
    return alert(f"This was not done: {error}.")


def notice(scenario: Mapping[str, Any] | None) -> str:
    """Return what must be on the screen before anything else."""
    return alert(EMERGENCY_NOTICE) if scenario and scenario["urgency"] == "emergent" else ""


def alert(text: str) -> str:
    return f"<p class='notice' role='alert'>{escape(text)}</p>"
