"""What a smoke experiment found: by how much the gold score rose in each run, with intervals, and whether that is as expected.

A run is compared with itself: each held-out question's score at the last judgement less that at the first, before any GRPO step.
The last one, not the best: a best one is chosen by its score, and would rise by chance alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.errors import InputError
from training.alignment.gold import GoldPoint
from training.alignment.history import gold_gain, mean_interval, read_gold
from training.alignment.manifest import read_manifest

REWARDED, SHUFFLED = "rubric", "shuffled"
"""The two arms: rewards as they are, and dealt out anew among a step's completions."""
FEWEST_CONTROLS = 2
"""That tell anything by themselves; one is only compared with the run that it belongs to."""
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the experiment."""

    seed: int
    arm: str
    folder: Path

    @property
    def name(self) -> str:
        """For people."""
        return f"seed {self.seed}, {self.arm}"


@dataclass(frozen=True, slots=True)
class Rise:
    """How the gold score of a run changed."""

    run: Run
    first: float
    last: float
    gain: float
    """Mean over the questions scored both times."""
    interval: Interval
    """95 %, of the gain, by drawing questions anew."""
    n: int
    coverage: float
    """Share of the held-out completions that have a score, where it was least."""
    gains: dict[str, float]
    """By question."""
    minutes: float

    @property
    def rises(self) -> bool:
        """Tell whether the whole interval lies above zero."""
        return self.interval[0] > 0


@dataclass(frozen=True, slots=True)
class Overall:
    """A gain over all seeds."""

    name: str
    gain: float
    interval: Interval
    n: int

    @property
    def rises(self) -> bool:
        """Tell whether the whole interval lies above zero."""
        return self.interval[0] > 0


def is_done(folder: Path) -> bool:
    """Tell whether a run came to its end."""
    manifest = read_manifest(folder)
    return manifest is not None and manifest["ended"] is not None and (folder / "best").is_dir()


def rise_of(run: Run) -> Rise:
    """Return how a finished run's gold score changed; InputError where there is too little to compare."""
    points = scored(run.folder)
    (first, before), (last, after) = points[0], points[-1]
    gain, interval, n = gold_gain(first, last) or (0.0, None, 0)
    if interval is None:
        raise InputError(
            f"{run.folder}: too few held-out questions have a score; raise data.gold_most and run it again"
        )
    coverage = min(first.coverage, last.coverage)
    return Rise(run, before, after, gain, interval, n, coverage, last.gains_over(first), _minutes(run.folder))


def scored(folder: Path) -> list[tuple[GoldPoint, float]]:
    """Return a run's judgements that have a score, with it, in the order of their steps; InputError without any."""
    points = [(point, point.gold) for point in read_gold(folder) if point.gold is not None]
    if not points:
        raise InputError(f"{folder}: no judgement in it has a score; lower reward.min_known and run it again")
    return points


def control(rises: Sequence[Rise]) -> Overall:
    """Return the controls' gain."""
    return _overall("shuffled", rises, lambda ours, control: control)


def contrast(rises: Sequence[Rise]) -> Overall:
    """Return what the rubric's rewards gained beyond shuffled ones."""
    return _overall("rubric less shuffled", rises, lambda ours, control: ours - control)


def _overall(name: str, rises: Sequence[Rise], gain: Callable[[float, float], float]) -> Overall:
    """Return a gain made of both arms', a question's seeds being averaged before questions are drawn.

    Of the questions that all runs have scored both times. The seeds stand for themselves: three say little of all others.
    """
    arms = {arm: [rise.gains for rise in rises if rise.run.arm == arm] for arm in (REWARDED, SHUFFLED)}
    shared = sorted(set.intersection(*(set(rise.gains) for rise in rises)))
    means = {arm: [sum(gains[one] for gains in found) / len(found) for one in shared] for arm, found in arms.items()}
    gains = [gain(ours, control) for ours, control in zip(means[REWARDED], means[SHUFFLED], strict=True)]
    interval = mean_interval(gains)
    if interval is None:
        raise InputError("fewer than two held-out questions are scored in all runs; raise data.gold_most")
    return Overall(name, sum(gains) / len(gains), interval, len(shared))


def surprises(rises: Sequence[Rise]) -> list[str]:
    """Tell what is not as expected: a rewarded run that does not rise, no more gain than the controls', controls that rise.

    Controls are held to it together: training itself moves a policy to and fro, which no interval over questions of one run holds.
    """
    found = [_told(rise.run.name, rise) for rise in rises if rise.run.arm == REWARDED and not rise.rises]
    difference, controls = contrast(rises), control(rises)
    if not difference.rises:
        found.append(_told(difference.name, difference))
    if controls.rises and sum(rise.run.arm == SHUFFLED for rise in rises) >= FEWEST_CONTROLS:
        found.append(_told(controls.name, controls))
    return found


def _told(name: str, found: Rise | Overall) -> str:
    return f"{name}: {'rises' if found.rises else 'does not rise'} ({found.gain:+.3f}, 95 % {_shown(found.interval)})"


def table(rises: Sequence[Rise]) -> str:
    """Return the findings as Markdown."""
    lines = [
        "| seed | rewards | gold before | gold after | gain | 95 % interval | questions | scored | rises | minutes |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rise in sorted(rises, key=lambda rise: (rise.run.arm, rise.run.seed)):
        cells = (
            rise.run.seed,
            rise.run.arm,
            f"{rise.first:.3f}",
            f"{rise.last:.3f}",
            f"{rise.gain:+.3f}",
            _shown(rise.interval),
            rise.n,
            f"{rise.coverage:.0%}",
            "yes" if rise.rises else "no",
            f"{rise.minutes:.1f}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def told(found: Overall) -> str:
    """Return a gain over all seeds in words."""
    return f"{found.name}, all seeds: {found.gain:+.3f}, 95 % {_shown(found.interval)}, {found.n} questions"


def _minutes(folder: Path) -> float:
    manifest = read_manifest(folder) or {}
    began, ended = (datetime.fromisoformat(manifest[key]) for key in ("started", "ended"))
    return (ended - began).total_seconds() / 60


def _shown(interval: Interval) -> str:
    return f"{interval[0]:+.3f} to {interval[1]:+.3f}"
