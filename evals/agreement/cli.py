"""`clinalign eval agreement`: a judge against human labels or another judge, judged now or read from a graded file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.batch.cli_options import Concurrency, Fresh, MaxCost, RetryErrors
from agent.cli_options import Library, Temperature
from agent.errors import ConfigError
from evals.grading.cli import PerCriterion
from evals.grading.within_options import AsOneObject, FirstAnswers, KeptVerdicts, Samples, Seed

if TYPE_CHECKING:
    from evals.agreement.pairs import Reference
    from evals.agreement.summary import AgreementSummary


def agreement(  # noqa: PLR0913, PLR0917  # each is an option of the command
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE", help="Human labels (JSONL), or rows that another judge graded.")
    ],
    graded: Annotated[
        Path | None, typer.Argument(metavar="[GRADED]", help="The judge's verdicts, as eval grade writes them.")
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option("--judge", metavar="SPEC", help="Judge now, as eval grade does, instead of reading GRADED."),
    ] = None,
    output: KeptVerdicts = None,
    per_criterion: PerCriterion = False,
    limit: FirstAnswers = None,
    temperature: Temperature = None,
    library: Library = None,
    concurrency: Concurrency = 16,
    max_cost: MaxCost = None,
    retry_errors: RetryErrors = False,
    fresh: Fresh = False,
    as_json: AsOneObject = False,
    markdown: Annotated[Path | None, typer.Option(help="Write it as Markdown, without the rows.")] = None,
    seed: Seed = 0,
    samples: Samples = 1000,
) -> None:
    """Measure how far a judge agrees with people, or with another judge: macro-F1, κ, per category, and where it leans.

    With --judge the answers are graded first; stop it and run it again to continue. Exit code 0: all is compared; 1: some
    verdicts could not be had; 3: not all is judged yet, and nothing is reported; 130: interrupted.
    """
    from evals.agreement.pairs import first_answers, match, read_reference
    from evals.agreement.summary import summarise
    from evals.grading.cli import grade
    from evals.grading.within import SOME_ARE_ERRORS, graded_within, verdicts_name

    if (graded is None) == (not judge):
        raise ConfigError("give either GRADED, a file of verdicts, or --judge SPEC, for example --judge embedded")
    _check_outputs(reference, graded, [path for path in (markdown, output) if path is not None])
    whole = read_reference(reference)
    failed = False
    if graded is None:
        specs = judge or []
        graded = output or Path(verdicts_name(reference, specs, ".graded.jsonl", per_criterion=per_criterion))
        answers = _write_answers(whole, graded)
        grading = {"per_criterion": per_criterion, "limit": limit, "temperature": temperature, "library": library}
        grading |= {"max_cost": max_cost, "retry_errors": retry_errors, "fresh": fresh, "concurrency": concurrency}
        failed = graded_within(lambda: grade(answers, graded, specs, **grading))  # type: ignore[arg-type]
    truth = whole if limit is None else first_answers(whole, limit)
    summary = summarise(truth, match(truth, graded), samples=samples, seed=seed)
    options = [f"--seed={seed}", f"--samples={samples}", *([f"--limit={limit}"] if limit else [])]
    _tell(summary, [reference, graded], options, as_json=as_json, markdown=markdown)
    if failed:
        raise typer.Exit(SOME_ARE_ERRORS)


def _check_outputs(reference: Path, graded: Path | None, outputs: Sequence[Path]) -> None:
    from evals.agreement.pairs import kind_of
    from evals.reports.files import check_outputs

    for file in (reference, *([graded] if graded else [])):
        check_outputs(file, outputs)
    if graded is not None and kind_of(graded) == "labels":
        raise ConfigError(f"{graded}: human labels; they come first: clinalign eval agreement LABELS GRADED")


def _write_answers(reference: Reference, graded: Path) -> Path:
    """Write the answers to be graded beside their verdicts; an unchanged file is left alone."""
    from evals.agreement.pairs import answer_rows
    from evals.reports.files import write_report

    path = graded.with_name(f"{graded.name.removesuffix('.jsonl').removesuffix('.graded')}.answers.jsonl")
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in answer_rows(reference))
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_report(path, text)
    typer.echo(f"answers to judge: {path}; verdicts: {graded}", err=True)
    return path


def _tell(
    summary: AgreementSummary, files: Sequence[Path], options: Sequence[str], *, as_json: bool, markdown: Path | None
) -> None:
    from evals.agreement.print import markdown_agreement, print_agreement
    from evals.reports.files import source_of, write_report

    if markdown is not None:
        sources = [source_of(path) for path in files]
        command = shlex.join(["clinalign", "eval", "agreement", *(source.name for source in sources), *options])
        write_report(markdown, markdown_agreement(summary, sources, command))
    if as_json:
        typer.echo(json.dumps(summary.as_dict(), ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    print_agreement(summary, Console(highlight=False))
    if markdown is not None:
        typer.echo(f"written: {markdown}")
