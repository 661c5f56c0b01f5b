"""The folder of a training while it goes on: whose it is, whether it may be gone on with, what is cleared away.

`.work` lies in the judge's folder and holds the checkpoints; it goes when judge.json, written last, is there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from agent.errors import ConfigError
from agent.small_judge.folder import JUDGE_FILE, MODEL_FILES, TOKENIZER_FILE, JudgeFolder, read_judge_folder
from evals.reports.files import write_report
from training.alignment.checkpoints import checkpoints, delete
from training.judge_distillation.kept_pairs import forget_pairs

WORK = ".work"
CARD = "README.md"
_IDENTITY = "training.json"
_LOCK = ".lock"
_OWN = frozenset({WORK, JUDGE_FILE, TOKENIZER_FILE, CARD, *MODEL_FILES.values()})
_TORCH_WRITER = "inline_container"
"""In what torch says of a file that it couldn't write, as a RuntimeError like any other."""
_KEYS = ("digest", "base", "options")
_RECIPE = 2
"""Raised with each change by which a training that an earlier version began would go on otherwise than it began."""


@contextmanager
def held_alone(output: Path) -> Iterator[None]:
    """Keep another process from training into the same folder.

    Raises ConfigError if one does, if the folder holds anything else than a small judge, or if the disk refuses.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file; name a folder with -o")
    if strange := _strange(output):
        raise ConfigError(f"{output}: holds {strange!r}, which is none of a small judge; name another folder with -o")
    work = output / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work / _LOCK)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ConfigError(
            f"{output}: another process trains a judge there; wait for it, or name another folder"
        ) from error
    except OSError as error:
        raise ConfigError(f"{output}: can't be written ({error.strerror}); name another folder with -o") from error
    try:
        yield
    finally:
        if not (work / _IDENTITY).exists():  # nothing to go on with
            shutil.rmtree(work, ignore_errors=True)
        lock.release()


@contextmanager
def disk_faults(output: Path) -> Iterator[None]:
    """Say what to do where the disk refuses; raises ConfigError for OSError and for what torch and safetensors make of it."""
    try:
        yield
    except _writer_errors() as error:
        if isinstance(error, RuntimeError) and _TORCH_WRITER not in str(error):
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"{output}: can't be written ({reason}); make room there or get the right to write, then run the same command "
            "again: it goes on"
        ) from error


def clear(output: Path) -> None:
    """Remove a judge, or what was begun of one; judge.json goes first, so that no half of one is taken for whole."""
    for name in (JUDGE_FILE, TOKENIZER_FILE, CARD, *MODEL_FILES.values(), f"{WORK}/{_IDENTITY}"):
        (output / name).unlink(missing_ok=True)
    for checkpoint in checkpoints(output / WORK):
        delete(checkpoint)
    forget_pairs(output / WORK)


def finished(output: Path, identity: Mapping[str, Any]) -> JudgeFolder | None:
    """Return the judge that is there already, None if there is none; ConfigError if it is another than would be made."""
    if not (output / JUDGE_FILE).is_file():
        return None
    folder = read_judge_folder(output)
    if changed := _changes(folder.facts.trained_on, identity):
        raise ConfigError(
            f"{output}: holds another judge; other are: {'; '.join(changed)}; name another folder with -o, or replace it "
            "with --fresh"
        )
    return folder


def begin(output: Path, identity: Mapping[str, Any]) -> Path:
    """Return the work folder, new or gone on with; ConfigError if what was begun there is another training."""
    work = output / WORK
    file = work / _IDENTITY
    try:
        earlier = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        clear(output)  # what is there is of nobody knows what
        write_report(file, json.dumps({**identity, "recipe": _RECIPE}, indent=2) + "\n")
        return work
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: can't be read ({error}); begin anew with --fresh") from error
    if earlier.get("recipe") != _RECIPE:
        raise ConfigError(
            f"{output}: was begun by another version of clinalign; begin anew with --fresh, or end it with that one"
        )
    if changed := _changes(earlier, identity):
        raise ConfigError(
            f"{output}: holds another training that was begun; other are: {'; '.join(changed)}; change it back, begin anew "
            "with --fresh, or name another folder with -o"
        )
    return work


def end(output: Path) -> None:
    """Clear away what only a continuation needs."""
    (output / WORK / _IDENTITY).unlink(missing_ok=True)
    shutil.rmtree(output / WORK, ignore_errors=True)


def _writer_errors() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    return OSError, RuntimeError, SafetensorError


def _strange(output: Path) -> str | None:
    """Return the name of something that is no part of a judge; a card alone may be anybody's."""
    names = {path.name for path in output.iterdir()} if output.exists() else set()
    strange = names - _OWN if names & {WORK, JUDGE_FILE} else names
    return min(strange, default=None)


def _changes(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Tell in what two trainings differ."""
    changed = []
    for key in _KEYS:
        before, after = earlier.get(key), now[key]
        if key == "digest" and before != after:
            changed.append("the graded rows")
        elif key == "options":
            changed += [
                f"{name}: was {(before or {}).get(name)!r}, is {value!r}"
                for name, value in after.items()
                if (before or {}).get(name) != value
            ]
        elif before != after:
            changed.append(f"{key}: was {before!r}, is {after!r}")
    return changed
