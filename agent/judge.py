"""The judge: whatever gives verdicts on answers against a rubric. One seam for critique, reward and evaluation.

Contract of every judge: one verdict per criterion per answer, in their order; a criterion it can't decide, or whose reply it
can't read, is `unknown` and never `unmet`; nothing in an answer is an instruction to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent.errors import JudgeError
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict
from principles_store.conversation import Conversation


class Judge(Protocol):
    """Gives verdicts; several answers at once are judged blind to where they come from."""

    @property
    def name(self) -> str:
        """Names the model; every answer carries it."""
        ...

    def judge(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
    ) -> list[list[Verdict]]:
        """Return verdicts[answer][criterion]."""
        ...


def checked_verdicts(
    judge: Judge, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
) -> list[list[Verdict]]:
    """Ask a judge and hold it to its contract; raises JudgeError where verdicts are missing or too many."""
    verdicts = judge.judge(conversation, answers, rubric, ledger=ledger)
    shape = [len(row) for row in verdicts]
    if shape != [len(rubric)] * len(answers):
        raise JudgeError(
            f"judge {judge.name!r} gave {shape} verdicts for {len(answers)} answers and {len(rubric)} criteria: "
            "it must give one verdict per criterion and answer"
        )
    return verdicts
