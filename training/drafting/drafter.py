"""How one rubric is drafted: written, checked, judged blind, asked for once more with the problems, else set aside.

The judge is shown both responses as A and B in an order drawn by lot, and neither the preference nor who wrote the rubric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from agent.chat import ChatClient
from agent.engine import Case
from agent.errors import JudgeError
from agent.judge import Judge, checked_verdicts
from agent.ledger import Ledger
from agent.llm_prompts import Asked
from agent.rubric import VerdictValue
from principles_store.embedding import Embedder
from training.drafting.asking import again_prompt, draft_prompt
from training.preferences import HealthRubric, RecordCriterion
from training.rubric_checks import Problem, check_rubric
from training.rubric_reply import WrittenRubric, criteria_of, number_faults, rubric_schema

Verdicts = list[list[VerdictValue]]
"""Of each response of the record, in its order: one per criterion."""


@dataclass(frozen=True)
class Drafted:
    """What came of a record."""

    criteria: tuple[RecordCriterion, ...]
    problems: tuple[Problem, ...]
    """Still there after the model was asked again; empty for a rubric that can be used."""
    was_asked_again: bool


@dataclass(frozen=True)
class Drafter:
    """Writes rubrics with a model, and has them judged."""

    client: ChatClient
    judge: Judge
    embedder: Embedder
    seed: int = 0
    """Of the order in which the judge sees the responses."""

    def __call__(self, record: HealthRubric, case: Case, *, ledger: Ledger) -> Drafted:
        """Return the best that could be had; raises ModelError or JudgeError where there is nothing to return."""
        asked = draft_prompt(record, case)
        reply = self._ask(asked, case, ledger)
        criteria, problems = self._checked(reply, record, case, ledger)
        if not problems:
            return Drafted(criteria, (), was_asked_again=False)
        reply = self._ask(again_prompt(asked, reply, problems), case, ledger)
        criteria, problems = self._checked(reply, record, case, ledger)
        return Drafted(criteria, tuple(problems), was_asked_again=True)

    def _ask(self, asked: Asked, case: Case, ledger: Ledger) -> WrittenRubric:
        def check(reply: WrittenRubric) -> None:
            if faults := list(number_faults(reply, case)):
                raise ValueError("; ".join(faults))
            written_criteria(reply, case)

        schema = rubric_schema(len(case.principles), len(case.seeds))
        return asked.of(self.client, WrittenRubric, schema=schema, check=check, ledger=ledger)

    def _checked(
        self, reply: WrittenRubric, record: HealthRubric, case: Case, ledger: Ledger
    ) -> tuple[tuple[RecordCriterion, ...], list[Problem]]:
        """Return the criteria, judged if they are worth it, and what is wrong with them."""
        criteria = written_criteria(reply, case)
        responses = [response.text for response in record.responses]
        seeds = [seed.criterion for seed in case.seeds]
        problems = check_rubric(
            criteria, conversation=case.conversation, responses=responses, seeds=seeds, embedder=self.embedder
        )
        if problems:
            return criteria, problems
        verdicts = self._verdicts(criteria, responses, record.id, case, ledger)
        criteria = with_verdicts(criteria, verdicts)
        return criteria, check_rubric(
            criteria, conversation=case.conversation, verdicts=verdicts, preferred=record.preferred
        )

    def _verdicts(
        self, criteria: Sequence[RecordCriterion], responses: Sequence[str], id: str, case: Case, ledger: Ledger
    ) -> Verdicts:
        """Return the judge's verdicts on each response; JudgeError where it has given none at all."""
        order = list(range(len(responses)))
        Random(f"{self.seed}:{id}").shuffle(order)
        shown = [responses[place] for place in order]
        rubric = [item.as_criterion() for item in criteria]
        given = checked_verdicts(self.judge, case.conversation, shown, rubric, ledger=ledger)
        if all(verdict.value == "unknown" for row in given for verdict in row):
            raise JudgeError(f"judge {self.judge.name!r} gave no verdict at all: {given[0][0].reason or 'no reason'}")
        rows = dict(zip(order, given, strict=True))
        return [[verdict.value for verdict in rows[place]] for place in range(len(responses))]


def written_criteria(reply: WrittenRubric, case: Case) -> tuple[RecordCriterion, ...]:
    """Return the criteria of a reply whose numbers are right; ValueError where a tag is unknown or a text is given twice."""
    texts = [item.criterion for item in reply.criteria]
    if len(set(texts)) < len(texts):
        raise ValueError("two criteria are the same; give each once")
    return criteria_of(reply, case, RecordCriterion)


def with_verdicts(criteria: Sequence[RecordCriterion], verdicts: Verdicts) -> tuple[RecordCriterion, ...]:
    """Return the criteria with what was judged of each response."""
    by_criterion = zip(*verdicts, strict=True)
    return tuple(
        item.model_copy(update={"verdicts": values}) for item, values in zip(criteria, by_criterion, strict=True)
    )
