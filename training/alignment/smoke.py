"""`make train-smoke`: the whole of training on a tiny model and the embedded judge, in several seeds and with a control.

The control starts from the same warm-started model and differs in one thing: the rewards of a step are dealt out anew among its
completions, so that they say nothing of them. Runs that are finished are not repeated: the same command prints the figures again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ClinAlignError
from training.alignment.smoke_stats import (
    REWARDED,
    SHUFFLED,
    Run,
    contrast,
    control,
    is_done,
    rise_of,
    surprises,
    table,
    told,
)

if TYPE_CHECKING:
    from training.alignment.reward_guard import RewardFunction

CONFIG = Path(__file__).parents[1] / "configs" / "smoke.toml"
SEEDS = (3, 4, 5)
"""0 to 2 were used up while the config was settled."""
_LOOK_EVERY_S = 1.0
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "CLINALIGN_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}
"""What runs beside each other gets one core each: this model's products are too small to share out."""


class ShuffledReward:
    """Training rewards dealt out anew among a step's completions; the gold judge's scores are left as they are."""

    __name__ = "rubric_reward"

    def __init__(self, reward: RewardFunction, *, seed: int) -> None:
        self._reward = reward
        self._seed = seed

    def __call__(self, prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        """Return the rewards in an order that the seed and the step decide."""
        rewards = list(self._reward(prompts, completions, completion_ids, **columns))
        if "gold" not in columns["split"]:
            step = columns["trainer_state"].global_step
            random.Random(f"{self._seed} {step}").shuffle(rewards)  # no secret
        return rewards


def runs_in(output: Path, seeds: Sequence[int]) -> list[Run]:
    """Return the runs of the experiment, each with its folder."""
    return [Run(seed, arm, output / f"seed-{seed}-{arm}") for arm in (REWARDED, SHUFFLED) for seed in seeds]


def do(run: Run, config_file: Path) -> None:
    """Carry a run out, or on; one that is done is left alone. A control begins with its partner's warm start, if there is one."""
    from agent.config import load_settings
    from training.alignment.config import load_config
    from training.alignment.shipped import AS_SHIPPED
    from training.grpo import WARM_START, train

    if is_done(run.folder):
        return
    config = load_config(config_file, output=run.folder, seed=run.seed)
    settings = load_settings().model_copy(update=AS_SHIPPED)
    is_begun = (run.folder / "manifest.json").exists()
    warm = _partner(run).folder / WARM_START
    if run.arm == SHUFFLED and not is_begun and warm.exists():
        shutil.copytree(warm, run.folder / WARM_START, dirs_exist_ok=True)
    end = train(
        config,
        settings,
        resume=is_begun,
        wrap=partial(ShuffledReward, seed=run.seed) if run.arm == SHUFFLED else lambda reward: reward,
        echo=lambda line: print(f"{run.name}: {line}", flush=True),
    )
    if end.exit_code:
        raise ClinAlignError(f"{run.name}: {end.stopped_because}; the same command goes on")


def do_all(runs: Sequence[Run], config_file: Path, *, processes: int) -> None:
    """Carry all runs out, so many at once, each in a process of its own, a control once there is the model that it begins with."""
    left = list(runs)
    at_work: set[Future[None]] = set()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        while left or at_work:
            for run in [run for run in left if _can_begin(run)]:
                at_work.add(pool.submit(do, run, config_file))
                left.remove(run)
            ended = wait(at_work, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED).done
            at_work -= ended
            for future in ended:
                future.result()


def _can_begin(run: Run) -> bool:
    from training.grpo import WARM_START

    partner = _partner(run).folder
    return (
        run.arm == REWARDED or (partner / WARM_START).exists() or is_done(partner)
    )  # a warm start is whole once it is there


def _partner(run: Run) -> Run:
    """Return the run whose warm start a control begins with."""
    return Run(run.seed, REWARDED, run.folder.parent / f"seed-{run.seed}-{REWARDED}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what isn't done yet, print the table and draw the picture; 1 if it isn't as expected."""
    parser = argparse.ArgumentParser(prog="python -m training.alignment.smoke", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/smoke"))
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1), help="runs at once, a core each")
    given = parser.parse_args(arguments)
    runs = runs_in(given.output.resolve(), given.seeds)
    os.environ.update(ENVIRONMENT)  # before the processes that read it
    try:
        do_all(runs, given.config, processes=given.processes)
        rises = [rise_of(run) for run in runs]
        print(f"{table(rises)}\n\n{told(control(rises))}\n{told(contrast(rises))}")
    except ClinAlignError as error:
        print(error, file=sys.stderr)
        return 2
    from training.alignment.smoke_plot import draw_smoke

    print(f"drawn: {draw_smoke(runs, given.output / 'smoke.png')}")
    for surprise in (found := surprises(rises)):
        print(f"not as expected: {surprise}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
