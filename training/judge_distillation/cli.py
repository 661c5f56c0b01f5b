"""The command `clinalign eval distil-judge`: read the options, train, and say what came of it.

Nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from agent.small_judge.reading import Layout
    from training.judge_distillation.report import DistilReport

GradedFiles = Annotated[
    list[Path],
    typer.Argument(metavar="GRADED", help="Graded rows, as eval grade writes them: JSONL, plain or .gz, or Parquet."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the judge: --judge small:FOLDER.")]
Base = Annotated[
    Path | None,
    typer.Option(help="Folder of another BERT model to begin with.", show_default="the project's encoder"),
]
Risk = Annotated[float, typer.Option(help="Share of wrong verdicts among those given; where it isn't kept: unknown.")]
Window = Annotated[
    int, typer.Option(help="Tokens that it reads at once: more cost time, and see more of a long answer.")
]
HeldShare = Annotated[float, typer.Option(help="Of the conversations, to choose epoch, calibration and bounds by.")]
Augment = Annotated[float, typer.Option(help="Changed copies of answers in training, against simple tricks; 0: none.")]
Seed = Annotated[int, typer.Option(help="Of the split, the order and the dropout.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.", show_default="one per core")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever judge is in the folder.")]


def distil_judge(  # noqa: PLR0913, PLR0917  # each is an option of the command
    graded: GradedFiles,
    output: Output,
    base: Base = None,
    risk: Risk = 0.2,
    epochs: Annotated[int, typer.Option(help="At most: it ends when held-out conversations say so.")] = 2,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 1e-4,
    batch: Annotated[int, typer.Option(help="Criteria per step.")] = 16,
    window: Window = 256,
    held_share: HeldShare = 0.2,
    augment: Augment = 0.25,
    seed: Seed = 0,
    threads: Threads = None,
    device: Device = "auto",
    fresh: Fresh = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; progress goes to standard error.")
    ] = False,
) -> None:
    """Train a small judge on graded rows, to be used as --judge small:FOLDER; run the same command again to continue.

    Whole conversations are held out: they choose the epoch, the calibration, and where the judge says that it doesn't know. FOLDER
    gets README.md, the card. Exit codes: 0 done, 2 wrong input, 130 and 143 a signal ended it, and the same command goes on.
    docs/small-judge.md is the guide.
    """
    from training.judge_distillation.options import DistilOptions
    from training.small_judge import DistillationStopped, distil

    options = DistilOptions(
        base=base,
        layout=_layout(window),
        epochs=epochs,
        learning_rate=learning_rate,
        batch=batch,
        held_share=held_share,
        risk=risk,
        augment=augment,
        seed=seed,
        threads=threads,
        device=device,
    )
    try:
        report = distil(graded, output, options, progress=lambda line: typer.echo(line, err=as_json), fresh=fresh)
    except DistillationStopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(stopped.exit_code) from stopped
    if as_json:
        sys.stdout.write(json.dumps(_as_dict(report), ensure_ascii=False, indent=2) + "\n")
    else:
        typer.echo("\n".join(told(report)))


def _layout(window: int) -> Layout:
    from agent.errors import ConfigError
    from agent.small_judge.reading import Layout

    try:
        return Layout(window=window)
    except ValueError as error:
        raise ConfigError(f"--window {window}: {error}") from error


def _as_dict(report: DistilReport) -> dict[str, Any]:
    return {
        "folder": str(report.folder),
        "name": report.name,
        "is_new": report.is_new,
        "serves": report.facts.serves,
        "calibration": report.facts.calibration.as_dict(),
        "trained_on": dict(report.trained_on),
    }


def told(report: DistilReport) -> list[str]:
    """Return what came of it, in lines for people."""
    found, held = report.trained_on["figures"]["overall"], report.trained_on["held_out"]
    return [
        f"{report.name}" if report.is_new else f"{report.name}: is there already, of the same rows and options",
        f"on {held['verdicts']:,} held-out verdicts of {held['conversations']:,} conversations (which chose epoch and bounds): "
        f"κ {_figure(found['kappa'])}, macro-F1 {_figure(found['macro_f1'])}, AUC {_figure(found['auc'])}",
        _silence(found),
        *(f"note: {warning}" for warning in report.trained_on["warnings"]),
        f"card: {report.folder / 'README.md'}",
        f"next: clinalign eval grade ANSWERS -o graded.jsonl --judge small:{report.folder}",
    ]


def _silence(found: dict[str, Any]) -> str:
    if not found["coverage"]:
        return "gives no verdict at all: no bound keeps the risk; train it on more graded rows, or raise --risk"
    return f"gives a verdict on {found['coverage']:.0%}, {found['risk']:.1%} of them wrong; the others are unknown"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
