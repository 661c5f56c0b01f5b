"""The command `clinalign batch`: read the options, run, and say how it went."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

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
from agent.cli_options import Judge, Library, Model, Principles, Redact, Rubrics, Seeds, Temperature, Trace
from agent.errors import ConfigError
from agent.judge_spec import EMBEDDED, parse_judge

if TYPE_CHECKING:
    from agent.batch.run import BatchRun
    from agent.config import Settings
    from agent.ledger import Bounds

INTERRUPTED = 130


def batch(  # noqa: PLR0913, PLR0917  # each is an option of the command
    command: typer.Context,
    rows: Annotated[Path, typer.Argument(metavar="IN", help="JSONL or Parquet; the forms are in docs/batch.md.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSONL, one row per row of the input.")],
    engine: Annotated[
        Literal["auto", "embedded"] | None,
        typer.Option(help="embedded: no model, also where CLINALIGN_MODEL names one."),
    ] = None,
    model: Model = None,
    judge: Judge = None,
    temperature: Temperature = None,
    library: Library = None,
    rubrics: Rubrics = None,
    principles: Principles = None,
    seeds: Seeds = None,
    k: Annotated[int | None, typer.Option("-k", help="Principles to retrieve.")] = None,
    max_rounds: Annotated[int | None, typer.Option(help="Rounds of revision of a row.")] = None,
    redact: Redact = None,
    trace: Trace = None,
    concurrency: Concurrency = 16,
    processes: Processes = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Through Ray: local, auto (the cluster of this machine) or HOST:PORT."),
    ] = None,
    ray_gpus: Annotated[float, typer.Option(help="GPUs of each Ray worker, for a model that runs in it.", min=0)] = 0.0,
    limit: Limit = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    retry_errors: RetryErrors = False,
    fresh: Fresh = False,
    as_json: SummaryJson = False,
) -> None:
    """Revise a file of conversations; run the same command again to continue one that was stopped, in whatever way.

    At a limit no further model call begins, and nothing that is paid for is lost. Exit code 0: every row has an answer; 1: some
    are errors; 3: some are not done yet; 130: interrupted.
    """
    from agent.batch.revising import AgentOpener, Revising
    from agent.batch.run import BatchRun
    from agent.batch.runners import make_ray_runner, make_runner
    from agent.config import load_settings
    from agent.telemetry import configure_telemetry

    configure_telemetry()
    if engine == "embedded":
        _refuse_models(command, judge)
    settings = load_settings(
        model=model,
        judge=judge,
        temperature=temperature,
        library=library,
        rubrics=rubrics,
        principles=principles,
        seeds=seeds,
        k=k,
        max_rounds=max_rounds,
        redact=redact,
        trace=trace,
    )
    if engine == "embedded":
        settings = settings.without_models()
    opener = AgentOpener(settings)
    run = BatchRun(
        Revising(rows, settings),
        make_ray_runner(opener, ray, concurrency=concurrency, actors=processes, gpus=ray_gpus)
        if ray
        else make_runner(opener, concurrency=concurrency, processes=processes),
        output=output,
        limit=limit,
        bounds=checked_bounds(settings, max_calls, max_tokens, max_cost, max_seconds),
        fresh=fresh,
        retry_errors=retry_errors,
    )
    run_out(run, as_json=as_json)


def checked_bounds(
    settings: Settings,
    max_calls: int | None,
    max_tokens: int | None,
    max_cost: float | None,
    max_seconds: float | None,
) -> Bounds:
    """Return the bounds of a run; ConfigError for a bound on money without prices."""
    from agent.ledger import Bounds

    if max_cost is not None and not (settings.price_input or settings.price_output):
        raise ConfigError("--max-cost needs CLINALIGN_PRICE_INPUT and CLINALIGN_PRICE_OUTPUT, per million tokens")
    return Bounds(max_calls, max_tokens, max_cost, max_seconds)


def run_out(run: BatchRun, *, as_json: bool, then: str = "") -> NoReturn:
    """Run it, say how it went, and leave with the exit code; `then` is what may be done with a complete output."""
    from agent.batch.progress import watching
    from agent.batch.summary import exit_code, print_summary, summary_of

    is_cut_off = False
    with watching() as run.on_event, stopping(run):
        try:
            for _ in run:
                pass
        except KeyboardInterrupt:
            run.stop("interrupted")
            is_cut_off = True
    for warning in run.warnings:
        typer.echo(f"clinalign: {warning}", err=True)
    if as_json:
        sys.stdout.write(json.dumps(summary_of(run), ensure_ascii=False, indent=2) + "\n")
    else:
        from rich.console import Console

        print_summary(run, Console())
        if then and run.is_complete:
            typer.echo(then)
    code = INTERRUPTED if run.stopped_because == "interrupted" else exit_code(run)
    if is_cut_off:  # threads may be at work still, and would have the interpreter abort while it ends
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)


def _refuse_models(command: typer.Context, judge: str | None) -> None:
    """Raise ConfigError for a model in the command; those of the environment are left aside."""
    asks = judge is not None and parse_judge(judge).rest not in (None, EMBEDDED)
    if _is_typed(command, "model") or (asks and _is_typed(command, "judge")):
        raise ConfigError("--engine embedded uses no model; leave out --model, and --judge but for small:FOLDER")


def _is_typed(command: typer.Context, name: str) -> bool:
    """Tell whether an option stands in the command, not only in the environment."""
    source = command.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@contextmanager
def stopping(run: BatchRun) -> Iterator[None]:
    """Let Ctrl-C finish the rows in flight, and a second one, or whoever ends the process, stop at once."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if run.stopped_because or number == signal.SIGTERM:
            run.stop("interrupted")
            raise KeyboardInterrupt
        run.stop("interrupted")
        typer.echo(
            "\nclinalign: finishing the rows in flight; Ctrl-C again stops at once, and loses only the calls under way",
            err=True,
        )

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
