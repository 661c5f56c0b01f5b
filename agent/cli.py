"""The command `clinalign`: revise and doctor, and the commands of other modules and packages.

Nothing heavy is imported before a command runs, so that `--help` is instant. An error meant for the user is one line on standard
error and exit code 2; anything else keeps its traceback, since it is a bug.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.batch.cli import batch
from agent.batch.exports.cli import export
from agent.cli_options import Judge, Library, Model, Principles, Redact, Rubrics, Seeds, Temperature, Trace
from agent.entry_commands import add_commands
from agent.serving.cli import serve
from principles_store.errors import ClinAlignError

app = typer.Typer(
    name="clinalign",
    help="Clinician-aligned answers: critique and revise medical answers by clinical principles. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def revise(  # noqa: PLR0913, PLR0917  # each is an option of the command
    question: Annotated[
        str | None, typer.Argument(help="The question; '-' or nothing: read it from standard input.")
    ] = None,
    draft: Annotated[str | None, typer.Option(help="The answer to be revised.")] = None,
    draft_file: Annotated[Path | None, typer.Option(help="The same from a file.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="JSON: a conversation, or {question|conversation, draft}. Else a text file."),
    ] = None,
    model: Model = None,
    judge: Judge = None,
    temperature: Temperature = None,
    library: Library = None,
    rubrics: Rubrics = None,
    principles: Principles = None,
    seeds: Seeds = None,
    k: Annotated[int | None, typer.Option("-k", help="Principles to retrieve.")] = None,
    max_rounds: Annotated[int | None, typer.Option(help="Rounds of revision.")] = None,
    max_calls: Annotated[int | None, typer.Option(help="Model calls.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens in and out, over all calls.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Time after which the best version so far is returned.")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(help="Money; needs CLINALIGN_PRICE_INPUT and CLINALIGN_PRICE_OUTPUT per million tokens."),
    ] = None,
    redact: Redact = None,
    trace: Trace = None,
    as_json: AsJson = False,
) -> None:
    """Revise a draft answer to a question, and show what changed and why."""
    from agent.revise_input import read_request

    request = read_request(question=question, draft=draft, draft_file=draft_file, file=file, stdin=sys.stdin.buffer)

    from agent.api import invoke
    from agent.config import load_settings
    from agent.context import load_context
    from agent.telemetry import configure_telemetry

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
        max_rounds=max_rounds,
        max_calls=max_calls,
        max_tokens=max_tokens,
        max_seconds=max_seconds,
        max_cost=max_cost,
        redact=redact,
        trace=trace,
    )
    output = invoke(request, context=load_context(settings))
    if as_json:
        print_json(output)
        return

    from rich.console import Console

    from agent.report import print_report

    print_report(output, Console())


@app.command()
def doctor(model: Model = None, judge: Judge = None, library: Library = None, as_json: AsJson = False) -> None:
    """Show what is installed, which engine would answer, and whether the index is fresh."""
    from dataclasses import asdict

    from agent.config import load_settings
    from agent.doctor import run_checks

    checks = run_checks(load_settings(model=model, judge=judge, library=library))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


app.command()(batch)
app.command()(export)
app.command()(serve)


def print_json(data: Any) -> None:
    """Print an object as JSON, readable and in UTF-8."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def main() -> None:
    """Run the command line; the console script."""
    add_commands(app, "clinalign.commands")
    run_command(app)


def run_command(command: Callable[[], Any]) -> None:
    """Run a command; an error meant for the user is one line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="clinalign: %(message)s", stream=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        command()
    except ClinAlignError as error:
        typer.echo(f"clinalign: {error}", err=True)
        raise SystemExit(2) from error
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        sys.stderr.close()
        raise SystemExit(0) from None


if __name__ == "__main__":
    main()
