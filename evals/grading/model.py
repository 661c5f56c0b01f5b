"""A chat model as judge: all criteria of an answer in one call, or, as HealthBench itself does, one criterion per call.

Source of the protocol: openai/simple-evals at 9e2fafd, healthbench_eval.HealthBenchEval.grade_sample. There a reply that can't be
read is asked for again, with the same request and without end; here a few times, each with a request of its own, and what is
still missing then is unknown. A reply that is cut off, as long rubrics have it, is asked for again in two halves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from agent.chat import ChatClient
from agent.errors import ModelError
from agent.ledger import Ledger
from agent.rubric import Criterion
from evals.graded import Grade
from evals.grading.asking import UNUSABLE, Question, usable_reply
from evals.grading.grader import ALL, ATTEMPTS, EACH, FailedGrade
from evals.grading.shown import (
    Task,
    Verdict,
    Verdicts,
    check_numbers,
    messages_for,
    prompt_hash,
    verdict_schema,
    verdicts_schema,
)
from principles_store.conversation import Conversation

_MOST_SPLITS = 3
"""Of a rubric, down to its eighths: where the reply to those is cut off too, the rubric's length is not the reason."""


@dataclass(frozen=True)
class _Case:
    conversation: Conversation
    response: str
    rubric: Sequence[Criterion]
    ledger: Ledger


@dataclass(frozen=True)
class _Group:
    """Criteria that are asked about together, by position in the rubric."""

    positions: range
    splits_left: int

    def halves(self) -> tuple[_Group, _Group]:
        middle = len(self.positions) // 2
        left = self.splits_left - 1
        return _Group(self.positions[:middle], left), _Group(self.positions[middle:], left)


@dataclass(frozen=True)
class ModelGrader:
    """Asks a chat model for verdicts."""

    client: ChatClient
    per_criterion: bool = False
    attempts: int = ATTEMPTS

    @property
    def name(self) -> str:
        return self.client.name

    @property
    def protocol(self) -> str:
        return EACH if self.per_criterion else ALL

    def grade(
        self,
        conversation: Conversation,
        response: str,
        rubric: Sequence[Criterion],
        *,
        ledger: Ledger,
        ids: Sequence[str] = (),
    ) -> list[Grade]:
        case = _Case(conversation, response, rubric, ledger)
        grades: dict[int, Grade] = {}
        waiting = deque(self._groups(len(rubric)))
        while waiting:
            group = waiting.popleft()
            try:
                found = self._grades(case, group)
            except ModelError as error:
                if error.fault == "cut-off reply" and group.splits_left and len(group.positions) > 1:
                    waiting.extendleft(reversed(group.halves()))
                    continue
                if error.fault not in UNUSABLE:  # the next call would meet the same
                    lost = FailedGrade(None, f"the judge failed: {error}", error.fault)
                    return [grades.get(position, lost) for position in range(len(rubric))]
                attempts = f"{self.attempts} attempt{'s' * (self.attempts != 1)}"
                reason = f"no usable reply in {attempts}, the last time: {error.fault}: {error}"
                found = [FailedGrade(None, reason, error.fault)] * len(group.positions)
            grades |= zip(group.positions, found, strict=True)
        return [grades[position] for position in range(len(rubric))]

    def _groups(self, criteria: int) -> list[_Group]:
        if self.per_criterion:
            return [_Group(range(position, position + 1), 0) for position in range(criteria)]
        return [_Group(range(criteria), _MOST_SPLITS)]

    def _grades(self, case: _Case, group: _Group) -> list[Grade]:
        if self.per_criterion:
            verdict = usable_reply(
                self.client, _about_one(case, group.positions[0]), attempts=self.attempts, ledger=case.ledger
            )
            return [Grade(verdict.criteria_met, verdict.explanation)]
        reply = usable_reply(self.client, _about_all(case, group), attempts=self.attempts, ledger=case.ledger)
        ordered = sorted(reply.verdicts, key=lambda verdict: verdict.criterion)
        return [Grade(verdict.criteria_met, verdict.explanation) for verdict in ordered]


def _about_one(case: _Case, position: int) -> Question[Verdict]:
    task: Task = "one_criterion"
    asked = [(position + 1, case.rubric[position])]
    return Question(
        lambda again: messages_for(task, case.conversation, case.response, asked, again=again),
        Verdict,
        verdict_schema(),
        lambda _: None,
        prompt=task,
        prompt_hash=prompt_hash(task),
    )


def _about_all(case: _Case, group: _Group) -> Question[Verdicts]:
    task: Task = "all_criteria"
    asked = list(enumerate((case.rubric[position] for position in group.positions), start=1))
    return Question(
        lambda again: messages_for(task, case.conversation, case.response, asked, again=again),
        Verdicts,
        verdicts_schema(len(asked)),
        lambda reply: check_numbers(reply, len(asked)),
        prompt=task,
        prompt_hash=prompt_hash(task),
        is_divisible=len(asked) > 1 and group.splits_left > 0,
    )
