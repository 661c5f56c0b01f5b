"""The review store: records, each reviewer's sheet of each, and every change ever made to one.

Who saves names the version that they began from. If it has changed since, both changes are merged, or the save is refused and
nothing is overwritten. What reviewers make of a record together is adjudication.py's job, lists are listing.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection

from agent.errors import InputError
from training.preferences import HealthRubric
from training.review import adding, closing, kept, listing
from training.review.adding import Added
from training.review.agreement import Agreement, agreement_of
from training.review.closing import Dispute
from training.review.errors import StaleSheetError
from training.review.kept import ADJUDICATORS, Change, Stored
from training.review.listing import ListedRecord, Listing, Progress
from training.review.merge import merge
from training.review.opening import Database
from training.review.sheet import Sheet, SheetCriterion, State, checked_comment, checked_criteria, checked_name
from training.review.tallies import counting

Decision = Literal["accept", "reject", "defer", "reopen"]
_STATE_AFTER: dict[Decision, State] = {
    "accept": "accepted",
    "reject": "rejected",
    "defer": "deferred",
    "reopen": "open",
}
REVIEWERS_NEEDED = 2


@dataclass(frozen=True)
class Saved:
    """What was stored."""

    sheet: Sheet
    merged: tuple[str, ...] = ()
    """What was merged in, of what had been saved meanwhile, in words."""


class ReviewStore:
    """The reviews in one database; safe to use from many threads, and the database from many processes."""

    def __init__(self, url: str | None = None) -> None:
        """Open a SQLite file or postgresql://…; None: a file below the user's data folder. Raises ConfigError."""
        self.database = Database(url)

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        return self.database.name

    def close(self) -> None:
        """Close what is open."""
        self.database.close()

    def add(self, records: Iterable[HealthRubric], *, reviewers_needed: int = REVIEWERS_NEEDED) -> Added:
        """Take records for review, all or none; one that is known stays as it is, and is told if it comes with other content."""
        if reviewers_needed < 1:
            raise InputError(f"reviewers_needed must be 1 or more, got {reviewers_needed}")
        with self.database.writing() as connection:
            return adding.add(connection, records, needed=reviewers_needed)

    def sheet(self, record_id: str, reviewer: str) -> Sheet:
        """Return a reviewer's own sheet of a record; the draft if they have saved nothing. Raises InputError."""
        with self.database.reading() as connection:
            return kept.read(connection, record_id, checked_name(reviewer)).sheet

    def save(
        self, record_id: str, reviewer: str, *, base_version: int, criteria: Sequence[SheetCriterion], comment: str
    ) -> Saved:
        """Keep a reviewer's criteria and comment, merged with what they have saved elsewhere since `base_version`.

        Raises StaleSheetError where both can't stand, InputError for criteria that can't be kept or a sheet that is decided.
        """
        with self.database.writing() as connection:
            stored = kept.read(connection, record_id, checked_name(reviewer), for_change=True)
            saved, after = _changed(connection, stored, base_version, criteria, comment)
            if stored.sheet.state in ("accepted", "rejected") and after != stored.sheet:
                raise InputError(f"{record_id}: you have {stored.sheet.state} it; reopen it to change it")
            with counting(connection, stored.position):
                return replace(saved, sheet=_keep(connection, stored, after, by=after.reviewer, kind="edited"))

    def decide(
        self, record_id: str, reviewer: str, *, base_version: int, decision: Decision, comment: str | None = None
    ) -> Sheet:
        """Accept, reject, defer or reopen a sheet as it stands at `base_version`; a comment of None stays as it is.

        Raises InputError, also for an accept whose criteria break a rule; StaleSheetError if the sheet is another by now.
        """
        if decision not in _STATE_AFTER:
            raise InputError(f"decision {decision!r} is not one of {', '.join(_STATE_AFTER)}")
        with self.database.writing() as connection:
            stored = kept.read(connection, record_id, checked_name(reviewer), for_change=True)
            before = stored.sheet
            said = before.comment if comment is None else checked_comment(comment)
            after = replace(before, state=_STATE_AFTER[decision], comment=said)
            if base_version != before.version and after != before:
                mine = replace(after, version=base_version)
                base = kept.at_version(connection, stored, base_version)
                raise StaleSheetError((f"you were about to {decision} it",), base=base, theirs=before, mine=mine)
            closing.check_decision(stored, after)
            with counting(connection, stored.position):
                decided = _keep(connection, stored, after, by=before.reviewer, kind=after.state)
                closing.settle(connection, stored)
            return decided

    def history(self, record_id: str, *, viewer: str | None = None) -> list[Change]:
        """Return every change of a record, oldest first; to a `viewer` only their own until enough reviewers have decided."""
        with self.database.reading() as connection:
            return kept.history(connection, record_id, None if viewer is None else checked_name(viewer))

    def listing(
        self, reviewer: str, *, state: State | None = None, words: str = "", offset: int = 0, limit: int = 50
    ) -> Listing:
        """Return a page of the records as a reviewer sees them, in the order in which they were added."""
        with self.database.reading() as connection:
            return listing.page(
                connection, checked_name(reviewer), state=state, words=words, offset=offset, limit=limit
            )

    def listed(self, record_id: str, reviewer: str) -> ListedRecord:
        """Return one line of such a list; raises InputError."""
        with self.database.reading() as connection:
            own = kept.read(connection, record_id, checked_name(reviewer)).sheet.reviewer
            found = listing.one(connection, record_id, own)
        assert found is not None  # noqa: S101 - read above
        return found

    def next_for(self, reviewer: str, *, after: str | None = None) -> str | None:
        """Return the record that a reviewer should see next: open before deferred, then the least reviewed; None: all done."""
        with self.database.reading() as connection:
            return listing.next_for(connection, checked_name(reviewer), after=after)

    def progress(self) -> Progress:
        """Return how far the review is, altogether and by reviewer."""
        with self.database.reading() as connection:
            return listing.progress(connection)

    def agreement(self, *, seed: int = 0) -> Agreement:
        """Return how far reviewers agree on the records that enough of them have decided."""
        with self.database.reading() as connection:
            return agreement_of(kept.decided_sheets(connection), seed=seed)

    def disputes(self) -> list[str]:
        """Return the ids of the records that wait for an adjudicator, oldest first."""
        with self.database.reading() as connection:
            return listing.disputes(connection)

    def dispute(self, record_id: str) -> Dispute:
        """Return all reviewers' sheets of a record that enough have decided, how they differ, and the adjudicators' sheet."""
        with self.database.reading() as connection:
            return closing.dispute(connection, record_id)

    def adjudicate(
        self,
        record_id: str,
        adjudicator: str,
        *,
        base_version: int,
        criteria: Sequence[SheetCriterion],
        decision: Literal["accept", "reject"] | None = None,
        comment: str = "",
    ) -> Saved:
        """Keep the adjudicators' common sheet, merged as `save` merges; a decision makes the record final.

        A final record can be adjudicated again. Raises InputError, also for somebody who is a party to the dispute.
        """
        if decision not in (None, "accept", "reject"):
            raise InputError(f"decision {decision!r} is not one of accept, reject")
        with self.database.writing() as connection:
            stored = kept.read(connection, record_id, ADJUDICATORS, for_change=True)
            by = checked_name(adjudicator)
            closing.check_adjudicator(connection, stored, by)
            stored = closing.with_first_sheet(connection, stored)
            saved, after = _changed(connection, stored, base_version, criteria, comment)
            after = replace(after, state=_STATE_AFTER[decision or "reopen"])
            closing.check_form(after)
            kind = "adjudicated" if decision else "edited"
            with counting(connection, stored.position):
                sheet = _keep(connection, stored, after, by=by, kind=kind)
                if decision is not None:
                    closing.adjudicated(connection, stored, sheet, by=by)
            return replace(saved, sheet=sheet)

    def final(self, record_id: str) -> HealthRubric:
        """Return a record as its review has left it so far: refined, rejected, or as it was added while that is open."""
        with self.database.reading() as connection:
            return closing.final(connection, record_id)

    def all_final(self, *, undecided: bool = False) -> Iterator[HealthRubric]:
        """Yield the records that are decided in the order in which they were added, or all of them; read in one go."""
        with self.database.reading() as connection:
            yield from closing.all_final(connection, undecided=undecided)


