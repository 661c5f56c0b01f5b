"""Sheets and their versions in the database: read, write, and the history they make."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import Connection, and_, insert, select, update

from agent.errors import InputError
from training.preferences import HealthRubric
from training.review.sheet import Sheet, State, dump_criteria, first_sheet, load_criteria
from training.review.tables import changes, contents, records, sheets

RecordState = Literal["open", "dispute", "final"]
ADJUDICATORS = ""
"""Stands for the reviewer of the sheet that adjudicators share."""


@dataclass(frozen=True)
class Stored:
    """A sheet as the database has it, with what the record's row says."""

    sheet: Sheet
    position: int
    state: RecordState
    outcome: str
    needed: int
    adjudicator: str


@dataclass(frozen=True)
class Version:
    """What stood on a sheet."""

    state: State
    comment: str
    criteria: tuple[Any, ...]
    """SheetCriterion."""


@dataclass(frozen=True)
class Change:
    """One change of one sheet."""

    at: str
    """UTC, ISO 8601."""
    reviewer: str
    """Who made it."""
    sheet: str
    """Whose sheet it is; empty: the adjudicators'."""
    version: int
    """Which it became."""
    kind: str
    """edited, accepted, rejected, deferred, open (reopened), or adjudicated."""
    before: Version
    after: Version


def read(connection: Connection, record_id: str, reviewer: str, *, for_change: bool = False) -> Stored:
    """Return a sheet, the draft where nothing is stored; raises InputError naming ids that are like one that isn't there.

    `for_change`: nobody else changes anything of the record until the transaction ends.
    """
    if for_change and connection.dialect.name != "sqlite":
        connection.execute(select(records.c.id).where(records.c.id == record_id).with_for_update())
    own = and_(sheets.c.position == records.c.position, sheets.c.reviewer == reviewer)
    wanted = (
        *(records.c.position, records.c.state, records.c.outcome, records.c.needed, records.c.adjudicator),
        contents.c.content,
        *(sheets.c[name].label(f"own_{name}") for name in ("state", "version", "comment", "criteria", "updated_at")),
    )
    joined = records.join(contents, contents.c.position == records.c.position).outerjoin(sheets, own)
    row = connection.execute(select(*wanted).select_from(joined).where(records.c.id == record_id)).one_or_none()
    if row is None:
        raise InputError(_unknown(connection, record_id))
    record = HealthRubric.model_validate_json(row.content)
    return Stored(_sheet(record, reviewer, row), row.position, row.state, row.outcome, row.needed, row.adjudicator)


def write(connection: Connection, stored: Stored, new: Sheet, *, by: str, kind: str) -> None:
    """Store the version that follows `stored`, and that it was made; the first version goes into the history with it."""
    values = {
        "state": new.state,
        "version": new.version,
        "comment": new.comment,
        "criteria": dump_criteria(new.criteria),
        "updated_at": new.updated_at,
    }
    here = {"position": stored.position, "reviewer": new.reviewer}
    if new.state != stored.sheet.state:
        values["decided_at"] = new.updated_at if new.state in ("accepted", "rejected") else ""
    if stored.sheet.version:
        own = and_(sheets.c.position == stored.position, sheets.c.reviewer == new.reviewer)
        connection.execute(update(sheets).where(own).values(**values))
    else:
        connection.execute(insert(sheets).values(**here, **values, closed=stored.state != "open"))
    told = {name: values[name] for name in ("state", "version", "comment", "criteria")}
    connection.execute(insert(changes).values(**here, **told, by=by, at=new.updated_at, kind=kind))


def at_version(connection: Connection, stored: Stored, version: int) -> Sheet:
    """Return an earlier version of a sheet; raises InputError for one that there never was."""
    sheet = stored.sheet
    if version == 0:
        return base_of(connection, stored)
    one = and_(
        changes.c.position == stored.position,
        changes.c.reviewer == sheet.reviewer,
        changes.c.version == version,
    )
    row = connection.execute(select(changes).where(one)).one_or_none()
    if row is None:
        raise InputError(f"{sheet.record.id}: there is no version {version!r}; the latest is {sheet.version}")
    return Sheet(sheet.record, sheet.reviewer, load_criteria(row.criteria), row.version, row.state, row.comment, row.at)


