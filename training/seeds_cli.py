"""`clinalign rubrics lint` and `coverage`: whether the rubrics that seeds come from are well made, and for whom there are any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Rubrics = Annotated[
    Path | None,
    typer.Argument(metavar="RUBRICS", help="Folder of YAML files, or a YAML, JSON or JSONL file; none: the shipped."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def lint(rubrics: Rubrics = None, as_json: AsJson = False) -> None:
    """Check a set of rubrics beyond its form; exits with 1 if there are faults (notes don't count)."""
    from dataclasses import asdict

    from agent.config import load_settings
    from principles_store.embedding import load_embedder
    from principles_store.rubric_lint import lint_rubrics
    from principles_store.rubric_set import read_rubrics

    settings = load_settings(rubrics=rubrics)
    read, found = read_rubrics(settings.rubrics)
    if len(read):
        found += lint_rubrics(read, load_embedder(settings.embedder, cache_dir=settings.cache))
    faults = [fault for fault in found if fault.level == "fault"]
    criteria = sum(len(rubric.rubric) for rubric in read)
    verified = sum(rubric.is_verified for rubric in read)
    counts = {"rubrics": len(read), "criteria": criteria, "verified": verified}
    if as_json:
        rows = {level: [asdict(f) for f in found if f.level == level] for level in ("fault", "note")}
        typer.echo(json.dumps({"source": read.source, **counts, "rubrics_hash": read.content_hash, **rows}, indent=2))
    else:
        for fault in found:
            typer.echo(f"{fault.level}: {fault}")
        typer.echo(
            f"{len(read)} rubrics with {criteria:,} criteria in {read.source}, {verified} verified by clinicians: "
            f"{len(faults)} faults, {len(found) - len(faults)} notes"
        )
    if faults:
        raise typer.Exit(1)


def coverage(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA", help="Conversations, in any form that `clinalign batch` reads; none: the set itself."
        ),
    ] = None,
    rubrics: Annotated[Path | None, typer.Option(help="As for lint.", envvar="CLINALIGN_RUBRICS")] = None,
    floor: Annotated[float | None, typer.Option(help="Similarity from which on a rubric counts.", min=0, max=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Print for what share of conversations there is a similar rubric, by theme, and how useful it is by its similarity."""
    from dataclasses import asdict

    from agent.config import load_settings
    from agent.seeds import MIN_SIMILARITY
    from principles_store.embedding import load_embedder
    from principles_store.rubric_set import load_rubrics
    from training.seed_coverage import coverage_of, print_coverage, print_usefulness, read_asked, wanted_of
    from training.seed_usefulness import usefulness_of

    settings = load_settings(rubrics=rubrics)
    kept = load_rubrics(settings.rubrics)
    embedder = load_embedder(settings.embedder, cache_dir=settings.cache)
    asked = read_asked(data) if data else None
    wanted = None if asked is None else wanted_of(asked)
    useful = usefulness_of(kept, embedder, wanted=wanted) if wanted is None or wanted else None
    at = MIN_SIMILARITY if floor is None else floor
    covered = None if asked is None else coverage_of(asked, kept, embedder, floor=at)
    if as_json:
        told = {"coverage": covered and covered.as_dict(), "usefulness": useful and asdict(useful)}
        typer.echo(json.dumps(told, indent=2))
        return
    if covered:
        print_coverage(covered)
    if useful:
        print_usefulness(useful)
