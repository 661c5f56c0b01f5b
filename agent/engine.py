"""The seam between the graph and whatever does the work: one small protocol per job, and the engine that bundles them.

The embedded engine (`embedded.py`) needs no model; an LLM engine drops in by giving the same four jobs. Every job gets the case
and charges the ledger for the model calls it makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.edit import Revision
from agent.judge import Judge
from agent.ledger import Ledger
from agent.request import AskedForm
from agent.rubric import Criterion, Rubric, Verdict
from principles_store.conversation import Conversation
from principles_store.index import Retrieved
from principles_store.scenario import Scenario


@dataclass(frozen=True)
class Case:
    """What is known of one conversation before its answer is looked at."""

    conversation: Conversation
    scenario: Scenario
    form: AskedForm
    principles: tuple[Retrieved, ...] = ()


class Drafter(Protocol):
    """Writes the answer that is then revised, where the caller gives none."""

    def draft(self, case: Case, *, ledger: Ledger) -> str:
        """Return an answer, never empty."""
        ...


class RubricWriter(Protocol):
    """Turns the retrieved principles into the criteria for this conversation."""

    def write(self, case: Case, draft: str, *, ledger: Ledger) -> Rubric:
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