def base_of(connection: Connection, stored: Stored) -> Sheet:
    """Return the version 0 of a sheet: the draft, or for adjudicators what the reviewers' sheets have in common."""
    if stored.sheet.reviewer != ADJUDICATORS:
        return first_sheet(stored.sheet.record, stored.sheet.reviewer)
    from training.review.consensus import common_sheet  # which knows nothing of the database

    return common_sheet(stored.sheet.record, decided(connection, stored.position, stored.sheet.record))


def decided(connection: Connection, position: int, record: HealthRubric) -> list[Sheet]:
    """Return the reviewers' sheets of a record that are accepted or rejected, in the order of the decisions."""
    of_record = and_(sheets.c.position == position, sheets.c.decided_at != "", sheets.c.reviewer != ADJUDICATORS)
    rows = connection.execute(select(sheets).where(of_record).order_by(sheets.c.decided_at, sheets.c.reviewer))
    return [_of_row(record, row) for row in rows]


def decided_sheets(connection: Connection) -> Iterator[list[Sheet]]:
    """Yield, for each record that enough reviewers have decided, their sheets."""
    joined = sheets.join(records, records.c.position == sheets.c.position).join(
        contents, contents.c.position == sheets.c.position
    )
    closed = and_(records.c.state != "open", sheets.c.decided_at != "", sheets.c.reviewer != ADJUDICATORS)
    wanted = select(sheets, contents.c.content).select_from(joined).where(closed)
    ordered = wanted.order_by(sheets.c.position, sheets.c.reviewer)
    rows = connection.execute(ordered, execution_options={"yield_per": 200})
    for _, group in groupby(rows, key=lambda row: row.position):
        own = list(group)
        record = HealthRubric.model_validate_json(own[0].content)
        yield [_of_row(record, row) for row in own]


def history(connection: Connection, record_id: str, viewer: str | None) -> list[Change]:
    """Return the changes of a record, oldest first; those of a viewer alone while others' are hidden from them."""
    stored = read(connection, record_id, ADJUDICATORS)
    wanted = select(changes).where(changes.c.position == stored.position).order_by(changes.c.number)
    if viewer is not None and stored.state == "open":
        wanted = wanted.where(changes.c.reviewer == viewer)
    before: dict[str, Version] = {}
    found = []
    for row in connection.execute(wanted):
        after = Version(row.state, row.comment, load_criteria(row.criteria))
        first = before.get(row.reviewer)
        if first is None:
            start = first_sheet(stored.sheet.record, row.reviewer) if row.reviewer else base_of(connection, stored)
            first = Version("open", "", start.criteria)
        found.append(Change(row.at, row.by, row.reviewer, row.version, row.kind, first, after))
        before[row.reviewer] = after
    return found


def _sheet(record: HealthRubric, reviewer: str, row: Any) -> Sheet:
    if row.own_version is None:
        return first_sheet(record, reviewer)
    criteria = load_criteria(row.own_criteria)
    return Sheet(record, reviewer, criteria, row.own_version, row.own_state, row.own_comment, row.own_updated_at)


def _of_row(record: HealthRubric, row: Any) -> Sheet:
    criteria = load_criteria(row.criteria)
    return Sheet(record, row.reviewer, criteria, row.version, row.state, row.comment, row.updated_at)


def _unknown(connection: Connection, record_id: str) -> str:
    ids = list(connection.execute(select(records.c.id)).scalars())
    near = difflib.get_close_matches(record_id, ids, n=3)
    hint = f"did you mean {', '.join(map(repr, near))}?" if near else f"it holds {len(ids):,} records"
    return f"no record {record_id[:200]!r} in the review store; {hint}"
