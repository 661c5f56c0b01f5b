"""Trainings of a tiny small judge in processes of their own, which die or are told to stop at a given moment."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from training.judge_distillation.options import DistilOptions

SAVE_EVERY = 3
"""Steps: some checkpoints lie between the evaluations, which come each half epoch here, few as the rows are."""
JUDGE = "judge"


@dataclass(frozen=True)
class Run:
    """What a process left behind."""

    exit_code: int
    out: str
    errors: str


def options_of(folder: Path) -> DistilOptions:
    """Return the options of every run of a folder."""
    return DistilOptions(base=folder / "bert", learning_rate=1e-3, epochs=2, threads=1, seed=1, device="cpu")


def run(folder: Path, moment: str = "") -> Run:
    """Train from rows.jsonl and bert in `folder`, until the end or what `moment` names.

    step N: killed after that step; told N: asked to end there; saving N: killed before its checkpoint is whole; exporting: killed
    before judge.json; bytes N: no file may grow longer.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distil_runs_imports"])
    process = context.Process(target=_work, args=(folder, moment))
    process.start()
    process.join(280)
    assert process.exitcode is not None
    return Run(process.exitcode, *((folder / name).read_text() for name in ("out", "errors")))


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all that a judge's folder holds."""
    judge = folder / JUDGE
    return {str(file.relative_to(judge)): file.read_bytes() for file in judge.rglob("*") if file.is_file()}


def _work(folder: Path, moment: str) -> None:
    from training.small_judge import DistillationStopped, distil

    for name, stream in (("out", sys.stdout), ("errors", sys.stderr)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
    _arm(moment)
    try:
        distil(
            [folder / "rows.jsonl"],
            folder / JUDGE,
            options_of(folder),
            progress=lambda line: print(line, flush=True),
        )
    except DistillationStopped as stopped:
        print(stopped, file=sys.stderr, flush=True)
        sys.exit(stopped.exit_code)


def _arm(moment: str) -> None:
    """Put the trap where the moment is."""
    from training.judge_distillation import finishing, rhythm, trainer

    rhythm.SAVE_EVERY, rhythm.FEWEST_STEPS = SAVE_EVERY, 1
    kind, _, number = moment.partition(" ")
    if kind in ("step", "told"):
        before = rhythm.Rhythm.on_step_end

        def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
            if state.global_step == int(number):
                os.kill(os.getpid(), signal.SIGKILL if kind == "step" else signal.SIGTERM)
            before(self, args, state, control, **kwargs)

        rhythm.Rhythm.on_step_end = on_step_end
    if kind == "bytes":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), resource.RLIM_INFINITY))
    if kind == "saving":
        mark = trainer.mark_whole
        trainer.mark_whole = lambda folder: _die() if folder.name.endswith(f"-{number}") else mark(folder)
    if kind == "exporting":
        finishing.write_card = lambda *_: _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
