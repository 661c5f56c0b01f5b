"""The output of a batch as a table: one Parquet file, or a folder that `datasets.load_dataset` reads.

Rows that failed are no answers. A folder has them in a configuration of their own (`load_dataset(folder, "errors")`), so that no
column of the answers is null for a reason that is not the answer's; a single file leaves them out, and whoever exports is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.batch.exports.card import Made, answers_card
from agent.batch.exports.origin import Origin, files_read
from agent.batch.exports.output_file import Counts, OutputFile
from agent.batch.exports.row_shapes import ANSWER, ERROR
from agent.batch.exports.tables import ParquetFile, ParquetShards, Table
from agent.batch.exports.targets import CARD, is_folder, replacing
from agent.batch.rows import Source, Survey
from agent.errors import ClinAlignError, InputError


@dataclass(frozen=True)
class Exported:
    """What was written, and what it was made from."""

    target: Path
    kind: Literal["answer", "preference row"]
    rows: int
    """Written; of answers without those that failed."""
    made: Made


def export_answers(output: Path, target: Path, *, source: Source | None = None, force: bool = False) -> Exported:
    """Write the answers of an output to FILE.parquet or to a folder with a card, in the order of the output.

    The input (`source`, or the one that the run names) is only counted. Raises InputError before anything is changed.
    """
    if target.suffix == ".jsonl":
        raise InputError(f"{output} is JSON lines already; name a FILE.parquet or a folder, or ask for --preferences")
    folder = is_folder(target, files=(".parquet",))
    with (
        OutputFile(output) as opened,
        replacing(target, force=force, folder=folder, sources=files_read(output)) as place,
    ):
        counted = _counted(output, source)
        counts = _write_answers(opened, place, folder=folder)
        if not counts.answered:
            raise InputError(f"{output}: no answers in it: {counts.told()}")
        made = Made(output, counts, counted)
        if folder:
            place.joinpath(CARD).write_text(answers_card(made), encoding="utf-8")
    return Exported(target, "answer", counts.answered, made)


def _write_answers(opened: OutputFile, place: Path, *, folder: bool) -> Counts:
    counts = Counts()
    answers: Table = ParquetShards(place / "data", ANSWER) if folder else ParquetFile(place, ANSWER)
    errors: Table | None = None
    for _, size, row in opened.read():
        counts.add(row)
        if "error" not in row:
            answers.add(row, size)
        elif folder:
            errors = errors or ParquetShards(place / "errors", ERROR)
            errors.add(row, size)
    answers.close()
    if errors:
        errors.close()
    return counts


def _counted(output: Path, source: Source | None) -> Survey | None:
    """Return what the input is, or None where it can't be told; an input that was named must be the right one."""
    try:
        return Origin.of(output, source).survey()
    except ClinAlignError:
        if source is not None:
            raise
        return None
