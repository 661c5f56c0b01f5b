"""A reviewer's sheet: the criteria of one record as one person has them at one version. Pure; storing it is store.py's job.

The key of a drafted criterion is its place in the draft (`d1`), so that several reviewers' sheets can be laid beside each other.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any, Literal, get_args

from pydantic import ValidationError

from agent.errors import InputError
from agent.rubric import VerdictValue
from principles_store.principle import Axis
from training.preferences import HealthRubric, RecordCriterion

State = Literal["open", "accepted", "rejected", "deferred"]
STATES: tuple[State, ...] = get_args(State)
_UNKNOWN: VerdictValue = "unknown"
MAX_COMMENT = 10_000
"""Characters."""
MAX_CRITERIA = 100
DRAFT = "draft"
"""Stands for who gave the verdicts of a draft that doesn't say."""
_LONGEST_NAME = 100
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MARKS = re.compile(r"[.,;:!?…\"“”](?!\d)")
_DRAFTED_KEY = re.compile(r"d\d+")


@dataclass(frozen=True)
class SheetCriterion:
    """A criterion on a sheet."""

    key: str
    """Tells it from all others of the record; empty for a new one, which is given one when it is saved."""
    criterion: str
    points: int
    axis: Axis
    tags: tuple[str, ...] = ()
    principle_id: str | None = None
    verdicts: tuple[VerdictValue, ...] = ()
    """One per response."""
    judged_by: tuple[str, ...] = ()
    """Model or reviewer that gave each verdict; empty where it is unknown."""

    @property
    def is_drafted(self) -> bool:
        """Tell whether it comes from the draft; its text may be another by now."""
        return bool(_DRAFTED_KEY.fullmatch(self.key))

    def as_record_criterion(self) -> RecordCriterion:
        """Return it as a record keeps it; raises pydantic's ValidationError."""
        return RecordCriterion.model_validate({name: getattr(self, name) for name in RecordCriterion.model_fields})


@dataclass(frozen=True)
class Sheet:
    """One person's version of a record's rubric."""

    record: HealthRubric
    reviewer: str
    """Empty: the sheet that adjudicators share."""
    criteria: tuple[SheetCriterion, ...]
    version: int = 0
    """0: nobody has saved anything yet."""
    state: State = "open"
    comment: str = ""
    updated_at: str = ""
    """UTC, ISO 8601; empty at version 0."""


def first_sheet(record: HealthRubric, reviewer: str) -> Sheet:
    """Return the sheet on which a reviewer begins: the draft."""
    judge = record.provenance.judged_by or DRAFT
    criteria = (
        SheetCriterion(
            key=f"d{number}",
            **{name: getattr(item, name) for name in ("criterion", "points", "axis", "tags", "principle_id")},
            verdicts=item.verdicts or _unknown(record),
            judged_by=_named(item.verdicts or _unknown(record), judge),
        )
        for number, item in enumerate(record.draft, start=1)
    )
    return Sheet(record, reviewer, tuple(criteria))


def checked_criteria(record: HealthRubric, criteria: Sequence[SheetCriterion]) -> tuple[SheetCriterion, ...]:
    """Return criteria that can be stored, keys given to new ones; raises InputError naming the first that can't, and why."""
    if len(criteria) > MAX_CRITERIA:
        raise InputError(f"{len(criteria)} criteria, more than {MAX_CRITERIA}")
    checked = tuple(_checked(record, item, number) for number, item in enumerate(criteria, start=1))
    for what, found in (("key", [item.key for item in checked]), ("text", [same_text(c.criterion) for c in checked])):
        if twice := next((place for place, value in enumerate(found) if value in found[:place]), None):
            first = found.index(found[twice]) + 1
            raise InputError(
                f"criterion {twice + 1} has the same {what} as criterion {first}; keep one: {criteria[twice].criterion!r}"
            )
    return checked


def unjudged_where_reworded(
    before: Sequence[SheetCriterion], after: Sequence[SheetCriterion], reviewer: str
) -> tuple[SheetCriterion, ...]:
    """Return `after`, with verdicts unknown where only the text is another, and the reviewer named on each that they changed.

    On a verdict that they left as it was stands who gave it, or the reviewer where `after` says so: they confirmed it.
    """
    known = {item.key: item for item in before}
    return tuple(_rejudged(known.get(item.key), item, reviewer) for item in after)


