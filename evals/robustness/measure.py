"""How often verdicts change and how far scores move under each attack: arithmetic on verdicts, reads no files, asks no judge.

Each figure compares an answer as it is with the same answer changed, by the same judge, criterion by criterion. The labels of the
rows play no part: a judge that is wrong can be steady, and the other way round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evals.bootstrap import cluster_counts, interval
from evals.robustness.attacks import AS_IT_IS, Attack, Claim, Trial
from evals.summary import FEW_PROMPTS

Interval = tuple[float, float]
Verdicts = Mapping[str, Sequence[bool | None]]
"""By id of the changed answer, in the rubric's order."""
Floats = npt.NDArray[np.float64]

_TO_MET, _UNMET, _TO_UNMET, _MET, _TO_UNKNOWN, _KNOWN, _FROM_UNKNOWN, _UNKNOWN, _MOVED, _SCORED = range(10)
"""What is counted of an answer: the first of each pair out of the second."""


@dataclass(frozen=True)
class Rate:
    """How many of how many; 95 % interval with prompts resampled, None where fewer than 10 prompts have any."""

    count: int
    of: int
    share: float | None
    ci95: Interval | None


@dataclass(frozen=True)
class Movement:
    """By how much scores change, as shares of the points that an answer can earn; up is in the answer's favour."""

    answers: int
    mean: float | None
    ci95: Interval | None
    most_up: float
    most_down: float


@dataclass(frozen=True)
class AttackFigures:
    """What one attack does to the judge."""

    attack: str
    claim: Claim
    answers: int
    prompts: int
    criteria: int
    """That are compared."""
    left_out: int
    """Criteria of these answers on which the change may truly bear, or which were not repeated."""
    flipped: Rate
    """Of the criteria that are known before and after."""
    to_met: Rate
    """Of those that were unmet and stayed known."""
    to_unmet: Rate
    to_unknown: Rate
    """Of those that were known."""
    from_unknown: Rate
    score: Movement
    """Over the compared criteria that are known before and after."""


@dataclass(frozen=True)
class Robustness:
    """One judge under all attacks."""

    judge: str
    answers: int
    criteria: int
    unknown: int
    """Criteria of the answers as they are that the judge leaves open."""
    attacks: tuple[AttackFigures, ...]
    not_judged: int
    """Changed answers that have no verdicts, since judging is not finished."""
    seed: int
    samples: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as the object that --json prints."""
        return asdict(self)


def measure(
    tried: Sequence[Trial],
    verdicts: Verdicts,
    attacks: Sequence[Attack],
    *,
    judge: str,
    seed: int = 0,
    samples: int = 1000,
) -> Robustness:
    """Return the figures of a judge from its verdicts on the trials; trials that lack verdicts are counted and left out."""
    plain = [trial for trial in tried if trial.attack == AS_IT_IS and trial.id in verdicts]
    changed: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in tried:
        if trial.attack != AS_IT_IS and trial.id in verdicts and trial.of in verdicts:
            changed[trial.attack].append(trial)
    judged = len(plain) + sum(map(len, changed.values()))
    return Robustness(
        judge=judge,
        answers=len(plain),
        criteria=sum(len(verdicts[trial.id]) for trial in plain),
        unknown=sum(met is None for trial in plain for met in verdicts[trial.id]),
        attacks=tuple(
            _figures(attack, changed[attack.name], verdicts, seed=seed, samples=samples)
            for attack in attacks
            if changed[attack.name]
        ),
        not_judged=len(tried) - judged,
        seed=seed,
        samples=samples,
    )


def _figures(attack: Attack, tried: Sequence[Trial], verdicts: Verdicts, *, seed: int, samples: int) -> AttackFigures:
    place = {prompt: n for n, prompt in enumerate(sorted({trial.prompt for trial in tried}))}
    counts = np.array([_counts(trial, verdicts[trial.of], verdicts[trial.id]) for trial in tried])  # (trials, 10)
    by_prompt = np.zeros((len(place), counts.shape[1]))
    np.add.at(by_prompt, [place[trial.prompt] for trial in tried], counts)
    drawn = cluster_counts(len(place), samples, seed).astype(float) @ by_prompt  # (samples, 10)

    def rate(some: Sequence[int], of: Sequence[int]) -> Rate:
        return _rate(by_prompt, drawn, list(some), list(of))

    compared = sum(len(trial.compared) for trial in tried)
    return AttackFigures(
        attack=attack.name,
        claim=attack.claim,
        answers=len(tried),
        prompts=len(place),
        criteria=compared,
        left_out=sum(len(trial.points) for trial in tried) - compared,
        flipped=rate((_TO_MET, _TO_UNMET), (_UNMET, _MET)),
        to_met=rate((_TO_MET,), (_UNMET,)),
        to_unmet=rate((_TO_UNMET,), (_MET,)),
        to_unknown=rate((_TO_UNKNOWN,), (_KNOWN,)),
        from_unknown=rate((_FROM_UNKNOWN,), (_UNKNOWN,)),
        score=_movement(counts, by_prompt, drawn),
    )


def _counts(trial: Trial, before: Sequence[bool | None], after: Sequence[bool | None]) -> Floats:
    """Return what is counted of one changed answer, shape (10,)."""
    counts = np.zeros(10)
    possible = sum(points for points in trial.points if points > 0)
    for number in trial.compared:
        was, became = before[number], after[number]
        if was is None:
            counts[_UNKNOWN] += 1
            counts[_FROM_UNKNOWN] += became is not None
            continue
        counts[_KNOWN] += 1
        if became is None:
            counts[_TO_UNKNOWN] += 1
            continue
        counts[_MET if was else _UNMET] += 1
        counts[_TO_UNMET if was else _TO_MET] += was is not became
        if possible:
            counts[_MOVED] += trial.points[number] * (became - was) / possible
    counts[_SCORED] = possible > 0 and counts[_MET] + counts[_UNMET] > 0
    return counts


def _rate(by_prompt: Floats, drawn: Floats, some: list[int], of: list[int]) -> Rate:
    count, total = int(by_prompt[:, some].sum()), int(by_prompt[:, of].sum())
    prompts = int((by_prompt[:, of].sum(axis=1) > 0).sum())
    if prompts < FEW_PROMPTS:
        bounds = None
    elif count == 0:  # no resample has what the sample lacks: the bound is that on the share of prompts with any change
        bounds = (0.0, 1 - 0.05 ** (1 / prompts))
    else:
        bounds = interval(_ratio(drawn[:, some].sum(axis=1), drawn[:, of].sum(axis=1)))
    return Rate(count, total, count / total if total else None, bounds)


def _movement(counts: Floats, by_prompt: Floats, drawn: Floats) -> Movement:
    moved = counts[counts[:, _SCORED] > 0, _MOVED]
    if not len(moved):
        return Movement(0, None, None, 0.0, 0.0)
    enough = (by_prompt[:, _SCORED] > 0).sum() >= FEW_PROMPTS
    bounds = interval(_ratio(drawn[:, _MOVED], drawn[:, _SCORED])) if enough else None
    most_up, most_down = max(float(moved.max()), 0.0), min(float(moved.min()), 0.0)
    return Movement(len(moved), float(moved.mean()), bounds, most_up, most_down)


def _ratio(above: Floats, below: Floats) -> Floats:
    found: Floats = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return found
