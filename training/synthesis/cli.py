"""The commands `clinalign rubrics synthesize` and `copies`: read the options, write rubrics, and say how they went."""

from __future__ import annotations

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
from agent.cli_options import Library, Model, Principles, Redact, Rubrics, Seeds, Temperature

Conversations = Annotated[
    Path, typer.Argument(metavar="IN", help="JSONL or Parquet of conversations; the forms are in docs/batch.md.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="JSONL, one rubric per row of the input.")]
Against = Annotated[
    list[Path],
    typer.Option(
        help="Benchmark files; conversations that leak from them are told before any call, and nothing is written."
    ),
]


def synthesize(  # noqa: PLR0913, PLR0917  # each is an option of the command
    rows: Conversations,
    output: Output,
    model: Model = None,
    temperature: Temperature = None,
    library: Library = None,
    rubrics: Rubrics = None,
    principles: Principles = None,
    seeds: Seeds = None,
    k: Annotated[int | None, typer.Option("-k", help="Principles to retrieve.")] = None,
    redact: Redact = None,
    against: Against = [],  # noqa: B006
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
    """Write a rubric for each conversation from principles and seeds; run the same command again to continue.

    A rubric that has problems is asked for once more, with them; if it still has, its row is an error. Without a model the rows
    have the principles' own criteria. Exit code 0: every row has a rubric; 1: some are errors, or a conversation leaks; 3: some
    are not done yet; 130: interrupted.
    """
    from agent.batch.cli import checked_bounds, run_out
    from agent.batch.run import BatchRun
    from agent.batch.runners import make_runner
    from agent.config import load_settings
    from agent.telemetry import configure_telemetry
    from training.synthesis.job import SynthesisOpener, Synthesizing
    from training.synthesis.tally import SynthesisTally

    configure_telemetry()
    settings = load_settings(
        model=model,
        temperature=temperature,
        library=library,
        rubrics=rubrics,
        principles=principles,
        seeds=seeds,
        k=k,
        redact=redact,
    )
    if against:
        _refuse_leaks(rows, against)
    if settings.model is None:
        typer.echo(
            "clinalign: no model is named: the rubrics are the principles' own criteria, the same for every question",
            err=True,
        )
    run = BatchRun(
        Synthesizing(rows, settings),
        make_runner(SynthesisOpener(settings), concurrency=concurrency, processes=processes),
        output=output,
        limit=limit,
        bounds=checked_bounds(settings, max_calls, max_tokens, max_cost, max_seconds),
        fresh=fresh,
        retry_errors=retry_errors,
    )
    run.tally = tally = SynthesisTally(labels=run.job.labels)
    try:
        run_out(run, as_json=as_json)
    except typer.Exit:
        if not as_json:
            then = [f"next: clinalign rubrics copies {output}"] if run.is_complete else []
            for line in [*tally.told(), *then]:
                typer.echo(line)
        raise


def copies(
    rubrics: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSONL of rubrics: of synthesize, or rows with rubrics.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSONL of the rubrics without what --max-copies takes out.")
    ] = None,
    max_copies: Annotated[
        int | None, typer.Option(help="Rubrics in which the same criterion may stand; the others lose it.", min=1)
    ] = None,
    likeness: Annotated[
        bool,
        typer.Option("--likeness/--no-likeness", help="Also near copies, by embedding; minutes for 100,000 criteria."),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how much the rubrics of different questions repeat each other, and bound it.

    Which rubrics keep a criterion that stands in too many depends on their ids alone, not on the order of the rows.
    """
    import json
    import sys

    from agent.errors import ConfigError
    from training.selection.cli import open_embedder
    from training.synthesis.bounding import bound_copies
    from training.synthesis.copies import measure_copies, told

    if (output is None) != (max_copies is None):
        raise ConfigError("--output and --max-copies go together: what is taken out, and where the rest goes")
    bounded = bound_copies(rubrics, output, max_copies) if output and max_copies else None
    figures = measure_copies(rubrics, open_embedder() if likeness else None)
    if as_json:
        found = figures.as_dict() | ({"bounded": bounded.as_dict()} if bounded else {})
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
        return
    for line in [*told(figures), *(bounded.told() if bounded else [])]:
        typer.echo(line)


def _refuse_leaks(rows: Path, against: list[Path]) -> None:
    """Leave with exit code 1 where a conversation of the input leaks from a benchmark."""
    from training.selection.cli import open_embedder
    from training.selection.leak_report import print_leaks
    from training.selection.leaks import find_leaks

    report = find_leaks([rows], against, open_embedder())
    if report.faults:
        print_leaks(report, typer.echo)
        raise typer.Exit(1)
