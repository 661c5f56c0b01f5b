"""The command `clinalign eval ablate`: one command, one table."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.batch.cli_options import Concurrency, MaxCalls, MaxCost, MaxSeconds, MaxTokens, Processes, RetryErrors
from agent.cli_options import Judge, Library, Model, Redact, Rubrics, Temperature
from evals.answers.cli import IgnoreDrafts, Repeats, Seed
from evals.data.options import DataSet, Limit, SplitName, Tags, Themes

if TYPE_CHECKING:
    from rich.console import Console

    from evals.ablation.results import Options
    from evals.ablation.run import Progress
    from evals.ablation.stages import Ablation
    from evals.ablation.table import Report

Graders = Annotated[
    list[str],
    typer.Option(
        "--grader",
        metavar="SPEC",
        help="Who grades, as eval grade --judge takes it; several are a panel. Not the agent's own judge.",
    ),
]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Keeps every arm's answers and grades, and table.md.")
]
ArmNames = Annotated[
    str | None,
    typer.Option(
        "--arms", metavar="A,B", help="generic, all, retrieved, oracle, generic-2, …; none named: all of them."
    ),
]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Say how to go on after a Ctrl-C that no stage has taken: at the start, between two of them, at the table."""
    try:
        yield
    except KeyboardInterrupt:
        from agent.batch.cli import INTERRUPTED
        from evals.ablation.run import INTERRUPTED_TOLD

        typer.echo(f"clinalign: {INTERRUPTED_TOLD}", err=True)
        raise typer.Exit(INTERRUPTED) from None


