"""`clinalign eval batch efficiency | embedded | memory | kill`: what many rows at once cost, and what a kill leaves."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from evals.batch.arm import Kind, Outcome
    from evals.batch.efficiency import Efficiency

app = typer.Typer(help="Measure a batch: how fast, how much memory, and what a kill costs.", no_args_is_help=True)

Drafts = Annotated[
    Path | None, typer.Argument(help="JSONL of drafts to make the rows of; without it the shipped sample.")
]
Processes = Annotated[
    int | None, typer.Option(help="Of the batch; 1: threads. None: as many as the batch itself finds worth it.", min=1)
]
InFlight = Annotated[int, typer.Option(help="Rows at once.", min=1)]
Repeats = Annotated[int, typer.Option(help="Runs of each.", min=1)]
Example = Annotated[Path, typer.Option(help="The sample used without a file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SAMPLE = Path("examples/chest_pressure.json")


@app.command()
def efficiency(  # noqa: PLR0913, PLR0917  # each is an option of the command
    file: Drafts = None,
    in_flight: Annotated[
        list[int] | None, typer.Option(help="Rows at once; may be given several times. Default: 16, 64, 256.")
    ] = None,
    call_seconds: Annotated[float, typer.Option(help="Mean latency of the fake model.", min=0.01)] = 2.0,
    rows_per_slot: Annotated[int, typer.Option(help="Rows for each that is in flight.", min=1)] = 6,
    peer: Annotated[bool, typer.Option(help="Run LangGraph's own abatch too.")] = True,
    parts: Annotated[bool, typer.Option(help="Run it in threads too, with the processor time by part.")] = False,
    processes: Processes = None,
    repeats: Repeats = 1,
    example: Example = _SAMPLE,
    as_json: AsJson = False,
) -> None:
    """Time a batch against the ideal, with a fake model of log-normal latency, beside LangGraph's own abatch."""
    from evals.batch.case_rows import read_pairs
    from evals.batch.efficiency import measure_efficiency
    from evals.batch.latency import SIGMA

    kinds: list[Kind] = ["batch"]
    kinds += ["abatch"] if peer else []
    kinds += ["metered batch"] if parts else []
    pairs, found = read_pairs(file, example), []
    if not as_json:
        typer.echo(_machine())
        typer.echo(
            f"3 calls a row, log-normal latency of sigma {SIGMA:g}; shares of the ideal: median [least, most] of the runs"
        )
    for count in in_flight or (16, 64, 256):
        for arm in measure_efficiency(
            pairs,
            kinds,
            in_flight=count,
            call_seconds=call_seconds,
            processes=processes,
            repeats=repeats,
            rows_per_slot=rows_per_slot,
        ):
            found.append(arm)
            if not as_json:
                typer.echo(_efficiency_lines(arm))
    if as_json:
        _print_json([asdict(arm) | {"shares": arm.shares, "parts_per_row": arm.parts_per_row} for arm in found])


@app.command()
def embedded(
    file: Drafts = None,
    rows: Annotated[int, typer.Option(help="Rows to revise.", min=1)] = 400,
    in_flight: InFlight = 16,
    processes: Annotated[int, typer.Option(help="Of the batch in several.", min=2)] = 2,
    repeats: Repeats = 1,
    example: Example = _SAMPLE,
    as_json: AsJson = False,
) -> None:
    """Count answers per second of the embedded engine: one at a time, in a batch, and what the encoder alone would allow."""
    from evals.batch.case_rows import read_pairs
    from evals.batch.embedded import FLOOR, LOOP, measure_embedded

    pairs = read_pairs(file, example)
    rates = measure_embedded(pairs, rows=rows, in_flight=in_flight, processes=processes, repeats=repeats)
    if as_json:
        _print_json([asdict(rate) for rate in rates])
        return
    typer.echo(f"{_machine()}; {rows} rows, {in_flight} in flight")
    middle = {rate.way: rate.middle for rate in rates}
    for rate in rates:
        typer.echo(
            f"{rate.way}: {rate.middle:.1f} answers/s {_spread(rate.per_second, '.1f')}, "
            f"{rate.middle / middle[FLOOR]:.0%} of the encoder alone, {rate.middle / middle[LOOP]:.2f} times one at a time"
        )


