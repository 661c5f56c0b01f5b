"""How many records and sheets there are of each kind, kept in the transaction that changes one, so that nobody counts them.

A transaction adds what it changed at its end, in one statement and in one order, so that no two wait for each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from training.review.kept import ADJUDICATORS
from training.review.tables import records, sheets, tallies

RECORDS = ""
"""Stands for the reviewer where records are counted; the adjudicators' sheets are counted nowhere."""


@dataclass(frozen=True, order=True)
class Kind:
    """What is counted together."""

    reviewer: str
    state: str
    closed: bool


@dataclass(frozen=True)
class Tallies:
    """All that is counted."""

    counts: Counter[Kind]
    needed: int
    """Reviewers' decisions, over all records."""

    def records(self, state: str | None = None) -> int:
        """Return how many records are open, dispute, accepted or rejected; None: all."""
        return sum(n for kind, n in self.counts.items() if kind.reviewer == RECORDS and state in (None, kind.state))

    def sheets(self, reviewer: str) -> Counter[str]:
        """Return how many sheets a reviewer has in each state."""
        found: Counter[str] = Counter()
        for kind, count in self.counts.items():
            if kind.reviewer == reviewer:
                found[kind.state] += count
        return found

    def open_for(self, reviewer: str) -> int:
        """Return how many open records a reviewer has neither decided nor put off."""
        own = (kind for kind in self.counts if kind.reviewer == reviewer and not kind.closed and kind.state != "open")
        return self.records("open") - sum(self.counts[kind] for kind in own)

    @property
    def reviewers(self) -> list[str]:
        """Everybody who has saved a sheet, in order."""
        return sorted({kind.reviewer for kind in self.counts} - {RECORDS})


def read(connection: Connection) -> Tallies:
    """Return all that is counted."""
    rows = connection.execute(select(tallies).where(tallies.c.count != 0)).all()
    counts = Counter({Kind(row.reviewer, row.state, row.closed): row.count for row in rows})
    return Tallies(counts, sum(row.needed for row in rows))


def add_records(connection: Connection, count: int, *, needed: int) -> None:
    """Count new records, for each of which so many reviewers have to decide."""
    _add(connection, Counter({Kind(RECORDS, "open", False): count}), needed)


@contextmanager
def counting(connection: Connection, position: int) -> Iterator[None]:
    """Count again what the block changes of one record, which nobody else can change meanwhile."""
    before, needed = _of_record(connection, position)
    yield
    after, _ = _of_record(connection, position)
    after.subtract(before)
    _add(connection, after, needed)


def _of_record(connection: Connection, position: int) -> tuple[Counter[Kind], int]:
    joined = records.outerjoin(sheets, (sheets.c.position == records.c.position) & (sheets.c.reviewer != ADJUDICATORS))
    own = (sheets.c.reviewer, sheets.c.state.label("own_state"), sheets.c.closed)
    wanted = select(records.c.state, records.c.outcome, records.c.needed, *own).select_from(joined)
    rows = connection.execute(wanted.where(records.c.position == position)).all()
    found = Counter(Kind(row.reviewer, row.own_state, row.closed) for row in rows if row.reviewer is not None)
    found[Kind(RECORDS, rows[0].outcome or rows[0].state, False)] += 1
    return found, rows[0].needed


def _add(connection: Connection, changed: Counter[Kind], needed: int) -> None:
    """Add to what is counted; `needed`: decisions, of each record."""
    rows = [
        asdict(kind) | {"count": count, "needed": needed * count if kind.reviewer == RECORDS else 0}
        for kind, count in sorted(changed.items())
        if count
    ]
    if not rows:
        return
    upsert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(tallies).values(rows)
    more = {name: tallies.c[name] + upsert.excluded[name] for name in ("count", "needed")}
    key = [column.name for column in tallies.primary_key]
    connection.execute(upsert.on_conflict_do_update(index_elements=key, set_=more))
