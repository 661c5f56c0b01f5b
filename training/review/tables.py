"""The tables of the review store. Texts stand apart from what lists are made of, so that a list reads little.

`rubric_changes` is only ever added to: each version of each sheet, whole.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

FORM = 2
"""Of these tables, kept in the database."""

metadata = MetaData()

form = Table("rubric_form", metadata, Column("form", Integer, primary_key=True))

records = Table(
    "rubric_records",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),  # 1, 2, … without gaps
    Column("id", String(200), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),  # of the content
    Column("question", Text, nullable=False),  # how the last user turn begins
    Column("theme", Text, nullable=False),
    Column("needed", Integer, nullable=False),  # reviewers who have to decide
    Column("decided", Integer, nullable=False, default=0),
    Column("state", String(10), nullable=False, default="open"),  # open, dispute, final
    Column("outcome", String(10), nullable=False, default=""),  # of a final one: accepted, rejected
    Column("adjudicator", Text, nullable=False, default=""),
    Column("closed_at", String(40), nullable=False, default=""),
    Index("rubric_records_next", "state", "decided", "position"),
    Index("rubric_records_page", "state", "position"),
)

contents = Table(
    "rubric_contents",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),  # the record as it was added, JSON
    Column("final", Text, nullable=False, default=""),  # criteria of a final one, JSON
)

tallies = Table(  # how many records or sheets there are of a kind, so that nobody has to count them
    "rubric_tallies",
    metadata,
    Column("reviewer", String(100), primary_key=True),  # whose sheets; empty: records
    Column("state", String(10), primary_key=True),  # of a record: open, dispute, or its outcome
    Column("closed", Boolean, primary_key=True),  # of sheets as below
    Column("count", Integer, nullable=False),
    Column("needed", Integer, nullable=False),  # sum over records
)

sheets = Table(
    "rubric_sheets",
    metadata,
    Column("reviewer", String(100), primary_key=True),  # empty: the adjudicators' common sheet
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("state", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("comment", Text, nullable=False),
    Column("criteria", Text, nullable=False),  # JSON
    Column("updated_at", String(40), nullable=False),
    Column("decided_at", String(40), nullable=False, default=""),
    Column("closed", Boolean, nullable=False, default=False),  # the record is no longer open; repeated for the index
    Index("rubric_sheets_of_record", "position"),
    Index("rubric_sheets_states", "reviewer", "state", "closed", "position"),
)

changes = Table(
    "rubric_changes",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("position", Integer, nullable=False),
    Column("reviewer", String(100), nullable=False),  # whose sheet
    Column("version", Integer, nullable=False),
    Column("by", String(100), nullable=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(10), nullable=False),
    Column("comment", Text, nullable=False),
    Column("criteria", Text, nullable=False),
    Index("rubric_changes_once", "position", "reviewer", "version", unique=True),
)
