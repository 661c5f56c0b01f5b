"""The commands `clinalign rubrics review …` and `clinalign rubrics export`: read the options, ask the store, say what it says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from training.review.bench_cli import bench

if TYPE_CHECKING:
    from training.preferences import HealthRubric
    from training.review.sheet import State
    from training.review.store import Decision, ReviewStore

app = typer.Typer(help="Clinicians' review of rubrics: add, edit, decide, adjudicate.", no_args_is_help=True)
app.command()(bench)

Store = Annotated[
    str | None,
    typer.Option(
        help="SQLite file or postgresql://user@host/database; none: a file below the user's data folder.",
        envvar="CLINALIGN_REVIEWS",
    ),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of the record.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who reviews.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
From = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="Take this edited YAML; no editor is opened.")
]
Comment = Annotated[str | None, typer.Option(help="Your comment; none: it stays as it is.")]


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="HealthRubrics, as `rubrics draft` wrote them.")],
    reviewers: Annotated[int, typer.Option(help="How many have to decide each record.", min=1)] = 2,
    store: Store = None,
) -> None:
    """Take drafted rubrics for review; what is there already stays as it is."""
    from training.preference_files import read_preferences

    with _opened(store) as opened:
        for file in files:
            seen: Counter[bool] = Counter()
            done = opened.add(_counted(read_preferences(file), seen), reviewers_needed=reviewers)
            typer.echo(f"{file}: {done.new:,} added, {done.known:,} known")
            if bare := seen[False]:
                told = f"{bare:,} without a rubric: reviewers write these from nothing; `clinalign rubrics draft` has a model begin"
                typer.echo(f"{file}: {told}", err=True)
            for record_id in done.changed:
                typer.echo(f"{file}: {record_id} is there with other content, and stays as it was", err=True)


def _counted(records: Iterable[HealthRubric], seen: Counter[bool]) -> Iterator[HealthRubric]:
    """Yield the records, counting those with a rubric and those without: a file may be too large to hold."""
    for record in records:
        seen[bool(record.rubric)] += 1
        yield record


@app.command("list")
def list_records(
    by: By,
    state: Annotated[str | None, typer.Option(help="open, accepted, rejected or deferred, of your own sheets.")] = None,
    words: Annotated[str, typer.Option(help="Only records with these words in id, theme or question.")] = "",
    offset: Annotated[int, typer.Option(min=0)] = 0,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """List records as one reviewer sees them."""
    from training.review.printing import listing_lines, plain

    with _opened(store) as opened:
        found = opened.listing(by, state=cast("State | None", state), words=words, offset=offset, limit=limit)
    typer.echo(plain(found) if as_json else "\n".join(listing_lines(found, offset)))


@app.command()
def show(record_id: Id, by: By, store: Store = None, as_json: AsJson = False) -> None:
    """Show one reviewer's sheet: conversation, responses, criteria, and both scores."""
    from training.review.printing import plain, sheet_lines

    with _opened(store) as opened:
        sheet = opened.sheet(record_id, by)
    typer.echo(plain(sheet) if as_json else "\n".join(sheet_lines(sheet)))


@app.command()
def edit(record_id: Id, by: By, file: From = None, store: Store = None) -> None:
    """Edit your criteria as YAML in $EDITOR, and save them; a file that can't be read or saved is kept."""
    from training.review.edit_cli import edited_and_saved, tell_saved

    with _opened(store) as opened:
        sheet = opened.sheet(record_id, by)
        tell_saved(sheet, *edited_and_saved(opened, sheet, file, reviewer=sheet.reviewer))


@app.command()
def decide(
    record_id: Id,
    decision: Annotated[str, typer.Argument(metavar="accept|reject|defer|reopen")],
    by: By,
    comment: Comment = None,
    store: Store = None,
) -> None:
    """Accept, reject, defer or reopen your sheet as it stands."""
    with _opened(store) as opened:
        version = opened.sheet(record_id, by).version
        wanted = cast("Decision", decision)
        sheet = opened.decide(record_id, by, base_version=version, decision=wanted, comment=comment)
        row = opened.listed(record_id, by)
    typer.echo(f"{record_id}: {sheet.state} by {sheet.reviewer}; {row.decided} of {row.needed} have decided it")
    if row.record_state != "open":
        typer.echo(
            {"final": f"final: {row.outcome}", "dispute": "in dispute: it waits for an adjudicator"}[row.record_state]
        )