def checked_name(name: str) -> str:
    """Return a reviewer's name as it is stored; raises InputError for what is none."""
    found = " ".join(name.split())
    if not found or len(found) > _LONGEST_NAME or not found.isprintable():
        raise InputError(f"{name[:80]!r} is no reviewer's name; give 1 to {_LONGEST_NAME} printable characters")
    return found


def checked_comment(comment: str) -> str:
    """Return a comment; raises InputError for one that is too long."""
    if len(comment) > MAX_COMMENT:
        raise InputError(f"the comment has {len(comment):,} characters, more than {MAX_COMMENT:,}")
    return comment


def same_text(text: str) -> str:
    """Return what two texts share that differ only in case, spaces and marks at the end of words; 1.5 stays apart from 15."""
    return " ".join(_MARKS.sub("", text.casefold()).split()) or text.strip()


def new_key() -> str:
    """Return a key for a criterion that somebody adds."""
    return f"n{secrets.token_hex(8)}"


def dump_criteria(criteria: Sequence[SheetCriterion]) -> str:
    """Return criteria as JSON."""
    return json.dumps([asdict(item) for item in criteria], ensure_ascii=False, separators=(",", ":"))


def load_criteria(stored: str) -> tuple[SheetCriterion, ...]:
    """Return criteria from what `dump_criteria` made of them."""
    return tuple(criterion_of(item) for item in json.loads(stored))


def criterion_of(item: Mapping[str, Any]) -> SheetCriterion:
    """Return a criterion from its JSON object; raises TypeError for fields that it doesn't have."""
    return SheetCriterion(**{**item, **{name: tuple(item.get(name, ())) for name in ("tags", "verdicts", "judged_by")}})


def _unknown(record: HealthRubric) -> tuple[VerdictValue, ...]:
    return tuple(_UNKNOWN for _ in record.responses)


def _checked(record: HealthRubric, item: SheetCriterion, number: int) -> SheetCriterion:
    if item.key and not _KEY.fullmatch(item.key):
        raise InputError(f"criterion {number}: {item.key[:80]!r} is no key; leave it empty for a new criterion")
    if item.is_drafted and int(item.key[1:]) not in range(1, len(record.draft) + 1):
        raise InputError(f"criterion {number}: the draft has no {item.key!r}; leave the key empty for a new criterion")
    verdicts = item.verdicts or _unknown(record)
    if len(verdicts) != len(record.responses):
        raise InputError(f"criterion {number}: {len(verdicts)} verdicts for {len(record.responses)} responses")
    if type(item.points) is not int:
        raise InputError(f"criterion {number}: points must be a whole number, found {item.points!r}")
    judges = tuple(
        "" if verdict == _UNKNOWN else judge for verdict, judge in _with_judges(replace(item, verdicts=verdicts))
    )
    named = replace(
        item, key=item.key or new_key(), criterion=item.criterion.strip(), verdicts=verdicts, judged_by=judges
    )
    try:
        named.as_record_criterion()
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"criterion {number}: {field}: {fault['msg'].removeprefix('Value error, ')}") from error
    return named


def _rejudged(before: SheetCriterion | None, after: SheetCriterion, reviewer: str) -> SheetCriterion:
    is_reworded = before is not None and same_text(after.criterion) != same_text(before.criterion)
    if before is not None and is_reworded and after.verdicts == before.verdicts:
        return replace(
            after, verdicts=tuple(_UNKNOWN for _ in after.verdicts), judged_by=tuple("" for _ in after.verdicts)
        )
    known = () if before is None or is_reworded else _with_judges(before)
    judges = tuple(
        known[place][1] if place < len(known) and known[place][0] == verdict and judge != reviewer else reviewer
        for place, (verdict, judge) in enumerate(_with_judges(after))
    )
    return replace(after, judged_by=judges)


def _with_judges(item: SheetCriterion) -> list[tuple[VerdictValue, str]]:
    """Return each verdict with who gave it."""
    return list(zip_longest(item.verdicts, item.judged_by[: len(item.verdicts)], fillvalue=""))  # type: ignore[arg-type]


def _named(verdicts: Sequence[VerdictValue], judge: str) -> tuple[str, ...]:
    return tuple("" if verdict == _UNKNOWN else judge for verdict in verdicts)
