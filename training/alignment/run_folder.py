"""The folder of a run: whether it may be begun or gone on with, from which checkpoint, and what of a killed run is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.errors import ConfigError
from training.alignment.checkpoints import checkpoints, delete_after, last_whole, step_of
from training.alignment.config import AlignmentConfig
from training.alignment.gold import forget_points, read_points
from training.alignment.manifest import changes, read_manifest
from training.alignment.reward_log import forget_after, forget_unjudged


def check_folder(folder: Path, *, resume: bool) -> None:
    """Refuse to begin a run where there is one."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder as run.output or --output")
    if not resume and holds_run(folder):
        raise ConfigError(f"{folder}: holds a run already; go on with it by --resume, or name another --output")


def holds_run(folder: Path) -> bool:
    """Tell whether a run was begun there; a model or rows that were got ready before it are none."""
    return bool(checkpoints(folder) or read_manifest(folder))


def check_same(folder: Path, config: AlignmentConfig, digest: str, *, processes: int) -> None:
    """Refuse to go on with a run that was another."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise ConfigError(
            f"{folder}: holds checkpoints but no manifest.json, so what run it is isn't known; name another --output"
        )
    changed = changes(manifest, config, digest)
    if manifest["processes"] != processes:
        changed.append(f"processes: were {manifest['processes']}, are {processes}")
    if changed:
        raise ConfigError(
            f"{folder}: can't go on with another run than was begun there; changed: {'; '.join(changed)}; "
            "change it back, or name another --output"
        )


def resumed_from(folder: Path, *, echo: Callable[[str], None]) -> Path | None:
    """Return the checkpoint to go on from, None for a new beginning; what came after it is deleted, since it comes again."""
    checkpoint = last_whole(folder)
    step = step_of(checkpoint) if checkpoint else 0
    cut_short = [path.name for path in checkpoints(folder) if step_of(path) > step]
    if cut_short:
        echo(f"{', '.join(cut_short)}: cut short, passed over")
    echo(f"going on after step {step}" if checkpoint else "no whole checkpoint to go on from: beginning anew")
    delete_after(folder, step)
    forget_after(folder, step)
    forget_points(folder, after=step if checkpoint else -1)  # the model is judged anew too
    forget_unjudged(folder, {point.step for point in read_points(folder)})
    return checkpoint
