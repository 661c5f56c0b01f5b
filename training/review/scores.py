"""The scores of a record's responses by the criteria of a sheet, and how far the preferred one is ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from agent.rubric import Criterion, Score, Verdict, score
from training.preferences import HealthRubric
from training.review.sheet import SheetCriterion


def scores(criteria: Sequence[SheetCriterion]) -> tuple[Score | None, ...]:
    """Return the score of each response; an interval where verdicts are unknown, None without positive criteria."""
    rubric = [Criterion(item.criterion, item.points, item.principle_id) for item in criteria]
    responses = max((len(item.verdicts) for item in criteria), default=0)
    return tuple(
        score(rubric, [Verdict(item.verdicts[response] if item.verdicts else "unknown") for item in criteria])
        for response in range(responses)
    )


def margin(record: HealthRubric, criteria: Sequence[SheetCriterion]) -> tuple[float, float] | None:
    """Return the least and the most by which the preferred response is ahead; None where that can't be said."""
    found = scores(criteria)
    if record.preferred is None or len(found) != 2:
        return None
    chosen, rejected = found[record.preferred], found[1 - record.preferred]
    if chosen is None or rejected is None:
        return None
    return chosen.low - rejected.high, chosen.high - rejected.low


def told_score(found: Score | None) -> str:
    """Return a score in words: one number, two where verdicts are unknown."""
    if found is None:
        return "none (no criterion with points above 0)"
    return f"{found.low:.2f}" if found.exact is not None else f"{found.low:.2f} to {found.high:.2f}"


def told_margin(found: tuple[float, float] | None) -> str:
    """Return a margin in words."""
    if found is None:
        return "none"
    low, high = found
    return f"{low:+.2f}" if low == high else f"{low:+.2f} to {high:+.2f}"


def score_rows(criteria: Sequence[SheetCriterion]) -> list[dict[str, Any] | None]:
    """Return the scores as JSON objects."""
    return [None if found is None else asdict(found) for found in scores(criteria)]
