"""Two changes of one sheet made into one: what only one of them touched is taken from it, what both changed differently is told.

Three-way, criterion by criterion and field by field, against the version that both began from. Text and verdicts go together: a
verdict says whether a text holds, so one given on the old text is not put onto a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from agent.rubric import VerdictValue
from training.review.sheet import SheetCriterion, same_text

T = TypeVar("T")
Criteria = Sequence[SheetCriterion]
_FIELDS: dict[str, Callable[[SheetCriterion], Any]] = {
    "points": lambda item: item.points,
    "axis": lambda item: item.axis,
    "tags": lambda item: item.tags,
    "principle": lambda item: item.principle_id,
}
_CHARACTERS = 60
"""Of a criterion's text, where a message names it."""


@dataclass(frozen=True)
class Merged:
    """What came of two changes."""

    criteria: tuple[SheetCriterion, ...]
    comment: str
    taken: tuple[str, ...]
    """What was merged in from the other change, in words."""
    conflicts: tuple[str, ...]
    """What both changed, and not to the same; then the rest is of no use."""


def merge(base: tuple[Criteria, str], theirs: tuple[Criteria, str], mine: tuple[Criteria, str]) -> Merged:
    """Return `mine` with what `theirs` has changed since `base`, each given as criteria and comment."""
    before, stored, wanted = ({item.key: item for item in criteria} for criteria, _ in (base, theirs, mine))
    taken: list[str] = []
    conflicts: list[str] = []
    found: dict[str, SheetCriterion] = {}
    for key in dict.fromkeys([*stored, *wanted]):
        item, note = _merged(before.get(key), stored.get(key), wanted.get(key))
        if isinstance(note, Conflict):
            conflicts.append(note)
        elif note:
            taken.append(note)
        if item is not None:
            found[key] = item
    for note in _doubles(found, before, wanted):
        conflicts.append(note)
    comment = _three_way(base[1], theirs[1], mine[1])
    if comment is None:
        conflicts.append(Conflict("both wrote another comment"))
    elif comment != mine[1]:
        taken.append("the comment")
    order = _order(list(before), list(stored), list(wanted))
    criteria = tuple(found[key] for key in order if key in found)
    return Merged(criteria, mine[1] if comment is None else comment, tuple(taken), tuple(conflicts))


class Conflict(str):
    """Why two changes can't both stand."""

    __slots__ = ()


def _merged(
    base: SheetCriterion | None, theirs: SheetCriterion | None, mine: SheetCriterion | None
) -> tuple[SheetCriterion | None, str]:
    """Return what becomes of one criterion, and what was taken over from the other change, or the conflict."""
    if theirs in (mine, base):
        return mine, ""
    if mine == base:
        what = "added" if base is None else "removed" if theirs is None else "changed"
        return theirs, f"{what}: {_named(theirs or base)}"
    if theirs is None or mine is None:
        removed, changed = ("they", "you") if theirs is None else ("you", "they")
        return None, Conflict(f"{removed} removed what {changed} changed: {_named(base)}")
    if base is None:
        return None, Conflict(f"both added another criterion under one key: {_named(mine)}")
    return _merged_fields(base, theirs, mine)


def _merged_fields(
    base: SheetCriterion, theirs: SheetCriterion, mine: SheetCriterion
) -> tuple[SheetCriterion | None, str]:
    merged = _judged(base, theirs, mine)
    if merged is None:
        return None, Conflict(f"both changed the text, or one the text and one the verdicts: {_named(base)}")
    verdicts = _verdicts(base, theirs, mine) if theirs.criterion == mine.criterion == base.criterion else None
    if verdicts is not None and None in verdicts:
        return None, Conflict(f"both changed a verdict: {_named(base)}")
    values: dict[str, Any] = {}
    for name, value_of in _FIELDS.items():
        value = _three_way((value_of(base),), (value_of(theirs),), (value_of(mine),))
        if value is None:
            return None, Conflict(f"both changed the {name}: {_named(base)}")
        (values["principle_id" if name == "principle" else name],) = value
    merged = replace(merged, **values)
    return merged, "" if merged == mine else f"changed: {_named(merged)}"


def _judged(base: SheetCriterion, theirs: SheetCriterion, mine: SheetCriterion) -> SheetCriterion | None:
    """Return the criterion with the text and the verdicts of whichever side changed them; None if the sides don't go together."""
    if base.criterion == theirs.criterion == mine.criterion:
        verdicts = _verdicts(base, theirs, mine)
        sides = zip(*(zip(item.verdicts, item.judged_by, strict=True) for item in (base, theirs, mine)), strict=True)
        judges = tuple((theirs_ if mine_ == base_ else mine_)[1] for base_, theirs_, mine_ in sides)
        return replace(mine, verdicts=tuple(value or "unknown" for value in verdicts), judged_by=judges)
    units = [(item.criterion, item.verdicts, item.judged_by) for item in (base, theirs, mine)]
    unit = _three_way(*units)
    return None if unit is None else replace(mine, criterion=unit[0], verdicts=unit[1], judged_by=unit[2])


def _verdicts(base: SheetCriterion, theirs: SheetCriterion, mine: SheetCriterion) -> tuple[VerdictValue | None, ...]:
    sides = zip(base.verdicts, theirs.verdicts, mine.verdicts, strict=True)
    return tuple(_three_way(*values) for values in sides)


def _three_way(base: T, theirs: T, mine: T) -> T | None:
    """Return the value of whoever changed it; None if both did, and not to the same."""
    if theirs in (base, mine):
        return mine
    return theirs if mine == base else None


def _doubles(
    found: dict[str, SheetCriterion], before: dict[str, SheetCriterion], mine: dict[str, SheetCriterion]
) -> Iterable[Conflict]:
    """Drop what both added in the same words; yield where they gave it other points, or it has become what another says."""
    by_text: dict[str, str] = {}
    for key in list(found):
        text = same_text(found[key].criterion)
        first = by_text.setdefault(text, key)
        if first == key:
            continue
        if first not in before and key not in before and replace(found[first], key=key) == found[key]:
            del found[key if key in mine else first]
        else:
            yield Conflict(f"both wrote the same criterion, in two rows: {_named(found[key])}")


def _order(base: list[str], theirs: list[str], mine: list[str]) -> list[str]:
    """Return keys in my order where I changed it, else in theirs; what the other side added stands behind what it stood behind."""
    common = set(base) & set(theirs) & set(mine)
    moved = [key for key in base if key in common] != [key for key in mine if key in common]
    first, second = (mine, theirs) if moved else (theirs, mine)
    order = list(first)
    for place, key in enumerate(second):
        if key not in order:
            before = next((earlier for earlier in reversed(second[:place]) if earlier in order), None)
            order.insert(0 if before is None else order.index(before) + 1, key)
    return order


def _named(item: SheetCriterion | None) -> str:
    text = item.criterion if item is not None else ""
    return repr(text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…")
