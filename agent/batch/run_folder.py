"""The folder beside an output (`<output>.run/`): who may write to the output, what its run is made of, and its way aside.

It holds run.json (the plan), calls.jsonl, the lock, and, while an old run is moved aside, `moving` with the name it gets. The lock
never moves, so that no two processes can hold one each.
"""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

from agent.batch.disk import leftover_of, replace_file, sync_folder
from agent.batch.plan import Plan, load_plan, plan_file, save_plan, state_folder
from agent.errors import ConfigError, InputError

_MOST_TOLD = 3
"""Differences of two plans that an error names."""


def calls_file(output: Path) -> Path:
    """Return where the paid calls of an output's unfinished rows are kept."""
    return state_folder(output) / "calls.jsonl"


def check_output(output: Path, plan: Plan, *, fresh: bool) -> None:
    """Raise InputError if the output can't be what rows are written to; creates nothing."""
    if not output.parent.is_dir():
        raise InputError(f"the folder of the output {output} does not exist; create it, or name another output")
    if output.is_dir():
        raise InputError(f"the output {output} is a folder; name a file in it, for example {output / 'answers.jsonl'}")
    if output.exists() and not output.is_file():
        raise InputError(f"the output {output} is no ordinary file, so no run could be continued; name another")
    if plan.input and output.exists() and Path(plan.input).exists() and output.samefile(plan.input):
        raise InputError(f"the output {output} is the input; name another output")
    if state_folder(output).exists() and not state_folder(output).is_dir():
        raise InputError(f"{state_folder(output)} is in the way: the state of the run is kept there; move it away")
    if not fresh and not state_folder(output).exists():
        _refuse_foreign(output)


def lock_output(output: Path) -> FileLock:
    """Return the held lock of an output, creating the folder; InputError if another process holds it.

    A process that dies, in whatever way, holds no lock any more.
    """
    folder = state_folder(output)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
    lock = FileLock(folder / "lock", thread_local=False)  # the thread that ends a run need not be the one that began it
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"another run is writing to {output}; wait for it, end it, or name another output") from error
    return lock


def settle_plan(output: Path, plan: Plan) -> None:
    """Begin a run, or see that the one that has begun there is the same; the lock must be held.

    Raises InputError or ConfigError if it isn't, or if its output is gone.
    """
    begun = load_plan(output)
    if begun is None:
        _begin(output, plan)
    elif not output.exists():
        raise InputError(
            f"{output} is gone, but {plan_file(output)} says that a run has begun there; put the output back to continue, "
            "or begin anew with --fresh"
        )
    elif differences := begun.differences(plan):
        if output.stat().st_size or calls_file(output).exists():
            raise ConfigError(_refusal(output, differences))
        save_plan(plan, output)  # nothing was done yet
    elif begun.input != plan.input:
        save_plan(begun.moved_to(plan.input), output)


def move_aside(output: Path) -> None:
    """Rename what there is of an output and its state to the first free `<output>.<number>`."""
    names = (output.with_name(f"{output.name}.{number}") for number in count(1))
    aside = next(name for name in names if not name.exists() and not state_folder(name).exists())
    replace_file(_moving(output), [os.fsencode(aside.name)])
    finish_moving(output)


def finish_moving(output: Path) -> None:
    """Do what is left of a `move_aside` that was interrupted; each step may be done again."""
    if not _moving(output).exists():
        return
    aside = output.with_name(os.fsdecode(_moving(output).read_bytes()))
    if output.exists() and not aside.exists():
        output.rename(aside)
    for file, target in ((calls_file(output), calls_file(aside)), (plan_file(output), plan_file(aside))):
        if file.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.move(file, target)
    for folder in (output.parent, state_folder(output), state_folder(aside)):
        sync_folder(folder)
    _moving(output).unlink()
    sync_folder(state_folder(output))


def drop_leftovers(output: Path) -> None:
    """Remove what a kill has left half written."""
    for file in (output, plan_file(output), calls_file(output), _moving(output)):
        leftover_of(file).unlink(missing_ok=True)


def _begin(output: Path, plan: Plan) -> None:
    """Create the output and then the plan, so that a plan without an output means that somebody has removed the output."""
    _refuse_foreign(output)
    with output.open("ab") as created:
        os.fsync(created.fileno())
    sync_folder(output.parent)
    save_plan(plan, output)


def _refuse_foreign(output: Path) -> None:
    if output.exists() and output.stat().st_size:
        raise InputError(
            f"{output} exists, and no run is known that has written it (there is no {plan_file(output)}); name another output, "
            f"or move it aside with --fresh"
        )


def _refusal(output: Path, differences: list[str]) -> str:
    told = differences[:_MOST_TOLD]
    if more := len(differences) - len(told):
        told.append(f"and {more} more")
    return (
        f"{output} was begun in another way: {'; '.join(told)}. Run it as it was begun to continue, "
        "or begin anew with --fresh, which keeps the old output"
    )


def _moving(output: Path) -> Path:
    return state_folder(output) / "moving"
