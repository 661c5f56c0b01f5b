"""The command that measures synthesis: `python -m training.synthesis.bench_cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synthesis_bench(
    rows: Annotated[int, typer.Option(help="Conversations.", min=1)] = 640,
    in_flight: Annotated[int, typer.Option(help="Rows at once.", min=1)] = 64,
    call_seconds: Annotated[float, typer.Option(help="Latency of the fake model.", min=0.01)] = 10.0,
    processes: Annotated[int | None, typer.Option(help="None: as the batch decides itself.", min=1)] = None,
    faulty_every: Annotated[int, typer.Option(help="Every so-many-th first reply is faulty; 0: none.", min=0)] = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the rubrics are put.")] = None,
) -> None:
    """Time synthesis against the ideal with a fake model of fixed latency, and say how much memory it takes."""
    from training.synthesis.throughput import measure

    found = measure(
        rows=rows,
        in_flight=in_flight,
        call_seconds=call_seconds,
        processes=processes,
        faulty_every=faulty_every,
        keep=output,
    )
    typer.echo(
        f"{found.rows:,} conversations, {in_flight} in flight, {call_seconds:g} s a call: {found.seconds:.1f} s, "
        f"{found.share:.1%} of the ideal, {found.rows / found.seconds:.1f} rubrics/s, {found.calls / found.rows:.2f} calls and "
        f"{found.input_tokens_per_row:,.0f} tokens in per rubric, at most {found.peak_bytes / 1e6:,.0f} MB; {found.outcomes}"
    )


if __name__ == "__main__":
    typer.run(synthesis_bench)
