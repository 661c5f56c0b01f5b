"""What several reviewers' sheets of one record have in common: whether they agree, on what they don't, and what both would sign.

Criteria belong together by their key, new ones by their words. They agree where the decision is the same and, for an accepted
record, the same criteria are kept in the same words (but for case and marks), with points of one sign that are no more than one
apart. Verdicts, axes and tags are no dispute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from agent.rubric import VerdictValue
from training.preferences import HealthRubric
from training.review.sheet import Sheet, SheetCriterion, same_text

MAX_POINTS_APART = 1


@dataclass(frozen=True)
class Difference:
    """One thing on which reviewers differ."""

    what: str
    """decision, kept, text or points."""
    key: str
    """Of the criterion; empty for the decision."""
    criterion: str
    """As the first of them has it."""
    by_reviewer: dict[str, str]
    """What each reviewer has."""


def differences(sheets: Sequence[Sheet]) -> list[Difference]:
    """Return everything on which the sheets differ; empty where they agree."""
    states = {sheet.reviewer: sheet.state for sheet in sheets}
    found = [Difference("decision", "", "", dict(states))] if len(set(states.values())) > 1 else []
    if set(states.values()) == {"rejected"}:
        return found
    accepted = [sheet for sheet in sheets if sheet.state == "accepted"]
    for key, items in _aligned(accepted).items():
        found += _differences_of(key, items, [sheet.reviewer for sheet in accepted])
    return found


def agreed_criteria(sheets: Sequence[Sheet]) -> tuple[SheetCriterion, ...]:
    """Return the criteria of sheets that agree: points averaged, verdicts that all share, else unknown."""
    return tuple(_one_of(list(items.values())) for items in _aligned(sheets).values())


def common_sheet(record: HealthRubric, sheets: Sequence[Sheet]) -> Sheet:
    """Return the sheet on which adjudication begins: what more than half of those who accepted have kept."""
    accepted = [sheet for sheet in sheets if sheet.state == "accepted"]
    kept = [list(items.values()) for items in _aligned(accepted).values() if 2 * len(items) > len(accepted)]
    return Sheet(record, "", _each_once(_one_of(items) for items in kept))


def _aligned(sheets: Sequence[Sheet]) -> dict[str, dict[str, SheetCriterion]]:
    """Return, for every criterion that somebody kept, each reviewer's form of it; in the order of the first sheet."""
    found: dict[str, dict[str, SheetCriterion]] = {}
    key_of_text: dict[str, str] = {}
    for sheet in sheets:
        for item in sheet.criteria:
            key = item.key
            if not item.is_drafted:
                key = key_of_text.setdefault(same_text(item.criterion), key)
            found.setdefault(key, {})[sheet.reviewer] = item
    return found


def _differences_of(key: str, items: dict[str, SheetCriterion], reviewers: Sequence[str]) -> list[Difference]:
    first = next(iter(items.values())).criterion
    if len(items) < len(reviewers):
        kept = {name: "kept" if name in items else "left out" for name in reviewers}
        return [Difference("kept", key, first, kept)]
    found = []
    if len({same_text(item.criterion) for item in items.values()}) > 1:
        found.append(Difference("text", key, first, {name: item.criterion for name, item in items.items()}))
    points = [item.points for item in items.values()]
    if max(points) - min(points) > MAX_POINTS_APART or min(points) < 0 < max(points):
        found.append(Difference("points", key, first, {name: f"{item.points:+d}" for name, item in items.items()}))
    return found


def _one_of(items: Sequence[SheetCriterion]) -> SheetCriterion:
    first = items[0]
    signs = Counter(item.points > 0 for item in items)
    sign = first.points > 0 if signs[True] == signs[False] else signs[True] > signs[False]
    same_sign = [item.points for item in items if (item.points > 0) == sign]
    verdicts = tuple(_shared(values) for values in zip(*(item.verdicts for item in items), strict=True))
    judges = (dict.fromkeys(names) for names in zip(*(item.judged_by for item in items), strict=True))
    if len({same_text(item.criterion) for item in items}) > 1:
        verdicts = tuple("unknown" for _ in verdicts)
    return replace(
        first,
        points=_rounded(Fraction(sum(same_sign), len(same_sign))),
        axis=_most(item.axis for item in items),
        tags=_most(item.tags for item in items),
        verdicts=verdicts,
        judged_by=tuple(
            "" if verdict == "unknown" else ", ".join(filter(None, names))
            for verdict, names in zip(verdicts, judges, strict=True)
        ),
    )


def _shared(values: Sequence[VerdictValue]) -> VerdictValue:
    return values[0] if len(set(values)) == 1 else "unknown"


def _rounded(value: Fraction) -> int:
    """Return the nearest whole number, halves away from 0: a criterion never loses its sign."""
    whole = int(abs(value) + Fraction(1, 2))
    return whole if value > 0 else -whole


def _most(values: Iterable[Any]) -> Any:
    """Return the most frequent value; of several the first."""
    return Counter(values).most_common(1)[0][0]


def _each_once(items: Iterable[SheetCriterion]) -> tuple[SheetCriterion, ...]:
    """Return items without those that say what an earlier one says: two reviewers may have made different rows the same."""
    return tuple({same_text(item.criterion): item for item in reversed(list(items))}.values())[::-1]
