"""The commands `clinalign rubrics select` and `leaks`: read the options, choose or compare, and say what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from principles_store.embedding import Embedder
    from training.selection.leaks import LeakReport

Against = Annotated[list[Path], typer.Option(help="Benchmark files; .gz and Parquet too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def select(  # noqa: PLR0913, PLR0917  # each is an option of the command
    graded: Annotated[
        list[Path],
        typer.Argument(metavar="IN…", help="Graded rows of clinalign eval grade, several answers per prompt_id."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSONL, one row per question that teaches.")],
    min_mean: Annotated[float, typer.Option(help="Mean score of a question's answers, at least.")] = 0.05,
    max_mean: Annotated[float, typer.Option(help="The same, at most.")] = 0.75,
    min_variance: Annotated[float, typer.Option(help="Variance of their scores, more than this.", min=0)] = 0.0,
    max_likeness: Annotated[
        float, typer.Option(help="Cosine from which on two questions are the same; the one with more variance stays.")
    ] = 0.95,
    keep_penalties: Annotated[
        bool, typer.Option("--keep-penalties", help="Keep penalties that no answer incurs, as guards.")
    ] = False,
    against: Against = [],  # noqa: B006
    report: Annotated[
        Path | None, typer.Option(help="JSON file: what was dropped and why, question by question.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Keep the questions that teach: answers of middling and differing scores, each question once, none from a benchmark.

    Criteria on which all answers agree are dropped too. Unknown verdicts are never counted as unmet.
    """
    from training.selection.selecting import select as select_questions
    from training.selection.teaching import Bounds

    bounds = Bounds(min_mean, max_mean, min_variance, max_likeness, keep_penalties)
    found = select_questions(graded, output, bounds, open_embedder(), against=against)
    _write(report, found.as_dict())
    if as_json:
        _print(found.as_dict())
        return
    for line in [*found.told(), f"{output}"]:
        typer.echo(line)


def leaks(
    train: Annotated[
        list[Path], typer.Argument(metavar="TRAIN…", help="Any rows with a question, plain or .gz; or rubrics in YAML.")
    ],
    against: Against,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file of the whole report.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="The same for a reader.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare training data with benchmarks by id, text, criteria and meaning; exit code 1 where something leaks."""
    from training.selection.leak_report import print_leaks, report_markdown, report_object
    from training.selection.leaks import find_leaks

    found: LeakReport = find_leaks(train, against, open_embedder())
    _write(output, report_object(found))
    if markdown:
        from agent.batch.disk import replace_file

        replace_file(markdown, [report_markdown(found).encode()])
    if as_json:
        _print(report_object(found))
    else:
        print_leaks(found, typer.echo)
    if found.faults:
        raise typer.Exit(1)


def open_embedder() -> Embedder:
    """Return the embedder that the environment's settings name; each text is encoded once."""
    from agent.config import load_settings
    from principles_store.embedding import load_embedder
    from principles_store.shared_embedding import EmbeddingMemory

    settings = load_settings()
    return EmbeddingMemory(load_embedder(settings.embedder, cache_dir=settings.cache, threads=settings.threads))


def _write(file: Path | None, report: object) -> None:
    if file:
        import json

        from agent.batch.disk import replace_file

        replace_file(file, [json.dumps(report, ensure_ascii=False, indent=2).encode() + b"\n"])


def _print(report: object) -> None:
    import json
    import sys

    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
