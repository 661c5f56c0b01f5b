"""One edit at the terminal: a sheet in the editor, saved, and told."""

from __future__ import annotations

from pathlib import Path

import typer

from agent.errors import InputError
from training.review.editing import Edited, edited, read_sheet_yaml, sheet_yaml
from training.review.printing import score_lines
from training.review.sheet import Sheet
from training.review.store import ReviewStore, Saved


def edited_and_saved(
    store: ReviewStore,
    sheet: Sheet,
    file: Path | None,
    *,
    reviewer: str,
    notes: list[str] | None = None,
    decision: str | None = None,
) -> tuple[Edited, Saved]:
    """Have a sheet edited and save it; of an editor's file that can't be saved, the error tells where it is kept."""
    path = file or edited(sheet_yaml(sheet, notes=notes or []), sheet.record.id)
    try:
        found = read_sheet_yaml(path, sheet, reviewer)
        given = {"base_version": found.version, "criteria": found.criteria, "comment": found.comment}
        if sheet.reviewer:
            saved = store.save(sheet.record.id, reviewer, **given)  # type: ignore[arg-type]
        else:
            saved = store.adjudicate(sheet.record.id, reviewer, decision=decision, **given)  # type: ignore[arg-type]
    except InputError as error:
        kept = "" if file else f"\nyour text is kept in {path}: mend it, then add --from {path}"
        raise InputError(f"{error}{kept}") from error
    if file is None:
        path.unlink()
    return found, saved


def tell_saved(before: Sheet, found: Edited, saved: Saved) -> None:
    """Print what was merged in, and both scores before and after."""
    for merged in saved.merged:
        typer.echo(f"merged in, as it was saved meanwhile: {merged}")
    if saved.sheet.version == before.version:
        typer.echo("nothing changed")
        return
    for name, criteria in (("before", before.criteria), ("after", saved.sheet.criteria)):
        typer.echo("\n".join(f"{name}: {line}" for line in score_lines(before.record, criteria)))
    typer.echo(f"saved as version {saved.sheet.version}")
