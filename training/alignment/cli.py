"""The command `clinalign train`: a config becomes a plan, or a trained model.

Nothing heavy is imported before the command runs.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from training.alignment.config import AlignmentConfig
    from training.grpo import TrainingEnd

NEEDED = ("accelerate", "datasets", "matplotlib", "peft", "trl")
"""Packages of the extra `train` that nothing works without."""
REFUSED = 1
"""Exit code of a dry run whose plan would not be trained."""


def train(
    config: Annotated[Path, typer.Option("--config", "-c", help="TOML file; shipped ones: training/configs.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; wins over run.output.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Wins over run.seed.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last whole checkpoint.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Load, check, print plan and memory estimate; train and write nothing.")
    ] = False,
    gpu_memory: Annotated[
        float | None, typer.Option(min=1, help="With --dry-run: plan for GPUs of so many GiB, not for this machine.")
    ] = None,
    accelerate: Annotated[
        Path | None, typer.Option(help="With --dry-run: plan for the processes of this accelerate configuration.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; progress goes to standard error.")
    ] = False,
) -> None:
    """Align a model by GRPO on rubric rewards, judged on held-out questions; docs/alignment.md is the guide.

    Exit codes: 0 done, 1 a dry run's plan is refused, 2 wrong input, 3 the reward ended the run, 130 and 143 a signal did; after 3,
    130 and 143 there is a checkpoint, and --resume goes on.
    """
    from agent.errors import ConfigError
    from training.alignment.config import load_config

    if not dry_run and (gpu_memory, accelerate) != (None, None):
        raise ConfigError(
            "--gpu-memory and --accelerate plan for another machine: add --dry-run; to train, use accelerate launch"
        )
    loaded = load_config(config, output=output, seed=seed)
    _check_installed()
    if dry_run:
        raise typer.Exit(_show_plan(loaded, gpu_memory, accelerate, as_json=as_json))

    from agent.config import load_settings
    from training.grpo import train as train_by

    end = train_by(loaded, load_settings(), resume=resume, echo=lambda line: typer.echo(line, err=as_json))
    if end.is_first and as_json:
        _print_json(_as_dict(end))
    elif end.is_first:
        typer.echo(_told(end))
    raise typer.Exit(end.exit_code)


def _check_installed() -> None:
    """Refuse to begin where the extra `train` isn't installed, by the names of all that is missing."""
    from importlib.util import find_spec

    from agent.errors import ConfigError

    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ConfigError(
            f"training needs more packages ({', '.join(missing)} missing): pip install 'clinalign[train]', "
            "or make train-smoke in a checkout"
        )


def _show_plan(config: AlignmentConfig, gpu_memory: float | None, accelerate: Path | None, *, as_json: bool) -> int:
    from training.alignment.rehearsal import rehearse

    plan = rehearse(config, gpu_memory=gpu_memory, accelerate=accelerate)
    if as_json:
        _print_json(plan.as_dict())
    else:
        typer.echo(plan.as_text(shutil.get_terminal_size().columns))
    return REFUSED if plan.refusals else 0


def _as_dict(end: TrainingEnd) -> dict[str, Any]:
    return {
        "folder": str(end.folder),
        "best": str(end.best) if end.exit_code == 0 else None,
        "best_step": end.best_step,
        "steps": end.steps,
        "stopped_because": end.stopped_because,
        "gold": [{"step": point.step, "gold": point.gold, "n": point.n} for point in end.gold],
    }


def _told(end: TrainingEnd) -> str:
    if end.exit_code:
        return f"stopped after step {end.steps}: {end.stopped_because}; go on by --resume"
    scores = {point.step: point.gold for point in end.gold}
    before, best = scores.get(0), scores.get(end.best_step)
    gold = f", gold {before:.3f} before, {best:.3f} now" if before is not None and best is not None else ""
    if end.best_step == 0:
        return f"{end.best}: the model as it was before training; no checkpoint was better{gold}"
    return f"{end.best}: step {end.best_step} of {end.steps}{gold}; {end.stopped_because}"


def _print_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
