"""The commands `clinalign rubrics draft` and `check`: read the options, draft or check, and say how it went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agent.batch.cli_options import (
    Concurrency,
    Fresh,
    Limit,
    MaxCalls,
    MaxCost,
    MaxSeconds,
    MaxTokens,
    Processes,
    RetryErrors,
    SummaryJson,
)
from agent.cli_options import Judge, Library, Model, Principles, Redact, Rubrics, Seeds, Temperature

_FORMS = "JSONL, CSV or Parquet; the forms are in docs/rubrics-draft.md."


def draft(  # noqa: PLR0913, PLR0917  # each is an option of the command
    preferences: Annotated[Path, typer.Argument(metavar="IN", help=f"Preferences: {_FORMS}")],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSONL of HealthRubrics, one per row of the input.")],
    model: Model = None,
    judge: Judge = None,
    temperature: Temperature = None,
    library: Library = None,
    rubrics: Rubrics = None,
    principles: Principles = None,
    seeds: Seeds = None,
    k: Annotated[int | None, typer.Option("-k", help="Principles to retrieve.")] = None,
    redact: Redact = None,
    concurrency: Concurrency = 16,
    processes: Processes = None,
    limit: Limit = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    retry_errors: RetryErrors = False,
    fresh: Fresh = False,
    as_json: SummaryJson = False,
) -> None:
    """Draft a rubric from each preference with a model; run the same command again to continue.

    A judge who doesn't know the preference decides every criterion on both responses. A rubric with problems is asked for once
    more, with them; one that still has some is set aside with the reason. A record that has a rubric stays as it is. Exit code 0:
    every row is drafted, set aside or kept; 1: some are errors; 3: some are not done yet; 130: interrupted.
    """
    from agent.batch.cli import checked_bounds, run_out
    from agent.batch.run import BatchRun
    from agent.batch.runners import make_runner
    from agent.config import load_settings
    from agent.errors import ConfigError
    from agent.telemetry import configure_telemetry
    from training.drafting.job import Drafting, DraftOpener

    configure_telemetry()
    settings = load_settings(
        model=model,
        judge=judge,
        temperature=temperature,
        library=library,
        rubrics=rubrics,
        principles=principles,
        seeds=seeds,
        k=k,
        redact=redact,
    )
    if settings.model is None:
        raise ConfigError("a rubric is drafted by a model; name one with --model provider:name or CLINALIGN_MODEL")
    if settings.models == (settings.model,) and settings.judges.small is None:
        typer.echo("clinalign: the model judges its own rubrics; name another with --judge", err=True)
    run = BatchRun(
        Drafting(preferences, settings),
        make_runner(DraftOpener(settings), concurrency=concurrency, processes=processes),
        output=output,
        limit=limit,
        bounds=checked_bounds(settings, max_calls, max_tokens, max_cost, max_seconds),
        fresh=fresh,
        retry_errors=retry_errors,
    )
    run_out(run, as_json=as_json, then=f"next: clinalign rubrics review add {output}")


def check(
    records: Annotated[Path, typer.Argument(metavar="FILE", help=f"HealthRubrics or preferences: {_FORMS}")],
    likeness: Annotated[
        bool, typer.Option("--likeness/--no-likeness", help="Also criteria that mean the same in other words.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell every row that can't be read and every rubric with problems; exits with 1 if there are any."""
    from agent.config import load_settings
    from principles_store.embedding import load_embedder
    from training.drafting.checking import check_file

    settings = load_settings()
    embedder = (
        load_embedder(settings.embedder, cache_dir=settings.cache, threads=settings.threads) if likeness else None
    )
    checked = check_file(records, embedder, tell=None if as_json else typer.echo)
    if as_json:
        typer.echo(json.dumps(checked.as_dict(), indent=2))
    else:
        typer.echo(checked.told())
    if checked.faults:
        raise typer.Exit(1)
