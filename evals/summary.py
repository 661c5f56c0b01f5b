"""All figures of a set of graded answers: over all of them, and under every tag. Pure arithmetic, one pass over the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from agent.errors import ConfigError, InputError
from evals.bootstrap import bootstrap_groups
from evals.figures import PENALTIES, Figures, figures, unknown
from evals.graded import Grade, GradedAnswer
from evals.modes import MODES, harness_figures
from evals.scoring import OVERALL, PointSums, group_sums
from evals.shares import Shares, shares

OWN_MODE = "clinalign"
FEW_PROMPTS = 10
"""Below it, resampled prompts say little of other prompts: intervals come out too narrow."""

__all__ = ["FEW_PROMPTS", "OWN_MODE", "PENALTIES", "Figures", "Summary", "disagreement", "summarise"]


@dataclass(frozen=True)
class Summary:
    """What a report shows of one set of graded answers."""

    mode: str
    """Whose arithmetic: this project's own, or a harness's."""
    overall: Figures
    by_tag: Mapping[str, Figures]
    judge: str | None
    protocol: str | None
    """How it was asked."""
    models: tuple[str, ...]
    judge_disagreement: float | None
    """Share of the criteria that several judges gave a verdict on, and did not give the same; None with one judge."""
    cascade: Shares | None
    """Who gave the verdicts, where a small judge was asked first."""
    errors: int
    """Answers whose grading failed."""
    seed: int
    samples: int
    """Bootstrap samples."""
    length_penalty: float
    canary: str | None
    notes: tuple[str, ...]
    """What a reader has to know before believing a figure."""

    def as_dict(self) -> dict[str, Any]:
        """Return the object of the JSON contract."""
        return {
            **self.__dict__,
            "overall": self.overall.as_dict(),
            "by_tag": {tag: found.as_dict() for tag, found in self.by_tag.items()},
            "models": list(self.models),
            "cascade": self.cascade.as_dict() if self.cascade else None,
            "notes": list(self.notes),
        }


def summarise(
    answers: Sequence[GradedAnswer],
    *,
    mode: str = OWN_MODE,
    seed: int = 0,
    samples: int = 1000,
    length_penalty: float = PENALTIES["main"],
) -> Summary:
    """Return the figures of graded answers by the arithmetic of `mode`; raises ConfigError or InputError.

    Every answer is a row of its own, also where several answer one prompt; intervals resample prompts.
    """
    _check_options(mode=mode, seed=seed, samples=samples, length_penalty=length_penalty)
    _check_answers(answers)
    sums = group_sums(answers)
    if mode == OWN_MODE:
        replicates = bootstrap_groups(sums, samples=samples, seed=seed)
        found = {tag: figures(group, replicates[tag], length_penalty=length_penalty) for tag, group in sums.items()}
    else:
        found = harness_figures(MODES[mode], answers, sums, seed=seed, samples=samples, length_penalty=length_penalty)
    return Summary(
        mode=mode,
        overall=found.pop(OVERALL),
        by_tag=found,
        judge=answers[0].judge,
        protocol=answers[0].protocol,
        models=tuple(sorted({answer.model for answer in answers if answer.model})),
        judge_disagreement=disagreement(answers),
        cascade=shares(answers),
        errors=sum(answer.error is not None for answer in answers),
        seed=seed,
        samples=samples,
        length_penalty=length_penalty,
        canary=", ".join(sorted({answer.canary for answer in answers if answer.canary})) or None,
        notes=_notes(sums[OVERALL], mode),
    )


def disagreement(answers: Sequence[GradedAnswer]) -> float | None:
    """Return the share of criteria on which judges differ, of those that two or more gave a verdict on; None if none."""
    several = differ = 0
    for answer in answers:
        for grades in zip(*answer.judges.values(), strict=True):
            verdicts = _known(grades)
            several += len(verdicts) > 1
            differ += len(set(verdicts)) > 1
    return differ / several if several else None


def _known(grades: Sequence[Grade]) -> list[bool]:
    return [grade.met for grade in grades if grade.met is not None]


def _check_options(*, mode: str, seed: int, samples: int, length_penalty: float) -> None:
    if mode != OWN_MODE and mode not in MODES:
        raise ConfigError(f"mode {mode!r} is none of {', '.join([OWN_MODE, *MODES])}")
    if samples < 1:
        raise ConfigError(f"{samples} bootstrap samples; take 1 or more, as 1000")
    if seed < 0:
        raise ConfigError(f"seed {seed}; take 0 or more")
    if not (isfinite(length_penalty) and length_penalty >= 0):
        raise ConfigError(f"length penalty {length_penalty}; take 0 or more, as {PENALTIES['main']}")


def _check_answers(answers: Sequence[GradedAnswer]) -> None:
    if not answers:
        raise InputError("no graded answers to score")
    judges = {answer.judge for answer in answers}
    if len(judges) > 1:
        named = ", ".join(sorted(repr(judge) for judge in judges))
        raise InputError(f"answers graded by different judges ({named}); scores of two judges don't mix")
    protocols = {answer.protocol for answer in answers}
    if len(protocols) > 1:
        named = ", ".join(sorted(repr(protocol) for protocol in protocols))
        raise InputError(f"answers graded by different protocols ({named}); scores of two protocols don't mix")


def _notes(overall: PointSums, mode: str) -> tuple[str, ...]:
    notes = []
    harness = MODES.get(mode)
    if harness and (missing := unknown(overall)):
        notes.append(f"{_counted(missing, 'unknown verdict')} counted as unmet; {harness.failure}")
    if overall.skipped:
        fate = harness.without_points if harness else "without a score, they are left out"
        notes.append(f"{_counted(overall.skipped, 'answer')} without positive points; {fate}")
    if overall.prompts < 2:
        notes.append("fewer than two prompts: no standard error and no interval can be had")
    elif overall.prompts < FEW_PROMPTS:
        notes.append(
            f"only {_counted(overall.prompts, 'prompt')}: the interval is not to be relied on, it is likely too narrow"
        )
    return tuple(notes)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
