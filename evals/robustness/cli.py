"""`clinalign eval robustness`: how steady a judge is when answers are changed in ways that should move no verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.batch.cli_options import Concurrency, Fresh, MaxCost, RetryErrors
from agent.cli_options import Library, Temperature
from evals.grading.cli import PerCriterion
from evals.grading.within_options import AsOneObject, FirstAnswers, KeptVerdicts, Samples, Seed

if TYPE_CHECKING:
    from evals.graded import GradedAnswer
    from evals.robustness.attacks import Attack, Trial
    from evals.robustness.measure import Robustness


def robustness(  # noqa: PLR0913, PLR0917  # each is an option of the command
    graded: Annotated[
        Path, typer.Argument(metavar="GRADED", help="Graded rows, or any answers with rubrics; verdicts play no part.")
    ],
    judge: Annotated[
        list[str], typer.Option("--judge", metavar="SPEC", help="As eval grade takes it; several are one panel.")
    ],
    injections: Annotated[
        Path | None, typer.Option(help="Further texts to plant: a JSON list, BIPIA's JSON, or one a line.")
    ] = None,
    attack: Annotated[
        list[str] | None, typer.Option("--attack", metavar="NAME", help="Only this one; may be repeated.")
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
    seed: Seed = 0,
    samples: Samples = 1000,
) -> None:
    """Judge answers as they are and changed: padded, doubled, reformatted, with orders to the judge, with criteria repeated.

    Stop it and run it again to continue. Exit code 0: all is compared; 1: some verdicts could not be had; 3: not all is judged
    yet, and nothing is reported; 130: interrupted.
    """
    from evals.grading.cli import grade
    from evals.grading.within import SOME_ARE_ERRORS, graded_within, verdicts_name
    from evals.reports.files import check_outputs
    from evals.robustness.attacks import attacks, chosen
    from evals.robustness.measure import measure
    from evals.robustness.texts import read_injections

    texts = read_injections(injections) if injections else ()
    answers = _read(graded)
    tried = chosen(attacks(answers, texts), attack or ())
    kept = output or Path(verdicts_name(graded, judge, ".robustness.jsonl", per_criterion=per_criterion))
    copies = kept.with_name(f"{kept.name.removesuffix('.jsonl').removesuffix('.robustness')}.robustness.answers.jsonl")
    check_outputs(graded, [kept, copies])
    found = _write_copies(answers[:limit], tried, copies, seed=seed)
    typer.echo(f"{len(found):,} answers to judge, as they are and changed: {copies}; verdicts: {kept}", err=True)
    options = {"per_criterion": per_criterion, "temperature": temperature, "library": library, "fresh": fresh}
    options |= {"concurrency": concurrency, "max_cost": max_cost, "retry_errors": retry_errors}
    failed = graded_within(lambda: grade(copies, kept, judge, **options))  # type: ignore[arg-type]
    verdicts, name = _verdicts(kept)
    _tell(measure(found, verdicts, tried, judge=name, seed=seed, samples=samples), as_json=as_json)
    if failed:
        raise typer.Exit(SOME_ARE_ERRORS)


def _read(file: Path) -> list[GradedAnswer]:
    """Return the answers that have a text; raises InputError where there is none."""
    from agent.errors import InputError
    from evals.graded import GradedAnswer
    from evals.grading.answers import Answers

    rows = list(Answers(file).rows())
    answers = [row for row in rows if isinstance(row, GradedAnswer) and row.response.strip()]
    if not answers:
        raise InputError(f"{file}: no answer with a text in it; write some with clinalign eval run")
    if missing := len(rows) - len(answers):
        typer.echo(f"{file}: {missing:,} of {len(rows):,} rows have no answer; they are left out", err=True)
    return answers


def _write_copies(answers: Sequence[GradedAnswer], tried: Sequence[Attack], file: Path, *, seed: int) -> list[Trial]:
    """Write the answers as they are and changed, row by row, whole or not at all; return what is to be compared."""
    from agent.errors import ConfigError
    from evals.robustness.attacks import trials

    part = file.with_name(f".{file.name}.part")
    found = []
    try:
        with part.open("w", encoding="utf-8") as rows:
            for trial, answer in trials(answers, tried, seed=seed):
                rows.write(json.dumps(_row(answer)) + "\n")
                found.append(trial)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{file}: can't be written ({error.strerror}); choose another place") from error
    return found


def _row(answer: GradedAnswer) -> dict[str, object]:
    row = {
        "id": answer.id,
        "prompt_id": answer.prompt_id,
        "prompt": answer.conversation,
        "response": answer.response,
        "rubrics": [criterion.as_dict() for criterion in answer.rubric],
        "canary": answer.canary,
    }
    return {key: value for key, value in row.items() if value is not None}


def _verdicts(file: Path) -> tuple[dict[str, tuple[bool | None, ...]], str]:
    """Return the verdicts of graded rows by id, and who gave them; without rows whose verdicts could not all be had."""
    from evals.graded import read_graded

    verdicts, judge = {}, ""
    for answer in read_graded(file):
        judge = answer.judge or ""
        if answer.error is None:
            verdicts[answer.id] = tuple(grade.met for grade in answer.grades)
    return verdicts, judge


def _tell(found: Robustness, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    from evals.robustness.print import print_robustness

    print_robustness(found, Console(highlight=False))
