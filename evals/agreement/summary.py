"""All that one comparison of a judge with its reference says, by category, tag and sign, and what in it is not to be relied on.

The arithmetic of one table is in agreement.py, the people's own agreement in agreement_humans.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from evals.agreement.effects import Baseline, ScoreEffect, baselines, grouped, score_effect, sign_of
from evals.agreement.humans import FEWEST, Humans, majority_counts, measure_humans, percentile
from evals.agreement.measures import (
    Agreement,
    Compared,
    Figures,
    Resampling,
    agreement,
    figures,
)
from evals.agreement.pairs import Matching, Reference
from evals.summary import FEW_PROMPTS

FAR_OFF = 0.15
"""Difference of met rates from which a category is named: it moves that category's score by as much."""
_FEWEST_OF_A_CLASS = 25
"""Below it one label moves that class's F1 by a point or more."""
_WIDE = 0.2
"""Width of an interval from which on two judges can hardly be told apart."""


@dataclass(frozen=True)
class CategoryMeans:
    """Macro-F1 per category, put together; each category as HealthBench's meta-evaluation reports it."""

    categories: int
    """Those in which it is defined."""
    mean: float
    weighted: float
    """By comparisons."""
    humans_weighted: float | None


@dataclass(frozen=True)
class AgreementSummary:
    """One judge against one reference."""

    judge: str
    reference: str
    reference_kind: str
    overall: Figures
    by_giver: Mapping[str, Figures]
    """Of a cascade, by the judge that was asked last."""
    by_sign: Mapping[str, Figures]
    by_category: Mapping[str, Figures]
    by_tag: Mapping[str, Figures]
    category_means: CategoryMeans | None
    majority: Agreement | None
    """Against the majority label; None where no criterion has several labels."""
    ties: int
    humans: Humans | None
    humans_by_category: Mapping[str, Humans]
    percentile: tuple[float, int] | None
    baselines: tuple[Baseline, ...]
    score: ScoreEffect | None
    far_off: tuple[str, ...]
    """Categories, the worst first."""
    without_verdict: int
    without_label: int
    reference_unknown: int
    warnings: tuple[str, ...]
    seed: int
    samples: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as the object that --json prints."""
        return asdict(self)


def summarise(reference: Reference, found: Matching, *, samples: int = 1000, seed: int = 0) -> AgreementSummary:
    """Return all figures of a matching with at least one comparison."""
    pairs = found.pairs
    resampling = Resampling(pairs, samples=samples, seed=seed)
    overall = figures(pairs, resampling)
    categories = grouped(pairs, lambda pair: [pair.category] if pair.category else [])
    by_category = _figures(categories, resampling)
    people = {name: humans for name, group in categories.items() if (humans := measure_humans(group))}
    humans = measure_humans(pairs)
    counts, ties = majority_counts(pairs)
    return AgreementSummary(
        judge=found.judge,
        reference=reference.name,
        reference_kind=reference.kind,
        overall=overall,
        by_giver=_figures(grouped(pairs, lambda pair: [pair.giver] if pair.giver else []), resampling),
        by_sign=_figures(grouped(pairs, lambda pair: [sign_of(pair)]), resampling),
        by_category=by_category,
        by_tag=_figures(grouped(pairs, lambda pair: pair.tags), resampling),
        category_means=_category_means(by_category, people),
        majority=agreement(counts) if humans else None,
        ties=ties,
        humans=humans,
        humans_by_category=people,
        percentile=percentile(overall.known.macro_f1, humans) if humans else None,
        baselines=baselines(pairs),
        score=score_effect(pairs, resampling),
        far_off=_far_off(by_category),
        without_verdict=found.without_verdict,
        without_label=found.without_label,
        reference_unknown=found.reference_unknown,
        warnings=tuple(_warnings(overall, by_category, found)),
        seed=seed,
        samples=samples,
    )


def _figures(groups: Mapping[str, Sequence[Compared]], resampling: Resampling) -> dict[str, Figures]:
    return {name: figures(group, resampling) for name, group in groups.items()}


def _category_means(by_category: Mapping[str, Figures], people: Mapping[str, Humans]) -> CategoryMeans | None:
    scored = [(f.known.macro_f1, f.known.n) for f in by_category.values() if f.known.macro_f1 is not None]
    if not scored:
        return None
    theirs = [(h.pooled.macro_f1, h.pooled.n) for h in people.values() if h.pooled.macro_f1 is not None]
    return CategoryMeans(
        categories=len(scored),
        mean=fmean(value for value, _ in scored),
        weighted=fmean(*_columns(scored)),
        humans_weighted=fmean(*_columns(theirs)) if theirs else None,
    )


def _columns(rows: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    return [value for value, _ in rows], [weight for _, weight in rows]


def _far_off(by_category: Mapping[str, Figures]) -> tuple[str, ...]:
    """Name the categories in which the met rates differ by 15 points or more, and not by chance."""
    found = {}
    for name, group in by_category.items():
        bounds = group.ci95["bias"]
        if group.bias is not None and bounds and group.known.n >= FEWEST:
            excludes_zero = bounds[0] > 0 or bounds[1] < 0
            if abs(group.bias) >= FAR_OFF and excludes_zero:
                found[name] = abs(group.bias)
    return tuple(sorted(found, key=lambda name: -found[name]))


def _warnings(overall: Figures, by_category: Mapping[str, Figures], found: Matching) -> Iterable[str]:
    n = overall.known.n
    rarer = min(overall.confusion[f"{word}, met"] + overall.confusion[f"{word}, unmet"] for word in ("met", "unmet"))
    if n == 0:
        yield "the judge left every criterion unknown: there is nothing to compare"
    elif overall.prompts < FEW_PROMPTS:
        yield f"only {overall.prompts} prompts: too few for intervals, take {FEW_PROMPTS} or more"
    if n and rarer < _FEWEST_OF_A_CLASS:
        yield f"only {rarer} comparisons of the rarer word: one label moves its F1 by a point or more"
    bounds = overall.ci95["macro_f1"]
    if bounds and bounds[1] - bounds[0] > _WIDE:
        yield f"the interval of macro-F1 is {bounds[1] - bounds[0]:.2f} wide: too wide to rank judges"
    if overall.unknown_share > 0.05:
        yield f"{overall.unknown_share:.0%} of the criteria are unknown: what is left may be the easier part"
    small = [name for name, group in by_category.items() if group.known.n < FEWEST]
    if small:
        yield f"{len(small)} of {len(by_category)} categories have under {FEWEST} comparisons: too few to tell"
    if found.without_verdict:
        yield (
            f"{found.without_verdict:,} labelled criteria have no verdict and are in no figure, "
            f"the first: {', '.join(found.examples)}"
        )
    if found.reference_unknown:
        yield f"{found.reference_unknown:,} criteria on which the reference itself is unknown are in no figure"
