"""Who writes the rubric of a conversation: a model, from principles and seeds; or, without one, the principles' own criteria."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from agent.chat import ChatClient
from agent.engine import Case
from agent.errors import ClinAlignError, ModelError
from agent.ledger import Ledger
from principles_store.embedding import Embedder
from principles_store.rubric_entry import RubricCriterion
from training.rubric_checks import MAX_CRITERIA
from training.rubric_reply import WrittenRubric, criteria_of, number_faults, rubric_schema
from training.synthesis.asking import rubric_prompt
from training.synthesis.checks import rubric_faults

_TOLD = 8
"""Problems that go back to the model at once."""
_REPAIR = "(repair)"
"""Of the step of a call that asks again (agent/chat.py)."""


class NothingToWriteError(ClinAlignError):
    """No principle applies to a conversation, and there is no model that could write a rubric without."""


@dataclass(frozen=True)
class Written:
    """A rubric, and what the checks said on the way to it."""

    criteria: tuple[RubricCriterion, ...]
    problems: tuple[str, ...] = ()
    """Of the first reply, where the model was asked again; of the rubric itself where it is templated."""
    is_templated: bool = False
    """The principles' own criteria, not made specific to the conversation."""


class Writer(Protocol):
    """Writes a rubric for a case."""

    def __call__(self, case: Case, *, ledger: Ledger) -> Written:
        """Return the rubric; raises ModelError where also the second reply has problems."""
        ...


@dataclass(frozen=True)
class ModelWriter:
    """Asks a model, and once more with the problems of its first reply."""

    client: ChatClient
    embedder: Embedder

    def __call__(self, case: Case, *, ledger: Ledger) -> Written:
        replies: list[list[str]] = []
        """The problems of each reply that has the right shape."""

        def check(reply: WrittenRubric) -> None:
            problems = list(number_faults(reply, case)) or self._problems(reply, case)
            replies.append(problems)
            if problems:
                raise ValueError("; ".join(problems[:_TOLD]))

        schema = rubric_schema(len(case.principles), len(case.seeds))
        try:
            reply = rubric_prompt(case).of(self.client, WrittenRubric, schema=schema, check=check, ledger=ledger)
        except ModelError as error:
            if error.fault == "malformed reply" and replies and replies[-1]:
                told = "; ".join(replies[-1][:_TOLD])
                raise ModelError(f"no usable rubric, also when asked again: {told}", error.fault) from error
            raise
        is_second = any(call.step.endswith(_REPAIR) for call in ledger.calls)
        first = replies[0] or ["not the JSON that was asked for"]  # a reply of another shape was never checked
        return Written(criteria_of(reply, case, RubricCriterion), tuple(first) if is_second else ())

    def _problems(self, reply: WrittenRubric, case: Case) -> list[str]:
        return list(rubric_faults(criteria_of(reply, case, RubricCriterion), case, self.embedder))


@dataclass(frozen=True)
class TemplateWriter:
    """Takes the criteria of the principles that apply, best first, as the library states them."""

    embedder: Embedder

    def __call__(self, case: Case, *, ledger: Ledger) -> Written:
        found = (
            RubricCriterion(
                criterion=item.text, points=item.points, axis=near.principle.axis, principle_id=near.principle.id
            )
            for near in case.principles
            for item in near.principle.criteria
        )
        criteria = tuple(islice(found, MAX_CRITERIA))
        if not criteria:
            raise NothingToWriteError(
                "no principle applies, and no model is named that could write a rubric without one"
            )
        return Written(criteria, tuple(rubric_faults(criteria, case, self.embedder)), is_templated=True)
