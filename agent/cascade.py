"""Two judges in a row: a small judge for what it is sure of, and another, dearer one for the rest.

Two texts are never held against each other by two judges: a criterion that the small one leaves open on any of the answers goes
to the other for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.judge import Judge, checked_verdicts
from agent.judge_spec import cascade_name
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict
from agent.small_judge.judge import SmallJudge
from principles_store.conversation import Conversation


@dataclass(frozen=True)
class CascadeJudge:
    """Gives the small judge's verdicts and asks the other for what that leaves unknown: nothing, at best."""

    small: SmallJudge
    rest: Judge

    @property
    def name(self) -> str:
        return cascade_name(self.small.name, self.rest.name)

    def judge(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
    ) -> list[list[Verdict]]:
        verdicts = checked_verdicts(self.small, conversation, answers, rubric, ledger=ledger)
        left = [n for n in range(len(rubric)) if any(row[n].value == "unknown" for row in verdicts)]
        if left:
            asked = [rubric[n] for n in left]
            others = checked_verdicts(self.rest, conversation, answers, asked, ledger=ledger)
            for row, given in zip(verdicts, others, strict=True):
                for n, verdict in zip(left, given, strict=True):
                    row[n] = verdict
        return verdicts