@app.command()
def memory(
    file: Drafts = None,
    rows: Annotated[
        list[int] | None, typer.Option(help="Rows of a run; may be given several times. Default: 500, 5000, 50000.")
    ] = None,
    in_flight: InFlight = 16,
    processes: Processes = None,
    example: Example = _SAMPLE,
    as_json: AsJson = False,
) -> None:
    """Print the peak memory of batches of several sizes, and how much it grows with the rows."""
    from evals.batch.case_rows import read_pairs
    from evals.batch.memory import growth, measure_memory

    outcomes: list[Outcome] = []
    if not as_json:
        typer.echo(f"{_machine()}; rows of 2 kB, embedded engine ended before its first round, {in_flight} in flight")
    for outcome in measure_memory(
        read_pairs(file, example), rows or [500, 5_000, 50_000], in_flight=in_flight, processes=processes
    ):
        outcomes.append(outcome)
        if not as_json:
            typer.echo(_memory_line(outcome))
    grown = growth(outcomes)
    if as_json:
        _print_json({"runs": [asdict(outcome) for outcome in outcomes], "growth": [asdict(step) for step in grown]})
        return
    for step in grown:
        typer.echo(
            f"from {step.rows[0]:,} to {step.rows[1]:,} rows, per 10,000 more: {step.own / 1e6:+.1f} MB in the batch's own "
            f"process, {step.together / 1e6:+.1f} MB together"
        )


@app.command()
def kill(
    file: Drafts = None,
    kills: Annotated[int, typer.Option(help="How often.", min=1)] = 20,
    rows: Annotated[int, typer.Option(help="Rows of the batch.", min=1)] = 400,
    in_flight: InFlight = 16,
    call_seconds: Annotated[float, typer.Option(help="Mean latency of the fake model.", min=0.01)] = 0.3,
    processes: Processes = 2,
    seed: Annotated[int, typer.Option(help="Of the moments and the latencies.")] = 0,
    example: Example = _SAMPLE,
    as_json: AsJson = False,
) -> None:
    """Kill a batch with SIGKILL at random moments, start it again each time, and count what is lost; fails if anything is."""
    from evals.batch.case_rows import read_pairs
    from evals.batch.kill import measure_kills

    found = measure_kills(
        read_pairs(file, example),
        kills=kills,
        rows=rows,
        in_flight=in_flight,
        processes=processes,
        call_seconds=call_seconds,
        seed=seed,
    )
    if as_json:
        _print_json(asdict(found) | {"ratio": found.ratio})
    else:
        typer.echo(f"{_machine()}; {in_flight} in flight, {call_seconds:g} s a call")
        typer.echo(
            f"{found.kills} kills, {found.rows} rows: {found.missing} missing, {found.lost} lost, {found.doubled} doubled, "
            f"{found.torn} torn; {found.calls} calls for {found.calls_of_one_pass}, of which {found.excused} were in flight at a "
            f"kill or answered less than 50 ms before: {found.ratio:.3f} calls per needed one beyond these"
        )
    if not found.is_clean:
        raise typer.Exit(1)


def _efficiency_lines(arm: Efficiency) -> str:
    workers = len(arm.runs[0].worker_peaks)
    ours = f"clinalign batch in {workers} processes" if workers else "clinalign batch in threads"
    name = {"abatch": "LangGraph abatch", "metered batch": "clinalign batch in threads, metered"}.get(arm.kind, ours)
    line = (
        f"{arm.in_flight} in flight, {arm.call_seconds:g} s a call, {arm.runs[0].rows} rows: {name} {arm.share:.1%} "
        f"{_spread(arm.shares, '.1%')}; processor per row {{:.1f}} ms, its workers {{:.1f}}, the fake server {{:.1f}}; "
        f"{arm.busy_cores:.2f} cores busy"
    ).format(*(1000 * seconds for seconds in arm.cpu_per_row))
    parts, whole = arm.parts_per_row, sum(arm.parts_per_row.values())
    return "\n".join([line, *(f"  {1000 * cpu:6.2f} ms {cpu / whole:4.0%}  {part}" for part, cpu in parts.items())])


def _memory_line(outcome: Outcome) -> str:
    workers = ", ".join(f"{peak / 1e6:.0f}" for peak in outcome.worker_peaks) or "none"
    return (
        f"{outcome.rows:,} rows: at most {outcome.own_peak / 1e6:.0f} MB in the batch's own process, workers {workers} MB, "
        f"{outcome.together_peak / 1e6:.0f} MB together; {outcome.rows / outcome.seconds:.0f} rows/s"
    )


def _spread(values: Sequence[float], form: str) -> str:
    return f"[{min(values):{form}}, {max(values):{form}}], n {len(values)}"


def _machine() -> str:
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
