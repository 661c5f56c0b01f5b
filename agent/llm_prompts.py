"""What the model is shown: the three prompts, filled from a case.

The system message and then the conversation come first and are the same in every call, and in critique and revision the draft
too, so that a server's prefix cache serves the longest possible part. Whatever we did not write stands in a fence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel

from agent.chat import ChatClient
from agent.events import DraftToken
from agent.ledger import Ledger
from agent.llm_schemas import LABELS, MAX_CRITERIA, MAX_OWN_CRITERIA
from agent.prompt import Fenced, Field, load_prompt
from agent.rubric import Criterion, Verdict
from agent.seeds import Seed, seed_note, seeds_block
from agent.segments import numbered
from agent.sentences import count_words
from principles_store.conversation import Conversation
from principles_store.index import Retrieved
from principles_store.principle import Principle

Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True)
class Asked:
    """One request to a model, and what the trace says of it."""

    name: str
    messages: tuple[BaseMessage, ...]
    prompt_hash: str
    """Of the system text and the message's template together."""

    def of(
        self,
        client: ChatClient,
        shape: type[Shape],
        *,
        schema: Mapping[str, Any],
        check: Callable[[Shape], None],
        ledger: Ledger,
        on_token: Callable[[DraftToken], None] | None = None,
    ) -> Shape:
        """Ask a model, and return its reply in a shape that has passed the check; errors as in `ChatClient.ask_json`."""
        return client.ask_json(
            self.messages,
            shape,
            step=self.name,
            prompt=self.name,
            prompt_hash=self.prompt_hash,
            ledger=ledger,
            schema=schema,
            check=check,
            on_token=on_token,
        )


def critique_prompt(
    conversation: Conversation, draft: str, principles: Sequence[Retrieved], seeds: Sequence[Seed], *, max_words: int
) -> Asked:
    """Ask for the rubric, the verdicts on the draft and the edit plan."""
    return _asked(
        "critique",
        conversation,
        draft=_draft(draft),
        principles=principles_fence(principles),
        seeds=seeds_block(seeds),
        principle_note=f"The principles are numbered 1 to {len(principles)}."
        if principles
        else "No principle was found.",
        words=str(count_words(draft)),
        max_words=str(max_words),
        most=str(MAX_CRITERIA),
        own=str(MAX_OWN_CRITERIA),
        seed_note=seed_note(seeds),
    )


def revise_prompt(
    conversation: Conversation,
    draft: str,
    rubric: Sequence[Criterion],
    verdicts: Sequence[Verdict],
    failing: Sequence[int],
    *,
    max_words: int,
) -> Asked:
    """Ask for the edits that mend the failing criteria (positions in the rubric)."""
    plan = [f"{n + 1}. {verdicts[n].fix or verdicts[n].reason or rubric[n].text}" for n in failing]
    return _asked(
        "revise",
        conversation,
        draft=_draft(draft),
        rubric=_rubric(rubric),
        plan=Fenced("plan", "\n".join(plan)),
        words=str(count_words(draft)),
        max_words=str(max_words),
    )


def judge_prompt(conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion]) -> Asked:
    """Ask for the verdicts on each answer, called A, B … in the order given."""
    fenced = [Fenced("answer", numbered(text), {"name": LABELS[n]}) for n, text in enumerate(answers)]
    labels = LABELS[: len(answers)]
    return _asked(
        "judge",
        conversation,
        rubric=_rubric(rubric),
        answers=fenced,
        count=str(len(rubric)),
        labels=" and ".join(f"answer {label}" for label in labels),
    )


def conversation_fence(conversation: Conversation) -> Fenced:
    """Return a conversation for a prompt, turn by turn."""
    turns = [Fenced("turn", message["content"], {"role": message["role"]}) for message in conversation]
    return Fenced("conversation", turns)


def principles_fence(principles: Sequence[Retrieved]) -> Fenced:
    """Return principles for a prompt, numbered from 1, each with its criteria."""
    listed = [_principle(number, found.principle) for number, found in enumerate(principles, start=1)]
    return Fenced("principles", listed or "none was found")


def _asked(name: str, conversation: Conversation, **fields: Field) -> Asked:
    system, task = load_prompt("system"), load_prompt(name)
    text = task.render(conversation=conversation_fence(conversation), **fields)
    both = sha256(f"{system.text}\0{task.text}".encode()).hexdigest()[:16]
    return Asked(name, (SystemMessage(system.text), HumanMessage(text)), both)


def _draft(draft: str) -> Fenced:
    return Fenced("draft", numbered(draft))


def _principle(number: int, principle: Principle) -> Fenced:
    criteria = "\n".join(f"- ({criterion.points:+d}) {criterion.text}" for criterion in principle.criteria)
    return Fenced("principle", f"{principle.title}. {principle.statement}\n{criteria}", {"number": str(number)})


def _rubric(rubric: Sequence[Criterion]) -> Fenced:
    lines = [f"{number}. ({criterion.points:+d}) {criterion.text}" for number, criterion in enumerate(rubric, start=1)]
    return Fenced("rubric", "\n".join(lines))
