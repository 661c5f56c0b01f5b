"""`python -m training.judge_distillation.study GRADED -o FOLDER`: how good a small judge is on conversations that it never saw.

Per seed, half of the conversations train it (`clinalign eval distil-judge`'s own way, its own held-out part inside) and the other
half tests it. What is done is not repeated: the same command goes on after a stop, and prints the tables again from the files.
Needs the extras `train` and `rubrics`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from time import strftime

from agent.errors import ClinAlignError, ConfigError
from agent.small_judge.reading import Layout
from evals.reports.files import write_report
from training.judge_distillation.base import open_base
from training.judge_distillation.options import Device, DistilOptions
from training.judge_distillation.rows import read_labels
from training.judge_distillation.study_material import MATERIAL, read_material, write_material
from training.judge_distillation.study_robustness import ROBUSTNESS, measure_robustness, robustness_table
from training.judge_distillation.trials import RESULT, Trial, carry_out

SIZES = (250, 1000, 2500)
_PLAIN_SEEDS = 2
"""Seeds, from 0, that are also trained without augmentation."""
_FEWEST_STEPS = 200
"""Of training, at the least: few verdicts are gone over more often, and the held-out conversations tell when to stop."""
_STUDY = "study.json"


@dataclass(frozen=True, slots=True)
class Study:
    """What is studied, where its files are, and how it is run."""

    graded: Path
    folder: Path
    threads: int
    """Of each process."""
    epochs: int | None = None
    """None: as distil-judge."""
    base: Path | None = None
    window: int = Layout.window
    device: Device = "auto"

    @property
    def layout(self) -> Layout:
        """Return how the window is shared out."""
        return Layout(window=self.window)


def planned(seeds: Sequence[int], sizes: Sequence[int]) -> list[Trial]:
    """Return the trials, the most telling first."""
    return [
        *(Trial(seed) for seed in seeds),
        *(Trial(seed, augmented=False) for seed in seeds if seed < _PLAIN_SEEDS),
        *(Trial(seed, size) for size in sizes for seed in seeds),
    ]


def is_done(study: Study, trial: Trial) -> bool:
    """Tell whether a trial's result is there."""
    return (study.folder / trial.name / RESULT).exists()


def do(study: Study, trial: Trial) -> None:
    """Carry a trial out, or on; one that is done, or that another process is at, is left alone."""
    from filelock import FileLock, Timeout

    folder = study.folder / trial.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            if not is_done(study, trial):
                material = read_material(read_labels([study.graded]).answers, study.folder)
                carry_out(trial, material, folder, options_of(study, trial), tell=_teller(trial))
    except Timeout:
        print(f"{trial.name}: another process is at it", flush=True)


def shake(study: Study, trial: Trial) -> None:
    """Try the robustness of a judge that is done; one that was tried, or isn't done, is left alone."""
    folder = study.folder / trial.name
    if is_done(study, trial) and not (folder / ROBUSTNESS).exists():
        measure_robustness(folder, trial.seed)


def do_all(study: Study, trials: Sequence[Trial], *, jobs: int) -> list[str]:
    """Carry all trials out, so many at once, each in a process of its own, and then try some; return what went wrong."""
    plain = {trial.seed for trial in trials if not trial.augmented}
    pairs = [trial for trial in trials if trial.size is None and trial.seed in plain]
    stages = [*((do, trial) for trial in trials if not is_done(study, trial)), *((shake, trial) for trial in pairs)]
    failures = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        pool.submit(prepare, study).result()
        at_work = [(trial, pool.submit(stage, study, trial)) for stage, trial in stages]
        for trial, future in at_work:
            try:
                future.result()
            except ClinAlignError as error:
                failures.append(f"{trial.name}: {error}")
                print(failures[-1], file=sys.stderr, flush=True)
    return failures


def options_of(study: Study, trial: Trial) -> DistilOptions:
    """Return the command's own options, but for the epochs where there is little to train on, and the augmentation."""
    options = DistilOptions(
        base=study.base, layout=study.layout, seed=trial.seed, threads=study.threads, device=study.device
    )
    epochs = study.epochs or options.epochs
    if trial.size is not None:
        epochs = max(epochs, -(-_FEWEST_STEPS * options.batch // trial.size))
    return replace(options, epochs=epochs, augment=options.augment if trial.augmented else 0.0)


def prepare(study: Study) -> None:
    """Work out what all trials share, and note of which rows the study is; ConfigError in the folder of another study."""
    labels = read_labels([study.graded])
    base = open_base(study.base, study.layout)
    facts = {"rows": labels.digest, "epochs": study.epochs, "base": base.name, "window": study.window}
    note = study.folder / _STUDY
    study.folder.mkdir(parents=True, exist_ok=True)
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) != facts:
        raise ConfigError(
            f"{study.folder} has a study of other rows, epochs or models in it: name another folder with -o"
        )
    write_report(note, json.dumps(facts) + "\n")
    if not (study.folder / MATERIAL).exists():
        write_material(labels.answers, study.folder, base.tokenizer(), study.layout, threads=study.threads)


def _teller(trial: Trial) -> Callable[[str], None]:
    return lambda line: print(f"{strftime('%H:%M:%S')} {trial.name}: {line}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what isn't done yet and print the tables; 1 if a trial failed."""
    parser = argparse.ArgumentParser(prog="python -m training.judge_distillation.study", description=__doc__)
    parser.add_argument("graded", type=Path, nargs="?", help="graded rows; not needed with --report")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/judge-study"))
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--from-seed", type=int, default=0, help="the first of them, to share a study between machines")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="verdicts to train on, beside all")
    parser.add_argument("--epochs", type=int, default=None, help="instead of distil-judge's own")
    parser.add_argument("--base", type=Path, default=None, help="folder of another BERT model to train")
    parser.add_argument("--window", type=int, default=Layout.window, help="tokens read at once")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="trials at once")
    parser.add_argument("--threads", type=int, default=1, help="of each")
    parser.add_argument("--report", action="store_true", help="print the tables of what is done, and do nothing")
    given = parser.parse_args(arguments)
    failures: list[str] = []
    try:
        if not given.report:
            if given.graded is None:
                raise ConfigError("name the graded rows, or print the tables of what is done with --report")
            os.environ.update(_environment(given.threads))  # before the processes that read it
            study = Study(
                given.graded.resolve(),
                given.output.resolve(),
                given.threads,
                epochs=given.epochs,
                base=given.base,
                window=given.window,
                device=given.device,
            )
            failures = do_all(
                study, planned(range(given.from_seed, given.from_seed + given.seeds), given.sizes), jobs=given.jobs
            )
        from training.judge_distillation.study_report import tables
        from training.judge_distillation.study_results import read_results

        print(tables(read_results(given.output)))
        print(f"\n{robustness_table(given.output)}")
    except ClinAlignError as error:
        print(error, file=sys.stderr)
        return 2
    return int(bool(failures))


def _environment(threads: int) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": str(threads),
        "CLINALIGN_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }


if __name__ == "__main__":
    sys.exit(main())
