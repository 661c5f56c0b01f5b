"""Lists of the review: a page of records as one reviewer sees them, what to do next, who has done how much.

Nothing here tells one reviewer what another has decided; how many have is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, literal, or_, select, tuple_

from agent.errors import InputError
from training.review import searching, tallies
from training.review.kept import RecordState
from training.review.sheet import STATES, State
from training.review.tables import records, sheets

MAX_PAGE = 500
COUNTED = 100
"""What a search finds is counted up to a multiple of this."""
_FIRST_READ = 100
"""Records, to find the next one among."""


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
    is_counted: bool = True
    """False where there may be more of them: counting stopped."""


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
    """Return the records from `offset` on, oldest first; `words`: those with words that begin so in id, theme or question."""
    if state is not None and state not in STATES:
        raise InputError(f"state {state!r} is not one of {', '.join(STATES)}")
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise InputError(f"offset must be 0 or more and limit 1 to {MAX_PAGE}, got {offset} and {limit}")
    if words.strip():
        return _found(connection, reviewer, state, searching.split(words), offset, limit)
    wanted = _selected(reviewer).where(*_in_state(state)).order_by(records.c.position)
    if state is None:  # positions have no gaps, so nothing need be counted off
        wanted = wanted.where(records.c.position > offset, records.c.position <= offset + limit)
    else:
        wanted = wanted.offset(offset).limit(limit)
    rows = tuple(_listed(row) for row in connection.execute(wanted))
    counted = tallies.read(connection)
    if state is None:
        return Listing(rows, counted.records())
    return Listing(rows, counted.open_for(reviewer) if state == "open" else counted.sheets(reviewer)[state])


def one(connection: Connection, record_id: str, reviewer: str) -> ListedRecord | None:
    """Return one record as `page` does; None if there is none by this id."""
    row = connection.execute(_selected(reviewer).where(records.c.id == record_id)).one_or_none()
    return None if row is None else _listed(row)


def next_for(connection: Connection, reviewer: str, *, after: str | None) -> str | None:
    """Return the record that follows `after` among those the reviewer has open, then among the deferred; None if there is none.

    The least reviewed come first; behind the last one it begins again.
    """
    place = None
    if after is not None:
        here = select(records.c.decided, records.c.position).select_from(_with_own(reviewer))
        place = connection.execute(here.where(records.c.id == after, *_in_state("open"))).one_or_none()
    if tallies.read(connection).open_for(reviewer):
        found = _next_open(connection, reviewer, beyond=place, but=None) if place else None
        found = found or _next_open(connection, reviewer, beyond=None, but=after)
        if found:
            return found
    return _next_deferred(connection, reviewer, after=after)


def _next_open(connection: Connection, reviewer: str, *, beyond: Sequence[int] | None, but: str | None) -> str | None:
    """Return the first open record behind a place that the reviewer has neither decided nor put off, nor is `but`.

    Reads the index in its order, ever more at a time: those of the reviewer's own stand in between.
    """
    key = tuple_(records.c.decided, records.c.position)
    read = _FIRST_READ
    while True:
        some = select(records.c.id, records.c.decided, records.c.position).where(records.c.state == "open")
        some = some if beyond is None else some.where(key > tuple_(*beyond))
        some_ = some.order_by(records.c.decided, records.c.position).limit(read).subquery()
        own = and_(sheets.c.position == some_.c.position, sheets.c.reviewer == reviewer)
        wanted = select(some_, sheets.c.state).select_from(some_.outerjoin(sheets, own))
        rows = connection.execute(wanted.order_by(some_.c.decided, some_.c.position)).all()
        for row in rows:
            if row.state in (None, "open") and row.id != but:
                return str(row.id)
        if len(rows) < read:
            return None
        beyond, read = (rows[-1].decided, rows[-1].position), read * 4


def _next_deferred(connection: Connection, reviewer: str, *, after: str | None) -> str | None:
    joined = sheets.join(records, records.c.position == sheets.c.position)
    own = and_(sheets.c.reviewer == reviewer, sheets.c.state == "deferred", sheets.c.closed.is_(False))
    wanted = select(records.c.id).select_from(joined).where(own).order_by(records.c.decided, records.c.position)
    ids = [str(found) for found in connection.execute(wanted).scalars()]
    if after in ids:
        place = ids.index(after)
        ids = ids[place + 1 :] + ids[:place]
    return ids[0] if ids else None


def disputes(connection: Connection) -> list[str]:
    """Return the ids of the records that wait for an adjudicator, oldest first."""
    wanted = select(records.c.id).where(records.c.state == "dispute").order_by(records.c.closed_at, records.c.position)
    return [str(found) for found in connection.execute(wanted).scalars()]


def progress(connection: Connection) -> Progress:
    """Return how far the review is."""
    counted = tallies.read(connection)
    reviewers = {name: ReviewerProgress(**counted.sheets(name)) for name in counted.reviewers}
    return Progress(
        records=counted.records(),
        open=counted.records("open"),
        disputes=counted.records("dispute"),
        accepted=counted.records("accepted"),
        rejected=counted.records("rejected"),
        reviewers=reviewers,
        decisions=sum(one.accepted + one.rejected for one in reviewers.values()),
        decisions_needed=counted.needed,
    )


def _found(
    connection: Connection, reviewer: str, state: State | None, words: Sequence[str], offset: int, limit: int
) -> Listing:
    """Return a page of what a search finds; counting stops at the next hundred."""
    if not words:
        return Listing((), 0)
    found = searching.found(connection, words).subquery()
    joined = _with_own(reviewer).join(found, found.c.position == records.c.position)
    here = _in_state(
        state, record_state=func.coalesce(records.c.state, "")
    )  # no index: what was found is few, open is many
    wanted = _selected(reviewer, joined).where(*here).order_by(found.c.position)
    rows = tuple(_listed(row) for row in connection.execute(wanted.offset(offset).limit(limit)))
    if len(rows) < limit and (rows or not offset):
        return Listing(rows, offset + len(rows))
    enough = ((offset + limit) // COUNTED + 1) * COUNTED
    counted = select(literal(1)).select_from(found if state is None else joined).where(*here).limit(enough)
    total = connection.execute(select(func.count()).select_from(counted.subquery())).scalar_one()
    return Listing(rows, total, is_counted=total < enough)


def _selected(reviewer: str, joined: FromClause | None = None) -> Select[Any]:
    own = (sheets.c.state.label("own_state"), sheets.c.updated_at.label("own_updated_at"))
    return select(records, *own).select_from(_with_own(reviewer) if joined is None else joined)


def _with_own(reviewer: str) -> FromClause:
    return records.outerjoin(sheets, and_(sheets.c.position == records.c.position, sheets.c.reviewer == reviewer))


def _in_state(state: State | None, record_state: ColumnElement[str] = records.c.state) -> list[ColumnElement[bool]]:
    """Return the condition on the reviewer's own sheet; what others have closed meanwhile is nobody's open work."""
    if state is None:
        return []
    if state == "open":
        return [record_state == "open", or_(sheets.c.state.is_(None), sheets.c.state == "open")]
    return [sheets.c.state == state]


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
