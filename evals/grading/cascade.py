"""A small judge and another in a row: the small one gives the verdicts it is sure of, the other is asked about the rest alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.judge_spec import cascade_name
from agent.ledger import Ledger
from agent.rubric import Criterion
from evals.graded import Grade
from evals.grading.grader import NOT_ASKED, CascadeGrade, Grader
from principles_store.conversation import Conversation


@dataclass(frozen=True)
class CascadeGrader:
    """Asks the second judge about the criteria that the first leaves unknown: where it leaves none, not at all."""

    small: Grader
    rest: Grader

    @property
    def name(self) -> str:
        return cascade_name(self.small.name, self.rest.name)

    @property
    def protocol(self) -> str:
        return f"{self.small.protocol}; where that is not sure: {self.rest.protocol}"

    @property
    def judges(self) -> tuple[Grader, ...]:
        """Return who votes, in the order of a grade's votes."""
        return self.small, self.rest

    def grade(
        self,
        conversation: Conversation,
        response: str,
        rubric: Sequence[Criterion],
        *,
        ledger: Ledger,
        ids: Sequence[str] = (),
    ) -> list[Grade]:
        first = self.small.grade(conversation, response, rubric, ledger=ledger, ids=ids)
        left = [number for number, own in enumerate(first) if own.met is None]
        if not left:
            return [self._grade(own, NOT_ASKED) for own in first]
        asked = [rubric[number] for number in left]
        second = self.rest.grade(conversation, response, asked, ledger=ledger, ids=ids)
        others = dict(zip(left, second, strict=True))
        return [self._grade(own, others.get(number, NOT_ASKED)) for number, own in enumerate(first)]

    def _grade(self, own: Grade, other: Grade) -> CascadeGrade:
        giver, given = (self.small, own) if other is NOT_ASKED else (self.rest, other)
        return CascadeGrade(given.met, f"{giver.name}: {given.explanation}", (own, other))
