"""Lists of the review: a page of records as one reviewer sees them, what to do next, who has done how much.

Nothing here tells one reviewer what another has decided; how many have is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, or_, select, tuple_

from agent.errors import InputError
from training.review.kept import ADJUDICATORS, RecordState
from training.review.sheet import STATES, State
from training.review.tables import contents, records, sheets

MAX_PAGE = 500


@dataclass(frozen=True)
class ListedRecord:
    """One line of a list."""

    id: str
    question: str
    """How it begins."""
    theme: str
    state: State
    """Of the reviewer's own sheet."""
    record_state: RecordState
    """Open until enough reviewers have decided."""
    outcome: str
    """Of a final record: accepted or rejected."""
    decided: int
    needed: int
    updated_at: str
    """When the reviewer last changed their sheet; empty: never."""


@dataclass(frozen=True)
class Listing:
    """A page of them."""

    rows: tuple[ListedRecord, ...]
    total: int
    """On all pages."""


@dataclass(frozen=True)
class ReviewerProgress:
    """How many sheets somebody has in each state, the open ones that they have begun only."""

    open: int = 0
    accepted: int = 0
    rejected: int = 0
    deferred: int = 0


@dataclass(frozen=True)
class Progress:
    """How far the review is."""

    records: int
    open: int
    disputes: int
    accepted: int
    rejected: int
    reviewers: Mapping[str, ReviewerProgress]
    """By name."""
    decisions: int
    decisions_needed: int


def page(connection: Connection, reviewer: str, *, state: State | None, words: str, offset: int, limit: int) -> Listing:
    """Return the records from `offset` on, oldest first; `words`: those with all of them in id, theme or question."""
    if state is not None and state not in STATES:
        raise InputError(f"state {state!r} is not one of {', '.join(STATES)}")
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise InputError(f"offset must be 0 or more and limit 1 to {MAX_PAGE}, got {offset} and {limit}")
    searched = [contents.c.words.contains(word, autoescape=True) for word in words.lower().split()]
    wanted = _selected(reviewer, searched=bool(searched)).where(*searched, *_in_state(state))
    if state is None and not searched:  # positions have no gaps, so nothing need be counted off
        wanted = wanted.where(records.c.position > offset, records.c.position <= offset + limit)
    else:
        wanted = wanted.offset(offset).limit(limit)
    rows = tuple(_listed(row) for row in connection.execute(wanted.order_by(records.c.position)))
    if len(rows) < limit and (rows or not offset):
        return Listing(rows, offset + len(rows))
    return Listing(rows, _total(connection, reviewer, state, searched))


def one(connection: Connection, record_id: str, reviewer: str) -> ListedRecord | None:
    """Return one record as `page` does; None if there is none by this id."""
    row = connection.execute(_selected(reviewer).where(records.c.id == record_id)).one_or_none()
    return None if row is None else _listed(row)


def next_for(connection: Connection, reviewer: str, *, after: str | None) -> str | None:
    """Return the record that follows `after` among those the reviewer has open, then among the deferred; None if there is none.

    The least reviewed come first; behind the last one it begins again.
    """
    key = tuple_(records.c.decided, records.c.position)
    own: tuple[State, ...] = ("open", "deferred")
    for state in own:
        open_here = select(records.c.id).select_from(_with_own(reviewer)).where(records.c.state == "open")
        wanted = open_here.where(*_in_state(state)).order_by(records.c.decided, records.c.position).limit(1)
        if after is not None:
            here = select(records.c.decided, records.c.position).select_from(_with_own(reviewer))
            place = connection.execute(here.where(records.c.id == after, *_in_state(state))).one_or_none()
            beyond = place and connection.execute(wanted.where(key > tuple_(*place))).scalar_one_or_none()
            if beyond:
                return str(beyond)
            wanted = wanted.where(records.c.id != after)
        found = connection.execute(wanted).scalar_one_or_none()
        if found is not None:
            return str(found)
    return None


def disputes(connection: Connection) -> list[str]:
    """Return the ids of the records that wait for an adjudicator, oldest first."""
    wanted = select(records.c.id).where(records.c.state == "dispute").order_by(records.c.closed_at, records.c.position)
    return [str(found) for found in connection.execute(wanted).scalars()]


def progress(connection: Connection) -> Progress:
    """Return how far the review is."""
    by_state = select(records.c.state, records.c.outcome, func.count(), func.sum(records.c.needed))
    counts: Counter[str] = Counter()
    needed = 0
    for state, outcome, count, wanted in connection.execute(by_state.group_by(records.c.state, records.c.outcome)):
        counts[outcome or state] += count
        needed += wanted
    of_sheets = select(sheets.c.reviewer, sheets.c.state, func.count()).where(sheets.c.reviewer != ADJUDICATORS)
    reviewers: dict[str, dict[str, int]] = {}
    for reviewer, state, count in connection.execute(of_sheets.group_by(sheets.c.reviewer, sheets.c.state)):
        reviewers.setdefault(reviewer, {})[state] = count
    found = {name: ReviewerProgress(**reviewers[name]) for name in sorted(reviewers)}
    return Progress(
        records=counts.total(),
        open=counts["open"],
        disputes=counts["dispute"],
        accepted=counts["accepted"],
        rejected=counts["rejected"],
        reviewers=found,
        decisions=sum(one.accepted + one.rejected for one in found.values()),
        decisions_needed=needed,
    )


def _selected(reviewer: str, *, searched: bool = False) -> Select[Any]:
    own = (sheets.c.state.label("own_state"), sheets.c.updated_at.label("own_updated_at"))
    return select(records, *own).select_from(_with_own(reviewer, searched=searched))


def _with_own(reviewer: str, *, searched: bool = False) -> FromClause:
    own = and_(sheets.c.position == records.c.position, sheets.c.reviewer == reviewer)
    joined = records.outerjoin(sheets, own)
    return joined.join(contents, contents.c.position == records.c.position) if searched else joined


def _in_state(state: State | None) -> list[ColumnElement[bool]]:
    """Return the condition on the reviewer's own sheet; what others have closed meanwhile is nobody's open work."""
    if state is None:
        return []
    if state == "open":
        return [records.c.state == "open", or_(sheets.c.state.is_(None), sheets.c.state == "open")]
    return [sheets.c.state == state]


def _total(connection: Connection, reviewer: str, state: State | None, searched: Sequence[ColumnElement[bool]]) -> int:
    counted: Select[Any] = select(func.count())
    if searched:
        joined = _with_own(reviewer, searched=True)
        counted = counted.select_from(joined).where(*searched, *_in_state(state))
    elif state is None:
        counted = counted.select_from(records)
    elif state == "open":
        done = counted.select_from(sheets).where(sheets.c.reviewer == reviewer, sheets.c.state != "open")
        done = done.where(sheets.c.closed.is_(False))
        counted = select(
            counted.select_from(records).where(records.c.state == "open").scalar_subquery() - done.scalar_subquery()
        )
    else:
        counted = counted.select_from(sheets).where(sheets.c.reviewer == reviewer, sheets.c.state == state)
    return int(connection.execute(counted).scalar_one())


def _listed(row: Any) -> ListedRecord:
    return ListedRecord(
        id=row.id,
        question=row.question,
        theme=row.theme,
        state=row.own_state or "open",
        record_state=row.state,
        outcome=row.outcome,
        decided=row.decided,
        needed=row.needed,
        updated_at=row.own_updated_at or "",
    )
