"""A turn: one question, its answer, and what a person decided about the answer's edits. Only types and what follows from them.

All of it is plain JSON, so that a checkpoint that is read back never makes objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict
from uuid import uuid4

from agent.state import AgentOutput
from principles_store.conversation import Message

BUG = "something went wrong that should not: a bug; ask again, and if it comes back, report it with the log"
"""The error of a turn whose failure nobody has foreseen; what happened is in the log, since it may quote a patient."""
STOPPED = "stopped before it was finished; ask again"
"""The error of a turn that its caller has cancelled."""


class Decision(TypedDict):
    """What a person said about one edit."""

    edit: int
    """Position in the output's `edits`."""
    decision: Literal["accept", "reject"]
    comment: str
    at: str
    """ISO 8601, UTC; the same for all that were sent together."""
    by: str | None
    """Login name, where there is a login."""


class Turn(TypedDict):
    """One question and how it stands."""

    id: str
    asked_at: str
    """ISO 8601, UTC."""
    question: str
    given_draft: str | None
    output: AgentOutput | None
    """None: not answered (yet)."""
    error: str | None
    """Why there is no answer, with what to do."""
    decisions: list[Decision]
    """Every one that was ever made; the last on an edit holds."""
    left_out: list[int]
    """Edits that are not in `answer`: rejected, or resting on a rejected one."""
    answer: str | None
    """What stands: the output's answer, or that answer recomposed."""
    verdicts: list[dict[str, Any]] | None
    """Critique rows on a recomposed answer; None: not recomposed, or not judged."""
    verdicts_error: str | None
    """Why a recomposed answer could not be judged."""


@dataclass(frozen=True)
class TurnChanged:
    """An event beside those of agent/events.py: the turn as it stands now, kept already."""

    turn: Turn


def new_turn(question: str, draft: str | None) -> Turn:
    """Return a turn that is asked just now."""
    return {
        "id": uuid4().hex,
        "asked_at": now(),
        "question": question,
        "given_draft": draft,
        "output": None,
        "error": None,
        "decisions": [],
        "left_out": [],
        "answer": None,
        "verdicts": None,
        "verdicts_error": None,
    }


def now() -> str:
    """Return this moment in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()


def messages(turns: Sequence[Turn]) -> list[Message]:
    """Return the conversation so far: question and standing answer of every turn that has one."""
    found: list[Message] = []
    for turn in turns:
        if turn["answer"] is not None:
            found.append({"role": "user", "content": turn["question"]})
            found.append({"role": "assistant", "content": turn["answer"]})
    return found


def asked(turns: Sequence[Turn]) -> list[Message]:
    """Return the conversation that the last turn's answer is given to; it ends with its question."""
    return [*messages(turns[:-1]), {"role": "user", "content": turns[-1]["question"]}]


def edits(turn: Turn) -> list[dict[str, Any]]:
    """Return the edits that can be decided on; none where there is no answer."""
    return turn["output"]["edits"] if turn["output"] else []


def decided(turn: Turn) -> Mapping[int, Decision]:
    """Return by edit the decision that holds: the last."""
    return {decision["edit"]: decision for decision in turn["decisions"]}
