"""Reviewed rubrics as files: HealthRubrics in JSONL or Parquet, a folder with a data set card, or seeds for the agent."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.batch.exports.tables import JsonLines, ParquetFile, ParquetShards, Table
from agent.batch.exports.targets import CARD, is_folder, replacing
from agent.errors import InputError
from principles_store.rubric_entry import RubricEntry
from training.preference_files import as_row
from training.preferences import HealthRubric
from training.review.card import card
from training.review.store import ReviewStore

_CRITERIA = [
    {
        "criterion": "string",
        "points": "int64",
        "axis": "string",
        "tags": ["string"],
        "principle_id": "string",
        "verdicts": ["string"],
    }
]
RECORD: dict[str, Any] = {
    "id": "string",
    "schema_version": "int64",
    "theme": "string",
    "conversation": [{"role": "string", "content": "string"}],
    "responses": [{"text": "string", "source": "string"}],
    "preferred": "int64",
    "preferred_by": "string",
    "preference_reason": "string",
    "draft": _CRITERIA,
    "refined": _CRITERIA,
    "status": "string",
    "status_reason": "string",
    "reviewers": ["string"],
    "sources": [{"organisation": "string", "title": "string", "year": "int64"}],
    "provenance": {
        "source": "string",
        "licence": "string",
        "origin": "string",
        "drafted_by": "string",
        "judged_by": "string",
        "library_hash": "string",
        "rubrics_hash": "string",
    },
}
"""A HealthRubric as a row of Parquet, less the names of its prompts, which are its own; JSONL has it as it is."""
_NOT_AN_ID = re.compile(r"[^A-Za-z0-9]+")
_UNSORTED = "unsorted"
"""Theme of a seed whose record has none."""


@dataclass
class Counts:
    """What the exported records add up to."""

    status: Counter[str] = field(default_factory=Counter)
    criteria: Counter[str] = field(default_factory=Counter)
    """Of the rubrics that hold: drafted, refined, and those with points below 0."""
    reviewers: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    drafted_by: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)

    def add(self, record: HealthRubric) -> None:
        """Count a record."""
        self.status[record.status] += 1
        self.criteria["drafted"] += len(record.draft)
        self.criteria["refined"] += len(record.refined)
        self.criteria["penalties"] += sum(item.points < 0 for item in record.refined)
        self.reviewers.update(record.reviewers)
        self.origins[record.provenance.origin] += 1
        self.drafted_by[record.provenance.drafted_by or "not said"] += 1
        self.licences[record.provenance.licence or "not said"] += 1


@dataclass(frozen=True)
class ExportedRubrics:
    """What was written."""

    target: Path
    rows: int
    counts: Counts


def export_records(
    store: ReviewStore, target: Path, *, undecided: bool = False, pseudonyms: bool = False, force: bool = False
) -> ExportedRubrics:
    """Write decided records, or all, to FILE.jsonl, FILE.parquet or a folder with a card, in the order in which they were added.

    `pseudonyms`: reviewers are numbered and not named. Raises InputError before anything is changed, also where there are none.
    """
    folder = is_folder(target, files=(".jsonl", ".parquet"))
    counts = Counts()
    with replacing(target, force=force, folder=folder, sources=[]) as place:
        prompts = sorted(
            {name for record in store.all_final(undecided=undecided) for name in record.provenance.prompt_hashes}
        )
        table = _table(place, prompts, folder=folder)
        given = store.all_final(undecided=undecided)
        for record in _pseudonymous(given) if pseudonyms else given:
            counts.add(record)
            row = as_row(record)
            table.add(
                row if isinstance(table, JsonLines) else _parquet_row(row, prompts), len(record.model_dump_json())
            )
        table.close()
        _refuse_empty(store, counts, undecided=undecided)
        if folder:
            text = card(target.name, counts, store.agreement(), store.progress(), undecided=undecided)
            place.joinpath(CARD).write_text(text, encoding="utf-8")
    return ExportedRubrics(target, counts.status.total(), counts)


def export_seeds(store: ReviewStore, target: Path, *, pseudonyms: bool = False, force: bool = False) -> ExportedRubrics:
    """Write accepted records to FILE.jsonl as verified rubrics, which `--rubrics FILE` gives the agent as seeds."""
    if is_folder(target, files=(".jsonl",)):
        raise InputError(f"{target}: seeds are one file; name a FILE.jsonl")
    counts, taken = Counts(), set[str]()
    with replacing(target, force=force, folder=False, sources=[]) as place:
        table = JsonLines(place)
        given = (record for record in store.all_final() if record.status == "accepted")
        for record in _pseudonymous(given) if pseudonyms else given:
            counts.add(record)
            entry = _entry(record, taken)
            table.add(entry.model_dump(mode="json"), 0)
        table.close()
        _refuse_empty(store, counts, undecided=False)
    return ExportedRubrics(target, counts.status.total(), counts)


def _entry(record: HealthRubric, taken: set[str]) -> RubricEntry:
    criteria = [item.model_dump(exclude={"verdicts"}) for item in record.refined]
    slug = _NOT_AN_ID.sub("-", record.id).strip("-")[:100]
    if slug != record.id or slug in taken:
        slug = f"{slug or 'rubric'}-{hashlib.sha256(record.id.encode()).hexdigest()[:12]}"
    taken.add(slug)
    return RubricEntry.model_validate(
        {
            "id": slug,
            "theme": record.theme.strip() or _UNSORTED,
            "conversation": record.conversation,
            "rubric": tuple(criteria),
            "sources": tuple(source.model_dump() for source in record.sources),
            "origin": record.provenance.origin,
            "verified_by": record.reviewers,
        }
    )


def _pseudonymous(records: Iterable[HealthRubric]) -> Iterator[HealthRubric]:
    """Yield records with a number for each reviewer, given in the order in which they occur."""
    names: dict[str, str] = {}
    for record in records:
        for name in record.reviewers:
            names.setdefault(name, f"reviewer {len(names) + 1}")
        yield record.model_copy(update={"reviewers": tuple(names[name] for name in record.reviewers)})


def _table(place: Path, prompts: Sequence[str], *, folder: bool) -> Table:
    hashes = {"prompt_hashes": dict.fromkeys(prompts, "string")} if prompts else {}  # Parquet knows no empty object
    shape = {**RECORD, "provenance": {**RECORD["provenance"], **hashes}}
    if folder:
        return ParquetShards(place / "data", shape)
    return ParquetFile(place, shape) if place.suffix == ".parquet" else JsonLines(place)


def _parquet_row(row: dict[str, Any], prompts: Sequence[str]) -> dict[str, Any]:
    """Return a row with every column: a prompt that this record was not drafted by has no hash."""
    hashes = {name: row["provenance"]["prompt_hashes"].get(name, "") for name in prompts}
    return {**row, "provenance": {**row["provenance"], "prompt_hashes": hashes}}


def _refuse_empty(store: ReviewStore, counts: Counts, *, undecided: bool) -> None:
    if not counts.status:
        found = store.progress().records
        hint = "" if undecided or not found else "; --undecided exports them as they are"
        raise InputError(f"{store.name}: nothing to export of {found:,} records, as none is decided so far{hint}")
