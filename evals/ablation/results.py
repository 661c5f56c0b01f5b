"""The figures of every arm, all on the same answers: what a conversation's failure in one arm leaves out is left out of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean
from typing import Any

from agent.errors import InputError
from evals.ablation.arm_rows import ArmRows
from evals.ablation.arms import BASE, CREDITS
from evals.ablation.stages import Ablation, Row
from evals.comparison.compare import CompareOptions, Comparison, compare_answers, compare_many
from evals.comparison.findings import verdict_of
from evals.figures import PENALTIES, Figures
from evals.graded import GradedAnswer
from evals.summary import summarise

BASE_TOLD = "the drafts"


@dataclass(frozen=True)
class Options:
    """What of the arithmetic can be chosen."""

    samples: int = 1000
    """Draws of the bootstrap."""
    seed: int = 0
    length_penalty: float = PENALTIES["main"]


@dataclass(frozen=True)
class Spent:
    """What an answer took on average: the base's its draft, every other arm's what came after the draft."""

    calls: float
    input_tokens: float
    output_tokens: float
    seconds: float
    """Of waiting for the model, one answer by itself."""
    cost: float

    @property
    def tokens(self) -> float:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class ArmFigures:
    """One line of the table."""

    name: str
    told: str
    overall: Figures
    revised: float
    """Share of the drafts that the arm did not leave alone."""
    spent: Spent
    most_calls: int | None
    """That an answer was allowed; None: the base."""
    to_base: Comparison | None
    """None: the base."""
    rival: str | None
    """The arm with the same budget and no principles; None where this is one, or there is none in the run."""
    to_rival: Comparison | None


@dataclass(frozen=True)
class Results:
    """The table, and what is to be known of it."""

    arms: tuple[ArmFigures, ...]
    answers: int
    """Of each arm that count: those that every arm has."""
    prompts: int
    asked: int
    """Answers that were asked for."""
    missing: Mapping[str, int]
    """By arm: answers that it lacks, since they failed or can't be graded."""
    judge: str | None
    canary: str | None
    credits: Mapping[str, Comparison] = field(default_factory=dict)
    """What the seeds and the principles add, each by itself, where the arms that differ in nothing else were run."""

    def of(self, name: str) -> ArmFigures | None:
        """Return the line of an arm, if it is in the table."""
        return next((arm for arm in self.arms if arm.name == name), None)


def results_of(
    ablation: Ablation, rows: Mapping[str, ArmRows], options: Options, *, ids: Iterable[str] | None = None
) -> Results:
    """Return the figures over the questions with these ids (None: all) that every arm has a graded answer to.

    Raises InputError if there is none.
    """
    asked = [question.id for question in ablation.questions] if ids is None else list(ids)
    kept = [id for id in asked if all(id in arm.graded for arm in rows.values())]
    missing = {name: lacking for name, arm in rows.items() if (lacking := sum(id not in arm.graded for id in asked))}
    if not kept:
        told = ", ".join(f"{name} lacks {count}" for name, count in missing.items())
        raise InputError(f"none of {len(asked)} answers was given and graded in every arm ({told}); see the errors in "
                         f"{ablation.folder / 'arms'}, and run again with --retry-errors")  # fmt: skip
    kept_rows = {name: [arm.answers[id] for id in kept] for name, arm in rows.items()}
    graded = {name: [arm.graded[id] for id in kept] for name, arm in rows.items()}
    compared = compare_options(options)
    candidates = {arm.name: graded[arm.name] for arm in ablation.arms}
    to_base = compare_many(graded[BASE], candidates, base_name=BASE, options=compared) if candidates else {}
    lines = []
    for arm in (None, *ablation.arms):
        name = arm.name if arm else BASE
        rival = arm.rival if arm and arm.rival in graded else None
        pair = (graded[rival], graded[name]) if rival else None
        lines.append(
            ArmFigures(
                name=name,
                told=arm.told if arm else BASE_TOLD,
                overall=_figures(graded[name], options),
                revised=mean(bool(row.get("accepted")) for row in kept_rows[name]),
                spent=_spent(kept_rows[name]),
                most_calls=arm.most_calls if arm else None,
                to_base=to_base.get(name),
                rival=rival,
                to_rival=compare_answers(*pair, names=(str(rival), name), options=compared) if pair else None,
            )
        )
    first = graded[BASE][0]
    credits = {
        what: compare_answers(graded[without], graded[having], names=(without, having), options=compared)
        for what, without, having in CREDITS
        if without in graded and having in graded
    }
    counts = (len(kept), lines[0].overall.prompts, len(asked), missing)
    return Results(tuple(lines), *counts, first.judge, first.canary, credits)


def compare_options(options: Options) -> CompareOptions:
    """Return the options of a comparison of two arms."""
    return CompareOptions(samples=options.samples, seed=options.seed, length_penalty=options.length_penalty)


def arm_object(arm: ArmFigures) -> dict[str, Any]:
    """Return a line of the table as JSON's object."""
    return {
        "arm": arm.name,
        "told": arm.told,
        **arm.overall.as_dict(),
        "revised": arm.revised,
        "per_answer": asdict(arm.spent),
        "most_calls": arm.most_calls,
        "to_base": comparison_object(arm.to_base),
        "rival": arm.rival,
        "to_rival": comparison_object(arm.to_rival),
    }


def _figures(graded: Sequence[GradedAnswer], options: Options) -> Figures:
    found = summarise(graded, samples=options.samples, seed=options.seed, length_penalty=options.length_penalty)
    return found.overall


def _spent(rows: Sequence[Row]) -> Spent:
    names = Spent.__dataclass_fields__
    return Spent(**{name: mean(row["usage"].get(name, 0) for row in rows) for name in names})


def comparison_object(found: Comparison | None) -> dict[str, Any] | None:
    """Return what a table says of two arms as JSON's object."""
    if found is None:
        return None
    return {
        "against": found.name_a,
        "verdict": verdict_of(found.overall),
        **asdict(found.overall),
        "p_among_candidates": found.p_among_candidates,
        "harm": asdict(found.changes["all"].harm),
        "gain": asdict(found.changes["all"].gain),
        "critical_harm": asdict(found.changes["critical"].harm),
        "length_ratio": found.length.ratio_of_means,
        "length_adjusted": asdict(found.length.adjusted),
        "outcomes": asdict(found.outcomes),
        "power": asdict(found.power),
    }
