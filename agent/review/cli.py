"""The commands `clinalign reviews …`: what people decided about edits, out of the file that the app keeps conversations in.

`list` prints no text of anybody's.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="What people decided about edits: list, export, forget.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The SQLite file in which the app keeps its conversations.")]


@app.command()
def export(
    file: File,
    target: Annotated[Path, typer.Argument(help="FILE.jsonl or FILE.parquet.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Export decisions as TRL preference rows: prompt, chosen, rejected, who reviewed it and what they said."""
    from agent.batch.exports.output_file import in_rows
    from agent.review.preferences import export_reviews

    exported = export_reviews(file, target, force=force)
    typer.echo(f"{in_rows(exported.rows, 'preference row')} in {target}")
    typer.echo(f"from {in_rows(exported.decided, 'turn')} that somebody decided on, of {exported.turns:,}")
    typer.echo("the texts may be a patient's: have them checked before you publish any of this")


@app.command("list")
def list_reviews(file: File) -> None:
    """List the conversations, oldest first: when something last happened, turns, decisions; no texts."""
    from agent.batch.exports.output_file import in_rows
    from agent.review.preferences import opened

    count = 0
    with closing(opened(file)) as conversations:
        for updated, turns in conversations.all_turns():
            decisions = sum(len(turn["decisions"]) for turn in turns)
            typer.echo(f"{updated:%Y-%m-%d %H:%M} UTC  turns {len(turns):>3}  decisions {decisions:>3}")
            count += 1
    typer.echo(in_rows(count, "conversation"))


@app.command()
def purge(
    file: File,
    days: Annotated[float, typer.Option(help="Forget conversations untouched for so many days; 0: all.", min=0)],
) -> None:
    """Forget old conversations, their text overwritten."""
    from agent.batch.exports.output_file import in_rows
    from agent.review.preferences import opened

    with closing(opened(file)) as conversations:
        count = conversations.purge(days=days)
    typer.echo(f"{in_rows(count, 'conversation')} forgotten")
