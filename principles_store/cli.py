"""The commands `clinalign principles …`: look at a library, search it, check it, index it, compare two.

Only typer is imported up front, so that `clinalign --help` is instant. Errors meant for the user are left to the console
script, which prints them as one line.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from principles_store.errors import LibraryError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from principles_store.embedding import Embedder
    from principles_store.library import Library
    from principles_store.principle import Principle

PIPED_WIDTH = 200
"""Columns where the output isn't a terminal, so that a row stays a line for grep."""

app = typer.Typer(help="Look at, search, check, index and compare principles.", no_args_is_help=True)

LibraryPath = Annotated[
    Path | None, typer.Option(help="Folder of principle files, or a JSON list.", envvar="CLINALIGN_LIBRARY")
]
Store = Annotated[str | None, typer.Option(help="Folder or http URL of the index.", envvar="CLINALIGN_STORE")]
Cache = Annotated[Path | None, typer.Option(help="Folder for what can be made again.", envvar="CLINALIGN_CACHE")]
EmbedderName = Annotated[
    str | None, typer.Option(help="A sentence-transformers model or folder.", envvar="CLINALIGN_EMBEDDER")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_principles(
    dimension: Annotated[
        str | None, typer.Option(help="Only of this: urgency, uncertainty, expertise, task_type.")
    ] = None,
    scenario: Annotated[str | None, typer.Option(help="Only those that name this value, such as emergent.")] = None,
    polarity: Annotated[str | None, typer.Option(help="Only do, or avoid.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only critical, major or minor.")] = None,
    library: LibraryPath = None,
    as_json: AsJson = False,
) -> None:
    """List the principles."""
    given = {"dimension": dimension, "scenarios": scenario, "polarity": polarity, "severity": severity}
    wanted = {name: value for name, value in given.items() if value is not None}
    _check_filters(wanted)
    found = [p for p in _load(library) if all(value in _values(p, name) for name, value in wanted.items())]
    if as_json:
        _print_json([principle.model_dump(mode="json") for principle in found])
        return
    table = _table("id", "polarity", "severity", "title")
    for principle in found:
        table.add_row(principle.id, principle.polarity, principle.severity, principle.title)
    console = _console()
    console.print(table)
    console.print(f"{len(found)} principles")


@app.command()
def show(
    principle_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    library: LibraryPath = None,
    as_json: AsJson = False,
) -> None:
    """Show one principle in full."""
    loaded = _load(library)
    principle = loaded.get(principle_id)
    entry = {**principle.model_dump(mode="json", exclude_defaults=not as_json), "file": loaded.files[principle.id]}
    if as_json:
        _print_json(entry)
        return

    import yaml

    typer.echo(yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=100), nl=False)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="A question, as a user would write it.")],
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="Principles to show.")] = 8,
    library: LibraryPath = None,
    store: Store = None,
    cache: Cache = None,
    embedder: EmbedderName = None,
    as_json: AsJson = False,
) -> None:
    """Show which principles apply to a question, and why."""
    from principles_store.conversation import parse_conversation, query_texts, user_text
    from principles_store.index import Query
    from principles_store.scenario import load_classifier
    from principles_store.store import default_store_dir, open_index

    conversation = parse_conversation(text)
    encoder = _embedder(embedder, cache)
    index = open_index(_load(library), encoder, store or default_store_dir())
    scenario = load_classifier(encoder, cache_dir=cache).classify(conversation)
    query = Query(encoder.encode(query_texts(conversation)), user_text(conversation), scenario.for_search)
    found = index.search(query, k)
    if as_json:
        rows = [{**_summary(item.principle), "score": item.score, "why": list(item.why)} for item in found]
        _print_json({"scenario": scenario.as_dict(), "principles": rows})
        return
    table = _table("score", "principle", "why")
    for item in found:
        table.add_row(f"{item.score:.2f}", f"{item.principle.id}\n{item.principle.title}", "\n".join(item.why))
    console = _console()
    console.print("scenario: " + ", ".join(scenario.labels.values()))
    console.print(table if found else "no principle applies")


