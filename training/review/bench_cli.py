"""`clinalign rubrics review bench`: what the store costs when it is full, and whether saves get lost in a crowd."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.review.bench import Latency
    from training.review.hammering import Hammered


def bench(
    records: Annotated[int, typer.Option(help="Of the full store.", min=100)] = 10_000,
    times: Annotated[int, typer.Option(help="That each operation is timed.", min=20)] = 300,
    writers: Annotated[int, typer.Option(help="Reviewers who save at once.", min=2)] = 20,
    saves: Annotated[int, typer.Option(help="Of each, on their own sheet and on a shared one.", min=1)] = 25,
    stores: Annotated[
        list[str] | None,
        typer.Option(
            "--store", metavar="URL", help="Three new PostgreSQL databases: for one page, full, crowded; none: SQLite."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Measure the review store in new databases: latency when full beside almost empty, and edits lost among many writers."""
    from dataclasses import asdict

    from agent.errors import ConfigError
    from training.review.bench import measure_latency
    from training.review.hammering import hammer

    with tempfile.TemporaryDirectory() as folder:
        urls = stores or [str(Path(folder) / f"{name}.sqlite") for name in ("empty", "full", "crowd")]
        if len(urls) != 3:
            raise ConfigError(f"give --store three times, once for each database; got {len(urls)}")
        latencies = measure_latency(urls[0], urls[1], records=records, times=times)
        crowd = hammer(urls[2], writers=writers, saves=saves)
    if as_json:
        typer.echo(json.dumps({"latency": [asdict(one) for one in latencies], "crowd": asdict(crowd)}, indent=2))
    else:
        typer.echo("\n".join(_lines(latencies, crowd, records)))
    if crowd.lost:
        raise typer.Exit(1)


def _lines(latencies: list[Latency], crowd: Hammered, records: int) -> Iterator[str]:
    from training.review.bench import PAGE

    yield f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    yield f"milliseconds, p50 and p95, with {PAGE} records and with {records:,}; each n = {latencies[0].n}"
    for one in latencies:
        empty, full = (f"{a:7.2f} {b:7.2f}" for a, b in ((one.empty_p50, one.empty_p95), (one.full_p50, one.full_p95)))
        yield f"{one.operation:<22} {empty}   {full}   p95 × {one.ratio:.2f}"
    yield (
        f"{crowd.writers} reviewers at once: {crowd.edits:,} edits acknowledged, {crowd.lost} lost; {crowd.merged:,} saves merged, "
        f"{crowd.refused:,} refused and made again; p50 {crowd.p50_ms:.0f} ms, p95 {crowd.p95_ms:.0f} ms"
    )
