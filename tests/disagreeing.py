"""Judges that follow rules and differ by them, and comparisons of judgements, for the tests of what watches the reward's judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.ledger import Ledger
from agent.rubric import Criterion
from evals.graded import Grade
from principles_store.conversation import Conversation
from training.alignment.disagreement import Compared, Disagreement, disagreement

WRONG, RIGHT = (True, False), (True, True)
"""(own, gold) on one wanted criterion: wrong in the answer's favour, and right."""


@dataclass
class Rule:
    """Says met where the answer has the criterion's last word, but for criteria that it is told to say something else of."""

    says: Mapping[str, bool | None] = field(default_factory=dict)
    """By last word."""
    name: str = "the rule"
    protocol: str = "by its last word"

    def grade(
        self,
        conversation: Conversation,
        response: str,
        rubric: Sequence[Criterion],
        *,
        ledger: Ledger,
        ids: Sequence[str] = (),
    ) -> list[Grade]:
        last = [criterion.text.split()[-1] for criterion in rubric]
        return [Grade(self.says.get(word, word in response), "") for word in last]


def compared(
    *verdicts: tuple[bool | None, bool | None], points: int = 1, axis: str | None = None, gap: float | None = None
) -> Compared:
    """Return an answer with verdicts (own, gold) on as many criteria, all of the same points and axis."""
    own, gold = zip(*verdicts, strict=True) if verdicts else ((), ())
    size = len(verdicts)
    return Compared((points,) * size, (axis,) * size, own, gold, gap, None if gap is None else 0.0)


def judgement(kind: Sequence[float], *, gaps: Sequence[float] = (), risk: float | None = None) -> Disagreement:
    """Return a comparison over as many questions, of ten verdicts each, of which such shares are wrong and pay."""
    answers = []
    for number, share in enumerate(kind):
        wrong = round(10 * share)
        gap = gaps[number] if gaps else None
        answers.append((f"q{number}", compared(*[WRONG] * wrong, *[RIGHT] * (10 - wrong), gap=gap)))
    found = disagreement(answers, judge="small:tiny@1", risk=risk)
    assert found
    return found
