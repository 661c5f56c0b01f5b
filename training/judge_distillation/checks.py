"""Which labels no judge can be made of, and what is worth knowing of those that one can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.errors import InputError
from agent.small_judge.calibration import SIDES, Polarity, polarity
from evals.graded import GradedAnswer
from training.judge_distillation.rows import NO_JUDGE, Labels, conversation_key

MIN_CONVERSATIONS = 10
MIN_HELD = 2
"""Conversations: figures from one would say more of it than of the judge."""
FEW_HELD = 12
"""Conversations held out, below which the bounds often don't keep the risk: docs/small-judge.md has the figures."""
MIN_VERDICTS = 100
"""Trained on and held out together; what is made of so few is hardly better than a coin, which its card then tells."""
_POINTS = {"positive": "above 0", "negative": "below 0"}


def check_labels(labels: Labels) -> None:
    """Refuse labels that are too few or all alike. Raises InputError."""
    conversations = labels.conversations
    if conversations < MIN_CONVERSATIONS:
        raise InputError(
            f"too few conversations: {_counted(conversations, 'conversation')} with verdicts, and {MIN_CONVERSATIONS} are "
            "needed at least, since whole ones are held out; grade answers to more questions"
        )
    if labels.verdicts < MIN_VERDICTS:
        raise InputError(
            f"too few verdicts: {labels.verdicts}, and {MIN_VERDICTS} are needed at least, better thousands; "
            "grade more answers"
        )
    if (only := _only_class(labels.answers)) is not None:
        raise InputError(
            f"one class only: all {labels.verdicts:,} verdicts say {only}, and nothing tells it from the other; "
            "give rows with criteria that are met and criteria that are not"
        )


def check_split(train: Sequence[GradedAnswer], held: Sequence[GradedAnswer]) -> None:
    """Refuse a split of which a side is too small or all alike. Raises InputError."""
    held_conversations = _conversations(held)
    if held_conversations < MIN_HELD:
        raise InputError(
            f"too few conversations held out: {held_conversations}, and {MIN_HELD} are needed at least; raise --held-share, "
            "or grade answers to more questions"
        )
    for name, answers in (("trained on", train), ("held out", held)):
        if (only := _only_class(answers)) is not None:
            raise InputError(
                f"one class only: all verdicts of the conversations {name} say {only}; "
                "give another --seed, which holds out others, or grade answers to more questions"
            )


def warnings(labels: Labels, train: Sequence[GradedAnswer], held: Sequence[GradedAnswer]) -> Iterator[str]:
    """Yield what doesn't forbid a judge and may still surprise."""
    for side in SIDES:
        what = f"criteria with points {_POINTS[side]}"
        for name, answers in (("trained on", train), ("held out", held)):
            found = _classes(answers, side)
            if not found:
                yield f"none of the {what} has a verdict in the conversations {name}: they stay unknown, or are a guess"
            elif len(found) == 1:
                yield f"all verdicts on {what} in the conversations {name} say {_said(*found)}: don't trust it with these"
    if (few := _conversations(held)) < FEW_HELD:
        yield f"only {few} conversations are held out: the bounds may let more wrong verdicts pass than the risk; grade more"
    if labels.skipped.own:
        yield f"{labels.skipped.own:,} verdicts that a small judge gave were passed over: it must not learn from itself"
    if len(labels.judges) > 1:
        told = ", ".join(f"{count:,} by {name}" for name, count in sorted(labels.judges.items()))
        yield f"the verdicts are of several judges ({told}); where they differ, it learns something between"
    elif NO_JUDGE in labels.judges:
        yield "the rows don't say which judge gave the verdicts"


def _conversations(answers: Sequence[GradedAnswer]) -> int:
    return len({conversation_key(answer) for answer in answers})


def _only_class(answers: Sequence[GradedAnswer]) -> str | None:
    """Return the only verdict there is, None if there are both."""
    found = _classes(answers, *SIDES)
    return _said(*found) if len(found) == 1 else None


def _classes(answers: Sequence[GradedAnswer], *sides: Polarity) -> set[bool]:
    return {
        grade.met
        for answer in answers
        for criterion, grade in zip(answer.rubric, answer.grades, strict=True)
        if grade.met is not None and polarity(criterion) in sides
    }


def _said(met: bool) -> str:
    return "met" if met else "unmet"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