def _changed(
    connection: Connection, stored: Stored, base_version: int, criteria: Sequence[SheetCriterion], comment: str
) -> tuple[Saved, Sheet]:
    """Return the sheet with the wanted criteria and comment, merged with what has been stored since `base_version`."""
    theirs = stored.sheet
    mine = replace(
        theirs,
        criteria=checked_criteria(theirs.record, criteria),
        comment=checked_comment(comment),
        version=base_version,
    )
    if base_version == theirs.version:
        return Saved(theirs), mine
    base = kept.at_version(connection, stored, base_version)
    sides: Any = [(sheet.criteria, sheet.comment) for sheet in (base, theirs, mine)]
    merged = merge(*sides)
    if merged.conflicts:
        raise StaleSheetError(merged.conflicts, base=base, theirs=theirs, mine=mine)
    after = replace(theirs, criteria=merged.criteria, comment=merged.comment)
    return Saved(theirs, merged.taken), after


def _keep(connection: Connection, stored: Stored, after: Sheet, *, by: str, kind: str) -> Sheet:
    """Store the next version of a sheet; nothing if it is as it was."""
    before = stored.sheet
    if replace(after, version=before.version) == before:
        return before
    new = replace(after, version=before.version + 1, updated_at=datetime.now(UTC).isoformat())
    kept.write(connection, stored, new, by=by, kind=kind)
    return new