@_interruptible()
def ablate(  # noqa: PLR0913, PLR0917  # each is an option of the command
    data: DataSet,
    folder: Folder,
    grader: Graders,
    model: Model = None,
    judge: Judge = None,
    arms: ArmNames = None,
    per_criterion: Annotated[bool, typer.Option("--per-criterion", help="Grade one criterion per call.")] = False,
    temperature: Temperature = None,
    seed: Seed = None,
    library: Library = None,
    rubrics: Rubrics = None,
    k: Annotated[int | None, typer.Option("-k", help="Principles to retrieve.")] = None,
    redact: Redact = None,
    repeats: Repeats = 1,
    ignore_drafts: IgnoreDrafts = False,
    limit: Limit = None,
    theme: Themes = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    split: SplitName = None,
    samples: Annotated[int, typer.Option(help="Bootstrap samples.", min=100)] = 1000,
    length_penalty: Annotated[
        str, typer.Option(help="Per 500 characters: main, hard, consensus, professional, or a number.")
    ] = "main",
    concurrency: Concurrency = 16,
    processes: Processes = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    retry_errors: RetryErrors = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew; earlier files are renamed, not lost.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run, and how many calls.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Revise the same drafts in every arm, grade all alike, and print one table; run it again to continue.

    Exit code 0: every answer is given and graded; 1: some are errors, and left out of all arms; 3: some are not done yet; 130:
    interrupted.
    """
    from agent.batch.cli import checked_bounds
    from agent.config import load_settings
    from agent.telemetry import configure_telemetry
    from evals.ablation.arms import chosen_arms
    from evals.ablation.estimate import estimates, print_estimates
    from evals.ablation.results import Options
    from evals.ablation.run import HowToRun, run_stages, watched
    from evals.ablation.stages import Ablation
    from evals.answers.question import read_questions
    from evals.grading.job import Judging
    from evals.healthbench import resolve
    from evals.reports.files import penalty_of

    configure_telemetry()
    settings = load_settings(
        model=model,
        judge=judge,
        temperature=temperature,
        seed=seed,
        library=library,
        rubrics=rubrics,
        k=k,
        redact=redact,
    )
    options = Options(samples=samples, length_penalty=penalty_of(length_penalty))
    chosen: dict[str, Any] = {"split": split, "themes": list(theme), "tags": list(tag)}
    file = resolve(data)
    ablation = Ablation(
        data=file,
        questions=read_questions(
            file, repeats=repeats, ignore_drafts=ignore_drafts, needs_rubric=True, limit=limit, **chosen
        ),
        settings=settings,
        arms=chosen_arms(arms),
        judging=Judging(tuple(grader), per_criterion),
        folder=folder,
        chosen={**chosen, "ignore drafts": ignore_drafts, "several samples": repeats > 1},
    )
    how = HowToRun(
        concurrency,
        processes,
        checked_bounds(settings, max_calls, max_tokens, max_cost, max_seconds),
        retry_errors=retry_errors,
        fresh=fresh,
    )
    for warning in ablation.warnings:
        typer.echo(f"clinalign: {warning}", err=True)
    if dry_run:
        ablation.check()
        found = estimates(ablation)
        if as_json:
            _print_json([one.__dict__ for one in found])
        else:
            print_estimates(found, _console())
        return
    _finish(ablation, run_stages(ablation, how, watched), options, as_json=as_json)


def _finish(ablation: Ablation, progress: Progress, options: Options, *, as_json: bool) -> None:
    """Say how it went: the table where all is done, else what to do; leave with the exit code."""
    from agent.batch.cli import INTERRUPTED
    from agent.batch.summary import FAILED_ROWS, UNFINISHED

    for name, count in progress.errors.items():
        typer.echo(f"clinalign: {name}: {count:,} rows are errors; add --retry-errors to do just those again", err=True)
    spent = progress.spent
    typer.echo(
        f"this start: {spent.calls:,} calls, {spent.input_tokens:,} tokens in, {spent.output_tokens:,} out, "
        f"{progress.seconds:,.1f} s" + (f", cost {spent.cost:,.4f}" if spent.cost else ""),
        err=True,
    )
    if progress.stopped_because:
        typer.echo(_why_stopped(progress), err=True)
        raise typer.Exit(INTERRUPTED if progress.stopped_because == "interrupted" else UNFINISHED)
    report = _report(ablation, progress, options)
    _write(ablation.folder / "table.md", report)
    if as_json:
        _print_json(report.as_dict())
    else:
        from evals.ablation.table import print_report

        print_report(report, _console())
        typer.echo(f"written: {ablation.folder / 'table.md'}")
    if progress.errors:
        raise typer.Exit(FAILED_ROWS)


def _why_stopped(progress: Progress) -> str:
    """Return why it ended before all was done, and what to do."""
    if not progress.is_fruitless:
        return f"{progress.stopped_because}, at the {progress.unfinished}: run the same command again to continue"
    others = "" if progress.unfinished.endswith(" base") else ", or leave that arm out with --arms"
    return (
        f"clinalign: stopped at the {progress.unfinished}: {progress.stopped_because}. Put that right{others}; then run the "
        "same command with --retry-errors to continue"
    )


def _report(ablation: Ablation, progress: Progress, options: Options) -> Report:
    from evals.ablation.arm_rows import read_rows_of
    from evals.ablation.labelled import labelled
    from evals.ablation.results import results_of
    from evals.ablation.table import Report

    rows = read_rows_of(ablation)
    return Report(
        results_of(ablation, rows, options),
        labelled(ablation, rows, options),
        options,
        _made_of(ablation),
        [*ablation.warnings, *progress.warnings],
        shlex.join(["clinalign", *sys.argv[1:]]),
    )


def _made_of(ablation: Ablation) -> dict[str, str]:
    """Return what the figures were made of, by name."""
    from agent.judge_spec import judge_name
    from evals.dataset import file_hash

    settings, judging = ablation.settings, ablation.judging
    return {
        "data": f"{ablation.data.name}, sha256 {file_hash(ablation.data)}",
        "model": settings.model or "",
        "judge": judge_name(settings.judge) if settings.judge else settings.model or "",
        "graders": ", ".join(judge_name(spec) for spec in judging.specs),
        "protocol": "one criterion per call" if judging.per_criterion else "all criteria in one call",
    }


def _write(file: Path, report: Report) -> None:
    from evals.ablation.table import markdown_report
    from evals.reports.files import write_report

    write_report(file, markdown_report(report))


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
