"""Turns to decide on: a model that makes two edits, and those who ask, decide and resume, here or in a process to be killed.

This file is also that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripted_model import ScriptedModel, criterion, critique, edit, edits, judgement, with_model

from agent.config import load_settings
from agent.context import load_context
from agent.review.conversations import Conversations
from agent.review.turn import Turn, TurnChanged, new_turn
from agent.state import AgentContext
from agent.testing import Fault
from agent.testing_replies import Scripted

OWNER, ID = "Zelda-Quux", "0c0ffee0"
QUESTION = "Can I take ibuprofen with lisinopril for a headache?"
DRAFT = "Yes, you can. Take 400 mg with food."
PHARMACIST, BLEEDS = "Ask your pharmacist first.", "Stop if it bleeds."
BOTH = f"Yes, you can. {PHARMACIST} Take 400 mg with food. {BLEEDS}"
FIRST_ONLY = f"Yes, you can. {PHARMACIST} Take 400 mg with food."
SECOND_ONLY = f"Yes, you can. Take 400 mg with food. {BLEEDS}"
WORDS = ("pharmacist", "bleeds")
"""Which each criterion asks for."""
EDITS = [edit("ADD", 1, PHARMACIST, criterion=1), edit("ADD", 2, BLEEDS, criterion=2)]


def reject(*numbers: int, comment: str = "") -> list[dict[str, Any]]:
    return [{"edit": number, "decision": "reject", "comment": comment} for number in numbers]


def accept(*numbers: int) -> list[dict[str, Any]]:
    return [{"edit": number, "decision": "accept"} for number in numbers]


def judged(prompt: str) -> dict[str, Any]:
    """Judge each criterion by whether its word stands in the answers."""
    answers = {part[0]: part.split("</answer>")[0] for part in prompt.split('<answer name="')[1:]}
    return judgement(*({name: "met" if word in text else "unmet" for name, text in answers.items()} for word in WORDS))


def a_model(**changes: Any) -> ScriptedModel:
    """Return a model that writes DRAFT and makes BOTH of it."""
    script = {
        "draft": DRAFT,
        "critique": critique(*(criterion(f"Says {word}") for word in WORDS)),
        "revise": edits(*EDITS),
        "judge": judged,
    }
    return ScriptedModel(**script | changes)


@dataclass
class HangingModel:
    """The same, except that requests by number (from 0) don't come to an end."""

    hangs_at: set[int]
    model: ScriptedModel = field(default_factory=a_model)
    seen: list[str] = field(default_factory=list)
    """Everything it was asked and answered, as JSON."""
    number: int = 0
    hanging: threading.Event = field(default_factory=threading.Event)

    def __call__(self, body: Mapping[str, Any]) -> Scripted:
        self.number += 1
        if self.number - 1 in self.hangs_at:
            self.hanging.set()
            return Fault.hang()
        self.seen.append(json.dumps(body["messages"]))
        return self.model(body)


def last(events: Iterable[Any]) -> Turn:
    """Do a turn's work and return how it stands then."""
    return [event.turn for event in events if isinstance(event, TurnChanged)][-1]


def asked(
    conversations: Conversations,
    context: AgentContext,
    *,
    question: str = QUESTION,
    draft: str | None = DRAFT,
    owner: str = OWNER,
    id: str = ID,
) -> Turn:
    return last(conversations.ask(owner, id, question, draft, context=context))


def decided(
    conversations: Conversations, context: AgentContext, decisions: list[dict[str, Any]], *, by: str | None = None
) -> Turn:
    return last(conversations.decide(OWNER, ID, decisions, by=by, context=context))


def resumed(conversations: Conversations, context: AgentContext) -> Turn:
    return last(conversations.resume(OWNER, ID, context=context))


def a_turn(**changes: Any) -> Turn:
    """Return a turn that nobody has answered."""
    return {**new_turn(QUESTION, DRAFT), **changes}  # type: ignore[typeddict-item]


def child(work: str, file: Path, url: str, **given: Any) -> subprocess.Popen[str]:
    """Start a process that asks, decides or resumes, and prints the turn as it stands then."""
    arguments = [sys.executable, __file__, work, str(file), url, json.dumps(given)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def turn_of(process: subprocess.Popen[str]) -> Turn:
    """Wait for such a process and return its turn."""
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    turn: Turn = json.loads(printed)
    return turn


def main(work: str, file: str, url: str, given: str) -> None:
    context = with_model(load_context(load_settings()), SimpleNamespace(base_url=url))  # type: ignore[arg-type]
    do = {"ask": asked, "decide": decided, "resume": resumed}[work]
    sys.stdout.write(json.dumps(do(Conversations(Path(file)), context, **json.loads(given))))


if __name__ == "__main__":
    main(*sys.argv[1:])
