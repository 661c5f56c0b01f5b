"""Is a revision provably no worse? A blind judgement of both texts, and a second look before a revision is thrown away.

The judge sees the texts in random order, not which is which, and not the edit plan: a model asked to re-score its own revision
gives full marks, and judges change their mind on a re-worded prompt in one verdict of twenty (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from agent.judge import Judge, checked_verdicts
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict, is_satisfied
from principles_store.conversation import Conversation


@dataclass(frozen=True)
class Comparison:
    """What a revision gained and lost against the version before it."""

    gained: tuple[int, ...]
    """Positions of criteria that it satisfies and the earlier version did not."""
    lost: tuple[int, ...]
    """Positions of criteria that the earlier version satisfied and it isn't known to."""
    verdicts: tuple[Verdict, ...]
    """Of the revision."""


def compare_blind(
    judge: Judge,
    conversation: Conversation,
    rubric: Sequence[Criterion],
    before: str,
    after: str,
    *,
    order: Random,
    ledger: Ledger,
) -> Comparison:
    """Judge both versions afresh; an apparent loss is judged once more, that criterion alone, and stands only if it repeats.

    Where a limit is reached before the second look, it stands. One confirmed loss is enough: the others aren't looked at again.
    """
    old, new = _judge_pair(judge, conversation, rubric, before, after, order=order, ledger=ledger)
    lost = []
    for number in _lost(rubric, old, new):
        if not ledger.exceeded():
            alone = [rubric[number]]
            second_old, second_new = _judge_pair(judge, conversation, alone, before, after, order=order, ledger=ledger)
            if not _lost(alone, second_old, second_new):
                continue
        lost.append(number)
        break
    gained = [
        number
        for number, (criterion, a, b) in enumerate(zip(rubric, old, new, strict=True))
        if is_satisfied(criterion, a) is False and is_satisfied(criterion, b)
    ]
    return Comparison(tuple(gained), tuple(lost), tuple(new))


def _judge_pair(
    judge: Judge,
    conversation: Conversation,
    rubric: Sequence[Criterion],
    before: str,
    after: str,
    *,
    order: Random,
    ledger: Ledger,
) -> tuple[list[Verdict], list[Verdict]]:
    """Return the verdicts on (before, after), judged in random order."""
    swapped = order.random() < 0.5
    first, second = checked_verdicts(
        judge, conversation, [after, before] if swapped else [before, after], rubric, ledger=ledger
    )
    return (second, first) if swapped else (first, second)


def _lost(rubric: Sequence[Criterion], old: Sequence[Verdict], new: Sequence[Verdict]) -> list[int]:
    return [
        number
        for number, (criterion, a, b) in enumerate(zip(rubric, old, new, strict=True))
        if is_satisfied(criterion, a) and not is_satisfied(criterion, b)
    ]
