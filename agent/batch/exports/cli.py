"""The command `clinalign export`: read the options, export, and say what was written and what was not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.batch.exports.answers import Exported


def export(
    output: Annotated[Path, typer.Argument(help="What `clinalign batch` wrote with -o.")],
    target: Annotated[
        Path,
        typer.Argument(help="FILE.parquet, or a folder for datasets.load_dataset; of preferences also FILE.jsonl."),
    ],
    preferences: Annotated[
        bool, typer.Option("--preferences", help="Accepted revisions as TRL preference rows: prompt, chosen, rejected.")
    ] = False,
    input: Annotated[
        Path | None, typer.Option("--input", help="The batch's input, if it has been moved since.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export, its card included.")] = False,
) -> None:
    """Export the answers of a batch to Parquet or a Hugging Face folder, or its revisions as preference rows."""
    if preferences:
        from agent.batch.exports.preferences import export_preferences

        exported = export_preferences(output, target, source=input, force=force)
    else:
        from agent.batch.exports.answers import export_answers

        exported = export_answers(output, target, source=input, force=force)
    typer.echo("\n".join(summary(exported)))


def summary(exported: Exported) -> list[str]:
    """Return what to tell of an export, line by line."""
    from agent.batch.exports.output_file import in_rows

    counts, unfinished = exported.made.counts, exported.made.unfinished
    lines = [f"{in_rows(exported.rows, exported.kind)} in {exported.target}", f"from {counts.told()}"]
    if counts.failed and exported.kind == "answer" and not exported.target.is_dir():
        lines.append('the failed ones are left out; in a folder they are apart: load_dataset(FOLDER, "errors")')
    if unfinished:
        lines.append(
            f"{in_rows(unfinished)} of the input not done yet: continue with `clinalign batch`, then export again"
        )
    return [*lines, "the texts may be a patient's: have them checked before you publish any of this"]
