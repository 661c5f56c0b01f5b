"""Grading as a part of another command, which prints its own result: told on standard error, and its exit codes understood."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import typer

from agent.judge_spec import SMALL
from evals.grading.grader import parts_of

SOME_ARE_ERRORS = 1


def graded_within(run: Callable[[], None]) -> bool:
    """Grade; return whether some verdicts could not be had. Leaves with grading's exit code if it didn't come to its end."""
    try:
        with redirect_stdout(sys.stderr):
            run()
    except typer.Exit as ended:
        if ended.exit_code not in (0, SOME_ARE_ERRORS):
            raise
        return ended.exit_code == SOME_ARE_ERRORS
    return False


def verdicts_name(source: Path, specs: Sequence[str], ending: str, *, per_criterion: bool) -> str:
    """Name the file of verdicts that judges give on a file, after judges, not where they lie; `ending` as ".graded.jsonl"."""
    judges = "+".join("-then-".join(_bare(part) for part in parts_of([spec])) for spec in specs)
    stem = source.name.removesuffix(".gz").removesuffix(".jsonl")
    named = re.sub(r"[^\w.-]+", "-", judges).strip("-")
    return f"{stem}.{named}{'.per-criterion' if per_criterion else ''}{ending}"


def _bare(judge: str) -> str:
    """Return a judge's name, of a small one without the folders above its own."""
    return f"{SMALL}{Path(judge.removeprefix(SMALL)).resolve().name}" if judge.startswith(SMALL) else judge
