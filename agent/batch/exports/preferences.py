"""Accepted revisions as preference rows for TRL: conversational, with an explicit prompt.

`chosen` is the answer and `rejected` the draft, only where a revision passed the never-worse check. A row also names its input row
and the principles that its edits rest on: TRL's trainers leave out columns that are not theirs.
Format: huggingface.co/docs/trl/dataset_formats#preference (TRL 1.16).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.batch.exports.answers import Exported
from agent.batch.exports.card import Made, preferences_card
from agent.batch.exports.origin import Origin, files_read
from agent.batch.exports.output_file import Counts, OutputFile, OutputRow
from agent.batch.exports.row_shapes import PREFERENCE
from agent.batch.exports.tables import JsonLines, ParquetFile, ParquetShards, Table
from agent.batch.exports.targets import CARD, is_folder, replacing
from agent.batch.rows import Row, Source, read_rows
from agent.errors import InputError


def export_preferences(output: Path, target: Path, *, source: Source | None = None, force: bool = False) -> Exported:
    """Write preference rows to FILE.jsonl, FILE.parquet or a folder with a card, in the order of the input.

    The conversations come from the input: `source`, or the one that the run names; its hash must be that of the run.
    Raises InputError before anything is changed, also where no revision was accepted.
    """
    folder = is_folder(target, files=(".jsonl", ".parquet"))
    origin = Origin.of(output, source)
    read = files_read(output, source)
    with OutputFile(output) as opened, replacing(target, force=force, folder=folder, sources=read) as place:
        survey = origin.survey()
        starts, counts = _accepted(opened)
        if not starts:
            raise InputError(f"{output}: no preference rows in it, since no revision was accepted: {counts.told()}")
        table = _table(place, folder=folder)
        written = 0
        for row in _preferences(origin, opened, starts):
            table.add(row, _size(row))
            written += 1
        table.close()
        made = Made(output, counts, survey)
        if folder:
            place.joinpath(CARD).write_text(preferences_card(made, rows=written), encoding="utf-8")
    return Exported(target, "preference row", written, made)


def preference(row: Row, answered: OutputRow) -> dict[str, Any]:
    """Return the preference that an accepted revision shows."""
    asked_by = (edit.get("principle_id") for edit in answered.get("edits") or ())
    return {
        "id": row.id,
        "prompt": [dict(message) for message in row.conversation],
        "chosen": [{"role": "assistant", "content": answered["answer"]}],
        "rejected": [{"role": "assistant", "content": answered["draft"]}],
        "principle_ids": list(dict.fromkeys(id for id in asked_by if id)),
    }


def _accepted(opened: OutputFile) -> tuple[dict[str, int], Counts]:
    """Return where in the output each accepted revision starts, by id, and what all its rows add up to."""
    starts, counts = {}, Counts()
    for start, _, row in opened.read():
        counts.add(row)
        if "error" not in row and row["accepted"] and row["answer"] != row["draft"]:
            starts[row["id"]] = start
    return starts, counts


def _preferences(origin: Origin, opened: OutputFile, starts: dict[str, int]) -> Iterator[dict[str, Any]]:
    left = dict(starts)
    for row in read_rows(origin.source):
        if isinstance(row, Row) and (start := left.pop(row.id, None)) is not None:
            yield preference(row, opened.read_again(start))
    if left:
        raise InputError(
            f"{opened.path}: row {next(iter(left))!r} is not one of the input's; was the file put together?"
        )


def _table(place: Path, *, folder: bool) -> Table:
    if folder:
        return ParquetShards(place / "data", PREFERENCE)
    return ParquetFile(place, PREFERENCE) if place.suffix == ".parquet" else JsonLines(place)


def _size(row: dict[str, Any]) -> int:
    return sum(len(message["content"]) for side in ("prompt", "chosen", "rejected") for message in row[side])
