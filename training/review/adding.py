"""Records taken in for review. One that is known is never overwritten."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, func, insert, select, text

from principles_store.conversation import last_turn
from training.preferences import HealthRubric
from training.review import searching, tallies
from training.review.tables import contents, records

_BATCH = 500
_CHARACTERS = 300
"""Of a question, in lists."""
_ADDING = 0x436C4173
"""Number of the lock that PostgreSQL holds while records are added."""


@dataclass(frozen=True)
class Added:
    """What became of records that were given to the store."""

    new: int
    known: int
    """There already, with the same content."""
    changed: tuple[str, ...]
    """Ids of those that are there with another content, and stay as they are."""


def add(connection: Connection, given: Iterable[HealthRubric], *, needed: int) -> Added:
    """Store records that aren't there yet."""
    if connection.dialect.name == "postgresql":  # positions are counted on here, so one adds at a time
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADDING})
    new = known = 0
    changed: list[str] = []
    position = connection.execute(select(func.coalesce(func.max(records.c.position), 0))).scalar_one()
    rows = iter(given)
    while batch := list(islice(rows, _BATCH)):
        ids = [record.id for record in batch]
        stored = select(records.c.id, records.c.hash).where(records.c.id.in_(ids))
        hashes = {row.id: row.hash for row in connection.execute(stored)}
        fresh: list[tuple[HealthRubric, str]] = []
        for record in batch:
            content = record.model_dump_json()
            hash = hashlib.sha256(content.encode()).hexdigest()
            if record.id not in hashes:
                fresh.append((record, content))
                hashes[record.id] = hash
            elif hashes[record.id] == hash:
                known += 1
            else:
                changed.append(record.id)
        _insert(connection, fresh, hashes, first=position + 1, needed=needed)
        position, new = position + len(fresh), new + len(fresh)
    if (
        new and connection.dialect.name == "postgresql"
    ):  # which otherwise plans as for empty tables until it looks by itself
        connection.exec_driver_sql("ANALYZE rubric_records, rubric_contents, rubric_search")
    return Added(new, known, tuple(changed))


def _insert(
    connection: Connection,
    fresh: Sequence[tuple[HealthRubric, str]],
    hashes: Mapping[str, str],
    *,
    first: int,
    needed: int,
) -> None:
    if not fresh:
        return
    rows = [
        {
            "position": place,
            "id": record.id,
            "hash": hashes[record.id],
            "question": last_turn(record.conversation)[:_CHARACTERS],
            "theme": record.theme,
            "needed": needed,
            "content": content,
        }
        for place, (record, content) in enumerate(fresh, start=first)
    ]
    for table in (records, contents):
        own = [{name: row[name] for name in (column.name for column in table.c) if name in row} for row in rows]
        connection.execute(insert(table), own)
    searched = (" ".join((record.id, record.theme, last_turn(record.conversation))) for record, _ in fresh)
    searching.add(connection, dict(enumerate(searched, start=first)))
    tallies.add_records(connection, len(fresh), needed=needed)
