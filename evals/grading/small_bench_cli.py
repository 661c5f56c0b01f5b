"""`clinalign eval small-judge`: what a small judge costs on this machine."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evals.grading.small_bench import Cost, JudgeCosts, Spread

_MIB = 1 << 20


def small_judge(  # each is an option of the command
    folder: Annotated[Path, typer.Argument(help="What clinalign eval distil-judge wrote.")],
    graded: Annotated[
        Path | None, typer.Argument(metavar="[GRADED]", help="Graded rows to time; without them, made-up answers.")
    ] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Of the models; give it several times.", min=1)] = None,
    pairs: Annotated[int, typer.Option(help="Pairs of a criterion and an answer in each round.", min=1)] = 64,
    rounds: Annotated[int, typer.Option(help="Measurements of each.", min=1)] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time a small judge in fp32 and int8 beside bare encoder passes, the wait for one answer, and its memory."""
    from dataclasses import asdict

    from agent.cores import usable_cores
    from evals.grading.small_bench import graded_cases, made_up_cases, measure_costs

    cores = usable_cores()
    counts = threads or sorted({1, cores})
    cases = graded_cases(graded, rounds + 1) if graded else made_up_cases(rounds + 1)  # a judge remembers passages
    found = measure_costs(folder, cases, pairs=pairs, rounds=rounds, threads=counts)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "machine": platform.machine(), "cores": cores}, indent=2))
        return
    typer.echo(f"{platform.machine()}, {cores} cores, Python {platform.python_version()}")
    for line in _lines(found):
        typer.echo(line)


def _lines(found: JudgeCosts) -> list[str]:
    return [
        f"{found.judge}: {found.serves} serves; {found.pairs} pairs of {found.tokens} tokens, {found.rounds} rounds",
        *(_line(cost) for cost in found.costs),
        *(f"memory of a process with one answer, {one.what}: {one.peak / _MIB:,.0f} MiB" for one in found.memory),
    ]


def _line(cost: Cost) -> str:
    unit = "verdicts/s" if cost.answer_seconds else "texts/s"
    answer = f"; one answer with 12 criteria {_shown(cost.answer_seconds, 2)} s" if cost.answer_seconds else ""
    return f"{cost.what}, {cost.threads} thread{'s'[: cost.threads > 1]}: {_shown(cost.per_second, 1)} {unit}{answer}"


def _shown(spread: Spread, digits: int) -> str:
    return f"{spread.median:.{digits}f} [{spread.least:.{digits}f}, {spread.most:.{digits}f}]"
