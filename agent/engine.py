"""The seam between the graph and whatever does the work: one small protocol per job, and the engine that bundles them.

The embedded engine (`embedded.py`) needs no model; an LLM engine drops in by giving the same four jobs. Every job gets the case
and charges the ledger for the model calls it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.edit import Revision
from agent.events import CriteriaVoid, CriterionSeen, DraftToken
from agent.judge import Judge
from agent.ledger import Ledger
from agent.request import AskedForm
from agent.rubric import OWN_KNOWLEDGE, Criterion, Rubric, Verdict
from agent.seeds import Seed
from principles_store.conversation import Conversation
from principles_store.index import Retrieved
from principles_store.scenario import Scenario

OnSeen = Callable[[CriterionSeen | CriteriaVoid], None]
"""Told of the criteria while they are written, before they are checked."""


@dataclass(frozen=True)
class Case:
    """What is known of one conversation before its answer is looked at."""

    conversation: Conversation
    scenario: Scenario
    form: AskedForm
    principles: tuple[Retrieved, ...] = ()
    seeds: tuple[Seed, ...] = ()
    """Criteria of rubrics for similar conversations; only for whoever weighs them."""

    def source_of(self, number: int) -> str:
        """Return what a criterion rests on: a principle's number from 1, minus a seed's, or 0 for the model's own knowledge."""
        if number > 0:
            return self.principles[number - 1].principle.id
        return self.seeds[-number - 1].source if number < 0 else OWN_KNOWLEDGE


class Drafter(Protocol):
    """Writes the answer that is then revised, where the caller gives none."""

    def draft(self, case: Case, *, ledger: Ledger, on_token: Callable[[DraftToken], None]) -> str:
        """Return an answer, never empty; tell its pieces as they are written."""
        ...


@dataclass(frozen=True)
class WrittenRubric:
    """A rubric, and the verdicts on the draft where whoever wrote it gave them in the same breath."""

    criteria: Rubric
    verdicts: tuple[Verdict, ...] | None = None


class RubricWriter(Protocol):
    """Turns the retrieved principles into the criteria for this conversation."""

    def write(self, case: Case, draft: str, *, ledger: Ledger, on_seen: OnSeen | None = None) -> WrittenRubric:
        """Return the rubric; empty if no principle applies."""
        ...


class Reviser(Protocol):
    """Changes a draft so that it meets what it does not meet yet, and nothing else."""

    def revise(
        self,
        case: Case,
        draft: str,
        rubric: Sequence[Criterion],
        verdicts: Sequence[Verdict],
        *,
        max_words: int,
        ledger: Ledger,
    ) -> Revision:
        """Return the revised text with its edits; the draft itself without edits if nothing can be done."""
        ...


class Fitter(Protocol):
    """Makes a conversation fit into what the models take."""

    def __call__(self, conversation: Conversation, draft: str | None) -> tuple[Conversation, str | None]:
        """Return it, shortened if need be, with a warning if it was; raises InputError where it can't be."""
        ...


def keep_whole(conversation: Conversation, draft: str | None) -> tuple[Conversation, str | None]:
    """Return the conversation as it is: the fitter of an engine without a window."""
    return conversation, None


@dataclass(frozen=True)
class Engine:
    """Who drafts, who writes the rubric, who judges, who revises."""

    name: str
    """Names the models and their versions; every answer carries it."""
    drafter: Drafter
    rubric_writer: RubricWriter
    judge: Judge
    reviser: Reviser
    drafts_from_model: bool = False
    """False: a missing draft is only composed from the principles, and the answer says so."""
    weighs_principles: bool = False
    """True: principles that are only near are retrieved too, since the rubric writer leaves out those that don't apply."""
    model_name: str = "embedded"
    """Of whatever writes and revises: provider:name."""
    judge_name: str = "embedded"
    fitter: Fitter = keep_whole
