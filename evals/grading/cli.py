"""The command `clinalign eval grade`: read the options, grade, and say how it went."""

from __future__ import annotations

from collections.abc import Sequence
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
from agent.cli_options import Library, Redact, Temperature

AnswersFile = Annotated[
    Path,
    typer.Argument(
        metavar="ANSWERS", help="JSONL of clinalign eval run or batch, or any rows with response and rubrics."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="JSONL of graded rows, which eval report reads.")]
Judges = Annotated[
    list[str],
    typer.Option(
        "--judge",
        metavar="SPEC",
        help="provider:name, small:FOLDER, small:FOLDER,provider:name (a cascade), embedded, or recorded:FILE; "
        "several are a panel, most votes count.",
    ),
]
PerCriterion = Annotated[
    bool, typer.Option("--per-criterion", help="One criterion per call, as HealthBench does; default: all in one call.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="The data set that was answered, for answers that lack their rubrics.", dir_okay=False),
]
Attempts = Annotated[
    int, typer.Option(help="Requests for one reply that can be used, no two of them alike.", min=1, max=20)
]

_OF_ONE_PROCESS = 128
"""Rows in flight that one process keeps up with: a call costs it 5 ms, and it waits for the judge for seconds."""


def grade(  # noqa: PLR0913, PLR0917  # each is an option of the command
    answers: AnswersFile,
    output: Output,
    judge: Judges,
    per_criterion: PerCriterion = False,
    data: Data = None,
    attempts: Attempts = 3,
    temperature: Temperature = None,
    redact: Redact = None,
    library: Library = None,
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
    """Have a judge decide every criterion of every answer; run the same command again to continue.

    A verdict that can't be had stays unknown, and its row is an error that --retry-errors asks about again. Exit code 0: every
    row is graded; 1: some are errors; 3: some are not done yet; 130: interrupted.
    """
    from agent.batch.cli import checked_bounds, run_out
    from agent.batch.run import BatchRun
    from agent.batch.runners import make_runner
    from agent.config import load_settings
    from agent.telemetry import configure_telemetry
    from evals.grading.answers import Answers
    from evals.grading.grader import check_specs
    from evals.grading.job import GraderOpener, Grading, Judging
    from evals.grading.tally import GradeTally

    configure_telemetry()
    check_specs(judge)
    settings = load_settings(temperature=temperature, redact=redact, library=library)
    judging = Judging(tuple(judge), per_criterion, attempts)
    run = BatchRun(
        Grading(Answers(answers, data, output, fresh), settings, judging),
        make_runner(
            GraderOpener(settings, judging),
            concurrency=concurrency,
            processes=processes or _useful_processes(judge, concurrency),
        ),
        output=output,
        limit=limit,
        bounds=checked_bounds(settings, max_calls, max_tokens, max_cost, max_seconds),
        fresh=fresh,
        retry_errors=retry_errors,
    )
    run.tally = tally = GradeTally(labels=run.job.labels)
    try:
        run_out(run, as_json=as_json)
    except typer.Exit:
        if not as_json:
            for line in [*tally.told(), *([f"next: clinalign eval report {output}"] if run.is_complete else [])]:
                typer.echo(line)
        raise


def _useful_processes(specs: Sequence[str], concurrency: int) -> int | None:
    """Return in how many processes it is done best; None: as any batch."""
    from agent.judge_spec import EMBEDDED
    from evals.grading.grader import models_of, parts_of, small_judges_of

    if small_judges_of(specs):  # it computes on all cores; a second one would only take them from the first
        return 1
    if EMBEDDED in parts_of(specs) or (models_of(specs) and concurrency > _OF_ONE_PROCESS):
        return None
    return 1
