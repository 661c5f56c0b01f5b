"""Checkpoints of a run: which are whole, which may go, and which one a resumed run goes on from.

A checkpoint is whole when its mark is there and every file has the size that the mark names. The mark is written last, and
goes first when a checkpoint is deleted, so that one whose writing or deletion was cut short is never taken for whole.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

PREFIX = "checkpoint-"
MARK = "whole.json"
STATE = "trainer_state.json"
"""transformers' own record of the run."""


def checkpoint_at(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step is or would be."""
    return folder / f"{PREFIX}{step}"


def step_of(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was written."""
    return int(checkpoint.name.removeprefix(PREFIX))


def mark_whole(checkpoint: Path) -> None:
    """Say that everything is written."""
    sizes = {str(file.relative_to(checkpoint)): file.stat().st_size for file in _files(checkpoint)}
    beside = checkpoint / f"{MARK}.part"
    beside.write_text(json.dumps(sizes, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    beside.replace(checkpoint / MARK)


def is_whole(checkpoint: Path) -> bool:
    """Tell whether a checkpoint can be resumed from."""
    try:
        sizes = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def checkpoints(folder: Path) -> list[Path]:
    """Return all checkpoints, whole or not, by step."""
    found = (path for path in folder.glob(f"{PREFIX}*") if path.is_dir() and path.name.removeprefix(PREFIX).isdigit())
    return sorted(found, key=step_of)


def last_whole(folder: Path) -> Path | None:
    """Return the checkpoint to go on from."""
    return next((checkpoint for checkpoint in reversed(checkpoints(folder)) if is_whole(checkpoint)), None)


def thin_out(folder: Path, *, keep: int, best_step: int | None) -> None:
    """Delete all but the last `keep` whole checkpoints and the best one."""
    whole = [checkpoint for checkpoint in checkpoints(folder) if is_whole(checkpoint)]
    for checkpoint in whole[:-keep]:
        if step_of(checkpoint) != best_step:
            delete(checkpoint)


def delete_after(folder: Path, step: int) -> None:
    """Delete checkpoints after a step, which are not whole, or are of a course that isn't gone on with."""
    for checkpoint in checkpoints(folder):
        if step_of(checkpoint) > step:
            delete(checkpoint)


def delete(checkpoint: Path) -> None:
    """Delete one; cut short, it is not whole any more."""
    (checkpoint / MARK).unlink(missing_ok=True)
    shutil.rmtree(checkpoint)


def _files(checkpoint: Path) -> list[Path]:
    return [path for path in checkpoint.rglob("*") if path.is_file() and path.name not in {MARK, f"{MARK}.part"}]