@app.command()
def disputes(store: Store = None, as_json: AsJson = False) -> None:
    """List the records that wait for an adjudicator, and on what their reviewers differ."""
    from training.review.printing import dispute_lines, plain

    with _opened(store) as opened:
        found = [opened.dispute(record_id) for record_id in opened.disputes()]
    typer.echo(plain(found) if as_json else "\n".join(line for one in found for line in dispute_lines(one)) or "none")


@app.command()
def adjudicate(
    record_id: Id,
    by: By,
    decision: Annotated[str | None, typer.Option(metavar="accept|reject", help="None: only save the criteria.")] = None,
    file: From = None,
    store: Store = None,
) -> None:
    """Settle a dispute: edit what the reviewers have in common, with their differences beside it, and decide."""
    from training.review.edit_cli import edited_and_saved, tell_saved
    from training.review.printing import dispute_lines

    with _opened(store) as opened:
        found = opened.dispute(record_id)
        notes = list(dispute_lines(found))
        tell_saved(
            found.sheet, *edited_and_saved(opened, found.sheet, file, reviewer=by, notes=notes, decision=decision)
        )
    if decision:
        typer.echo(f"final: {decision}ed by {by}")


@app.command()
def status(store: Store = None, as_json: AsJson = False) -> None:
    """Show how far the review is, and how far the reviewers agree."""
    from training.review.printing import plain, status_lines

    with _opened(store) as opened:
        progress, agreement = opened.progress(), opened.agreement()
    found = {"progress": json.loads(plain(progress)), "agreement": json.loads(plain(agreement))}
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(status_lines(progress, agreement)))


@app.command()
def history(
    record_id: Id,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="As this reviewer may see it; none: all of it.")
    ] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Show every change of a record: who, when, before, after."""
    from training.review.printing import history_lines, plain

    with _opened(store) as opened:
        found = opened.history(record_id, viewer=by)
    typer.echo(plain(found) if as_json else "\n".join(history_lines(found)) or "no changes")


def export(
    target: Annotated[Path, typer.Argument(help="FILE.jsonl, FILE.parquet, or a folder for datasets.load_dataset.")],
    seeds: Annotated[
        bool, typer.Option("--as-seeds", help="Accepted ones as FILE.jsonl for --rubrics: seeds for the agent.")
    ] = False,
    undecided: Annotated[bool, typer.Option("--undecided", help="Also those that are not decided yet.")] = False,
    pseudonyms: Annotated[
        bool, typer.Option("--pseudonyms", help="Number the reviewers instead of naming them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    store: Store = None,
) -> None:
    """Export reviewed rubrics as HealthRubrics, or as seeds; by default those that are decided."""
    from agent.batch.exports.output_file import in_rows
    from agent.errors import ConfigError

    if seeds and undecided:
        raise ConfigError("--as-seeds exports accepted records only; leave out --undecided")
    with _opened(store) as opened:
        from training.review.exporting import export_records, export_seeds

        if seeds:
            done = export_seeds(opened, target, pseudonyms=pseudonyms, force=force)
        else:
            done = export_records(opened, target, undecided=undecided, pseudonyms=pseudonyms, force=force)
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(done.counts.status.items()))
    typer.echo(f"{in_rows(done.rows, 'rubric')} in {target} ({told})")
    typer.echo("the texts may be a patient's: have them checked before you publish any of this")


@contextmanager
def _opened(url: str | None) -> Iterator[ReviewStore]:
    try:
        from training.review.store import ReviewStore
    except ImportError as error:
        from agent.errors import ConfigError

        raise ConfigError(f"the review needs {error.name}; run pip install 'clinalign[rubrics]'") from error
    store = ReviewStore(url)
    try:
        yield store
    finally:
        store.close()
