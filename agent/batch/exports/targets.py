"""Where an export goes: what may be replaced, and how what is built takes its place in one step.

A kill leaves at the target what was there before; what it leaves beside it, the next export to the same place removes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from agent.errors import InputError

CARD = "README.md"
CARD_MARK = "clinalign export"
"""Stands in every card, so that a folder is known as an export."""
_PARTIAL = ".partial"
_REPLACED = ".replaced"


def is_folder(target: Path, *, files: tuple[str, ...]) -> bool:
    """Tell whether a target is to be a folder rather than a file with one of these endings; InputError for another ending."""
    if target.suffix in files:
        return False
    if target.suffix[1:].isalpha() and not target.is_dir():
        raise InputError(f"{target}: can't write {target.suffix}; name a FILE{' or FILE'.join(files)}, or a folder")
    return True


@contextmanager
def replacing(target: Path, *, force: bool, folder: bool, sources: Sequence[Path]) -> Iterator[Path]:
    """Give a place to build the target at, and put it there once the block has ended well; until then nothing is changed.

    Raises InputError if something is there that may not be replaced, or if the disk refuses.
    """
    place = target.resolve()
    try:
        _drop_leftovers(place)
        _check(target, force=force, folder=folder, sources=sources)
        work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=_PARTIAL, dir=place.parent))
        with FileLock(work / "lock", timeout=0), _removed_after(work):
            built = work / place.name
            if folder:
                built.mkdir()
            yield built
            if folder and place.exists():
                place.rename(work / _REPLACED)
            built.replace(place)
    except OSError as error:
        raise InputError(
            f"can't write {target}: {error.strerror or error}; name another place, or make room"
        ) from error


@contextmanager
def _removed_after(work: Path) -> Iterator[None]:
    try:
        yield
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _drop_leftovers(place: Path) -> None:
    """Remove what a kill has left of exports to the same place; of one that was about to replace a folder, put that back."""
    for work in place.parent.iterdir() if place.parent.is_dir() else ():
        if not (work.name.startswith(f".{place.name}.") and work.name.endswith(_PARTIAL) and work.is_dir()):
            continue
        with suppress(Timeout), FileLock(work / "lock", timeout=0):  # held: the other export is under way
            if (work / _REPLACED).exists() and not place.exists():
                (work / _REPLACED).rename(place)
            shutil.rmtree(work)


def _check(target: Path, *, force: bool, folder: bool, sources: Sequence[Path]) -> None:
    if not target.resolve().parent.is_dir():
        raise InputError(f"{target}: its folder {target.parent} is missing; make it first")
    if not target.exists():
        return
    if any(source.exists() and target.samefile(source) for source in sources):
        raise InputError(f"{target} is what is read; name another file")
    if target.is_dir() != folder:
        raise InputError(f"{target} is a {'folder' if target.is_dir() else 'file'}; name another")
    if folder and not any(target.iterdir()):
        return
    if not force:
        raise InputError(f"{target} exists already; name another, or replace it with --force")
    if folder and not _is_export(target):
        raise InputError(f"{target} holds more than an export, so it is not replaced; name another folder")


def _is_export(folder: Path) -> bool:
    """Tell whether all that a folder holds is an earlier export, so that replacing it loses nothing else."""
    files = [file.relative_to(folder) for file in folder.rglob("*") if not file.is_dir()]
    own = all(file == Path(CARD) or (file.suffix == ".parquet" and len(file.parts) == 2) for file in files)
    return (
        own and (folder / CARD).is_file() and CARD_MARK in (folder / CARD).read_text(encoding="utf-8", errors="replace")
    )
