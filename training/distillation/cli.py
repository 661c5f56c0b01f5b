"""The command `clinalign rubrics distill`: read the options, distil, and say what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.batch.cli_options import (
    Concurrency,
    Fresh,
    MaxCalls,
    MaxCost,
    MaxSeconds,
    MaxTokens,
    Processes,
    RetryErrors,
)
from agent.cli_options import Model, Redact, Temperature

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.batch.run import BatchRun
    from agent.config import Settings
    from principles_store.library import Library
    from training.distillation.distill import Distilled, Request, Workbench
    from training.distillation.job import Abstracting, AbstractionOpener, Worded

CANDIDATES = "candidates.jsonl"

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="HealthRubrics (JSONL, Parquet), rows with rubrics, or a folder of rubrics."),
]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="For library, provenance and report.", file_okay=False)
]
AnyStatus = Annotated[
    bool, typer.Option("--any-status", help="Also rubrics that nobody has accepted yet; rejected ones never.")
]
Clusters = Annotated[int | None, typer.Option(help="To make; none: one per 8 criteria, at most 1,000.", min=1)]
Sizes = Annotated[str, typer.Option(help="Of libraries at which baselines are measured.")]
Size = Annotated[str, typer.Option(help="Principles of the library that is written: a number, or knee.")]
HeldOut = Annotated[
    float, typer.Option(help="Share of conversations kept for measuring; 0: distil all.", min=0, max=0.9)
]
Seed = Annotated[int, typer.Option(help="Of the split, the clusters and the baselines; of a model: CLINALIGN_SEED.")]
Compared = Annotated[
    list[Path], typer.Option("--library", help="Libraries to measure on the same criteria; none: the shipped one.")
]


def distill(  # noqa: PLR0913, PLR0917  # each is an option of the command
    files: Files,
    output: Folder,
    model: Model = None,
    any_status: AnyStatus = False,
    clusters: Clusters = None,
    sizes: Sizes = "20,50,119",
    size: Size = "knee",
    held_out: HeldOut = 0.2,
    seed: Seed = 0,
    library: Compared = [],  # noqa: B006
    temperature: Temperature = None,
    redact: Redact = None,
    concurrency: Concurrency = 16,
    processes: Processes = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    retry_errors: RetryErrors = False,
    fresh: Fresh = False,
) -> None:
    """Distil rubrics into a library of principles, and measure how much of the rubrics it accounts for.

    A model words the principle behind each cluster of criteria; run the same command again to continue, or to build the library
    anew from its replies. Without a model the medoids stand for the clusters. Exit code 0: done; 1: done, but for some clusters no
    reply could be used; 3: some clusters are not asked about yet; 130: interrupted.
    """
    from agent.batch.cli import checked_bounds
    from agent.config import load_settings
    from agent.telemetry import configure_telemetry
    from principles_store.embedding import default_cache_dir
    from principles_store.library import load_library
    from training.distillation.all_cores import load_on_all_cores
    from training.distillation.distill import Request, prepare
    from training.distillation.library_files import check_folder

    configure_telemetry()
    settings = load_settings(model=model, temperature=temperature, redact=redact)
    bounds = checked_bounds(settings, max_calls, max_tokens, max_cost, max_seconds)
    request = Request(files, any_status, clusters, held_out, seed, _numbers(sizes), _size(size))
    check_folder(output)
    compare = [load_library(path) for path in library] or [load_library()]
    embedder = load_on_all_cores(settings.embedder, cache_dir=settings.cache, threads=settings.threads)
    cache = (settings.cache or default_cache_dir()) / "distillation"
    bench = prepare(request, embedder, cache=cache, classifier_cache=settings.cache, tell=_tell)
    if settings.model is None:
        _tell("clinalign: no model is named: each principle is a criterion as it stands, the medoid of its cluster")
        _finish(bench, output, None, compare)
        return

    from agent.batch.run import BatchRun
    from agent.batch.runners import make_runner

    job, opener = _job(bench, settings)
    output.mkdir(parents=True, exist_ok=True)
    run = BatchRun(
        job,
        make_runner(opener, concurrency=concurrency, processes=processes or 1),
        output=output / CANDIDATES,
        bounds=bounds,
        fresh=fresh,
        retry_errors=retry_errors,
    )
    _run_out(run, lambda worded: _finish(bench, output, worded, compare), bench)


def _job(bench: Workbench, settings: Settings) -> tuple[Abstracting, AbstractionOpener]:
    from training.distillation.clusters import default_count
    from training.distillation.job import Abstracting, AbstractionOpener

    request, evidence = bench.request, bench.evidence
    count = request.clusters or default_count(len(bench.split.inside))
    work = {"clusters": count, "held out": request.held_out, "seed of the clusters": request.seed}
    conversations = {
        material.id: len({evidence.owner(member).key for member in material.cluster.members.tolist()})
        for material in bench.materials
    }
    job = Abstracting(bench.materials, evidence.content_hash, settings, work)
    return job, AbstractionOpener(settings, conversations)


def _run_out(run: BatchRun, finish: Callable[[Worded], None], bench: Workbench) -> None:
    """Ask about all clusters, and finish if that is done."""
    from agent.batch.cli import run_out
    from training.distillation.job import read_worded

    try:
        run_out(run, as_json=False)
    except typer.Exit:
        if run.is_complete and run.output is not None:
            finish(read_worded(run.output, bench.materials))
        raise


def _finish(bench: Workbench, output: Path, worded: Worded | None, compare: Sequence[Library]) -> None:
    from agent.errors import InputError
    from training.distillation.distill import distil
    from training.distillation.library_files import PROVENANCE, write_library
    from training.distillation.report import MARKDOWN, write_report

    if worded is not None and not worded.candidates:
        raise InputError("the model found no principle in any cluster; make more clusters, or name another model")
    distilled = distil(bench, None if worded is None else worded.candidates, compare)
    target = write_library(distilled, bench, output)
    outcomes = (
        {}
        if worded is None
        else {
            "principles": len(worded.candidates),
            "too mixed": worded.too_mixed,
            "without a usable reply": worded.errors,
        }
    )
    write_report(distilled, bench, output, outcomes=outcomes)
    _say(distilled, bench.request)
    typer.echo(f"library: {target}\nprovenance: {output / PROVENANCE}\nreport: {output / MARKDOWN}")
    typer.echo(f"next: clinalign principles lint --library {target}")


def _say(distilled: Distilled, request: Request) -> None:
    where = "held out" if request.held_out else "inside"
    for figures in distilled.figures:
        for at in figures.at:
            share = at.held_out
            interval = "" if share.low is None else f" [{share.low:.3f}, {share.high:.3f}]"
            beside = ", ".join(f"{name} {value:.3f}" for name, value in at.beside.items())
            typer.echo(
                f"cosine {figures.threshold:g}, {at.size} principles: {where} {share.share:.3f}{interval}; "
                f"{beside}; n {share.n:,}"
            )
    told = f"{len(distilled.ordered)} principles, knee at {distilled.figures[0].knee}, {distilled.size} written"
    typer.echo(f"{told}; {len(distilled.merged)} merged, {len(distilled.conflicts)} conflicts to look at")


def _numbers(told: str) -> tuple[int, ...]:
    from agent.errors import ConfigError

    parts = [part.strip() for part in told.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigError(f"--sizes {told!r}: give whole numbers above 0, such as 20,50,119")
    return tuple(int(part) for part in parts)


def _size(told: str) -> int | None:
    return None if told == "knee" else _numbers(told)[0]


def _tell(words: str) -> None:
    typer.echo(words, err=True)