@app.command()
def lint(
    library: LibraryPath = None,
    cache: Cache = None,
    embedder: EmbedderName = None,
    as_json: AsJson = False,
) -> None:
    """Check a library beyond its form; exits with 1 if there are faults (notes don't count)."""
    from dataclasses import asdict

    from principles_store.library import read_library
    from principles_store.lint import lint_library

    read, found = read_library(library)
    if len(read):
        found += lint_library(read, _embedder(embedder, cache))
    faults = [fault for fault in found if fault.level == "fault"]
    notes = [fault for fault in found if fault.level == "note"]
    if as_json:
        rows = {"faults": [asdict(fault) for fault in faults], "notes": [asdict(note) for note in notes]}
        _print_json({"library": read.source, "principles": len(read), **rows})
    else:
        for fault in found:
            typer.echo(f"{fault.level}: {fault}")
        typer.echo(f"{len(read)} principles in {read.source}: {len(faults)} faults, {len(notes)} notes")
    if faults:
        raise typer.Exit(1)


@app.command()
def build(
    fresh: Annotated[bool, typer.Option("--fresh", help="Build anew, whatever is there.")] = False,
    library: LibraryPath = None,
    store: Store = None,
    cache: Cache = None,
    embedder: EmbedderName = None,
    as_json: AsJson = False,
) -> None:
    """Build the index of a library, or open it if it is there already."""
    from principles_store.index import library_records
    from principles_store.store import build_index, default_store_dir, index_hash, is_fresh, open_index

    location = store or str(default_store_dir())
    loaded, encoder = _load(library), _embedder(embedder, cache)
    started = time.perf_counter()
    built = fresh or not is_fresh(loaded, encoder.id, location)
    (build_index if built else open_index)(loaded, encoder, location)
    outcome = {
        "location": location,
        "built": built,
        "principles": len(loaded),
        "texts": len(library_records(loaded)),
        "library_hash": loaded.content_hash,
        "index_hash": index_hash(loaded, encoder.id),
        "embedder": encoder.id,
        "seconds": round(time.perf_counter() - started, 3),
    }
    if as_json:
        _print_json(outcome)
        return
    typer.echo(f"{'built' if built else 'opened'} {location} in {outcome['seconds']} s")
    typer.echo(f"{outcome['principles']} principles, {outcome['texts']} texts, hash {loaded.content_hash[:16]}")


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Folder or file of one library.")],
    new: Annotated[Path | None, typer.Argument(help="The other; left out: the library in use.")] = None,
    library: LibraryPath = None,
    as_json: AsJson = False,
) -> None:
    """Compare two libraries by principle: added, removed, and which fields changed."""
    from principles_store.library import diff_libraries

    before, after = _load(old), _load(new or library)
    found = diff_libraries(before, after)
    if as_json:
        changed = {name: list(fields) for name, fields in found.changed.items()}
        hashes = {"old_hash": before.content_hash, "new_hash": after.content_hash}
        _print_json({"added": list(found.added), "removed": list(found.removed), "changed": changed, **hashes})
        return
    for name in found.removed:
        typer.echo(f"- {name}: {before.by_id[name].title}")
    for name in found.added:
        typer.echo(f"+ {name}: {after.by_id[name].title}")
    for name, fields in found.changed.items():
        typer.echo(f"~ {name}: {', '.join(fields)}")
    typer.echo(f"{len(found.removed)} removed, {len(found.added)} added, {len(found.changed)} changed")


def _load(path: Path | None) -> Library:
    from principles_store.library import load_library

    return load_library(path)


def _embedder(name: str | None, cache: Path | None) -> Embedder:
    from principles_store.embedding import DEFAULT_MODEL, load_embedder

    return load_embedder(name or DEFAULT_MODEL, cache_dir=cache)


def _check_filters(wanted: dict[str, str]) -> None:
    """Raise LibraryError for a value that no principle can have: an empty list would look like an answer."""
    from typing import get_args

    from principles_store.principle import DIMENSION_OF, Dimension, Polarity, Severity

    known = {
        "dimension": get_args(Dimension),
        "scenarios": tuple(DIMENSION_OF),
        "polarity": get_args(Polarity),
        "severity": get_args(Severity),
    }
    for name, value in wanted.items():
        if value not in known[name]:
            option = name.removesuffix("s")
            raise LibraryError(f"--{option} {value!r} is not known; known are {', '.join(known[name])}")


def _values(principle: Principle, name: str) -> tuple[str, ...]:
    value = getattr(principle, name)
    return value if isinstance(value, tuple) else (value,)


def _summary(principle: Principle) -> dict[str, Any]:
    return {name: getattr(principle, name) for name in ("id", "title", "dimension", "polarity", "severity")}


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=heading in ("id", "polarity", "severity", "score"), overflow="fold")
    return table


def _console() -> Console:
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    return console if console.is_terminal else Console(width=PIPED_WIDTH, markup=False, highlight=False, emoji=False)


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
