"""From sheets to a final record: what may be decided, when enough have, and what adjudicators make of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from agent.errors import InputError
from training.preferences import HealthRubric
from training.review import kept
from training.review.consensus import Difference, agreed_criteria, differences
from training.review.kept import ADJUDICATORS, Stored
from training.review.sheet import Sheet, SheetCriterion, dump_criteria, load_criteria
from training.review.tables import contents, records
from training.review.tables import sheets as stored_sheets
from training.rubric_checks import check_rubric

_BLOCKING = ("form", "double", "contradiction")
"""Kinds of problems with which nobody accepts a rubric; leakage is for the reviewer to weigh."""


@dataclass(frozen=True)
class Dispute:
    """A record that enough reviewers have decided, as its adjudicators see it."""

    record: HealthRubric
    sheets: tuple[Sheet, ...]
    """Of all reviewers who have decided, in the order in which they did."""
    differences: tuple[Difference, ...]
    sheet: Sheet
    """The adjudicators' own, which they share."""
    is_open: bool
    """False once the record is final."""


def problems(sheet: Sheet) -> list[str]:
    """Return why a sheet can't be accepted as it stands; empty if it can."""
    criteria = [item.as_record_criterion() for item in sheet.criteria]
    found = check_rubric(criteria, conversation=sheet.record.conversation)
    return [str(problem) for problem in found if problem.kind in _BLOCKING]


def check_form(sheet: Sheet) -> None:
    """Raise InputError for a sheet that is accepted but can't be."""
    if sheet.state == "accepted" and (found := problems(sheet)):
        raise InputError(f"{sheet.record.id} can't be accepted as it stands: {'; '.join(found)}")


def check_decision(stored: Stored, after: Sheet) -> None:
    """Raise InputError for a decision that can't be taken."""
    before, record_id = stored.sheet, after.record.id
    was_decided = before.state in ("accepted", "rejected")
    if after.state == before.state:
        check_form(after)
    elif was_decided and stored.state != "open" and not (stored.state == "final" and stored.needed == 1):
        raise InputError(f"{record_id}: all its reviewers have decided; only an adjudicator can change it now")
    elif was_decided and after.state != "open":
        raise InputError(f"{record_id}: you have {before.state} it; reopen it first")
    elif not was_decided and stored.state != "open":
        raise InputError(
            f"{record_id}: enough others have decided it meanwhile; what you saved stays in its history, but counts no more"
        )
    else:
        check_form(after)


def settle(connection: Connection, stored: Stored) -> None:
    """Bring a record's row up to date with its sheets: open, final where enough agree, or a dispute."""
    sheets = kept.decided(connection, stored.position, stored.sheet.record)
    values: dict[str, object] = {"decided": len(sheets), "state": "open", "outcome": "", "closed_at": ""}
    final: tuple[SheetCriterion, ...] = ()
    if len(sheets) >= stored.needed:
        is_dispute = bool(differences(sheets))
        outcome = "" if is_dispute else sheets[0].state
        values |= {"state": "dispute" if is_dispute else "final", "outcome": outcome, "closed_at": _now()}
        final = agreed_criteria(sheets) if outcome == "accepted" else ()
    _close(connection, stored.position, values, final)


def check_adjudicator(connection: Connection, stored: Stored, adjudicator: str) -> None:
    """Raise InputError where there is nothing to adjudicate, or not by this person."""
    record_id = stored.sheet.record.id
    if stored.state == "open":
        raise InputError(f"{record_id}: not enough reviewers have decided it; there is nothing to adjudicate yet")
    parties = {sheet.reviewer for sheet in kept.decided(connection, stored.position, stored.sheet.record)}
    if stored.needed > 1 and adjudicator in parties:
        raise InputError(f"{record_id}: {adjudicator} reviewed it; somebody else has to adjudicate")


def with_first_sheet(connection: Connection, stored: Stored) -> Stored:
    """Return the adjudicators' sheet, with what the reviewers have in common where nothing is stored yet."""
    return stored if stored.sheet.version else replace(stored, sheet=kept.base_of(connection, stored))


def adjudicated(connection: Connection, stored: Stored, sheet: Sheet, *, by: str) -> None:
    """Make a record final as an adjudicator has decided."""
    values = {"state": "final", "outcome": sheet.state, "adjudicator": by, "closed_at": _now()}
    _close(connection, stored.position, values, sheet.criteria if sheet.state == "accepted" else ())


def dispute(connection: Connection, record_id: str) -> Dispute:
    """Return a record for adjudication; raises InputError before enough reviewers have decided."""
    stored = kept.read(connection, record_id, ADJUDICATORS)
    if stored.state == "open":
        raise InputError(f"{record_id}: not enough reviewers have decided it; their sheets are hidden until then")
    sheets = kept.decided(connection, stored.position, stored.sheet.record)
    own = with_first_sheet(connection, stored).sheet
    is_open = stored.state == "dispute"
    return Dispute(stored.sheet.record, tuple(sheets), tuple(differences(sheets)), own, is_open)


def final(connection: Connection, record_id: str) -> HealthRubric:
    """Return a record as its review has left it."""
    stored = kept.read(connection, record_id, ADJUDICATORS)
    wanted = select(contents.c.final).where(contents.c.position == stored.position)
    criteria = connection.execute(wanted).scalar_one()
    sheets = kept.decided(connection, stored.position, stored.sheet.record) if stored.state == "final" else []
    return _finished(stored.sheet.record, stored.outcome, stored.adjudicator, criteria, sheets)


def all_final(connection: Connection, *, undecided: bool) -> Iterator[HealthRubric]:
    """Yield records as their review has left them, in the order in which they were added."""
    joined = records.join(contents, contents.c.position == records.c.position)
    columns = (records.c.position, records.c.outcome, records.c.adjudicator, contents.c.content, contents.c.final)
    wanted = select(*columns).select_from(joined).order_by(records.c.position)
    if not undecided:
        wanted = wanted.where(records.c.state == "final")
    for row in connection.execute(wanted, execution_options={"yield_per": 100}):
        record = HealthRubric.model_validate_json(row.content)
        sheets = kept.decided(connection, row.position, record) if row.outcome else []
        yield _finished(record, row.outcome, row.adjudicator, row.final, sheets)


def _finished(record: HealthRubric, outcome: str, adjudicator: str, criteria: str, sheets: list[Sheet]) -> HealthRubric:
    if not outcome:
        return record
    reviewers = dict.fromkeys([*(sheet.reviewer for sheet in sheets), *([adjudicator] if adjudicator else [])])
    refined = tuple(item.as_record_criterion() for item in load_criteria(criteria)) if criteria else ()
    said = "\n".join(sheet.comment for sheet in sheets if sheet.comment)
    update = {"status": outcome, "refined": refined, "reviewers": tuple(reviewers), "status_reason": said}
    return record.model_copy(update=update)


def _close(
    connection: Connection, position: int, values: Mapping[str, object], criteria: tuple[SheetCriterion, ...]
) -> None:
    connection.execute(update(records).where(records.c.position == position).values(**values))
    closed = update(stored_sheets).where(stored_sheets.c.position == position).values(closed=values["state"] != "open")
    connection.execute(closed)
    stored = dump_criteria(criteria) if criteria else ""
    connection.execute(update(contents).where(contents.c.position == position).values(final=stored))


def _now() -> str:
    return datetime.now(UTC).isoformat()
