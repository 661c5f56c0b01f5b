"""Agreement in words and tables, the same for the terminal and for Markdown. No prompt, answer or criterion is in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from evals.agreement.humans import FEWEST, Humans
from evals.agreement.measures import Agreement, Figures, Interval
from evals.agreement.summary import AgreementSummary
from evals.reports.facts import counted
from evals.reports.groups import kind_title, tag_kind, tag_name

EMBEDDED_ONLY_FOR_SMOKE_TESTS = "The embedded judge is for smoke tests and not for publication."
_PARTS = re.compile(r"[(), ]+")
"""What stands between the judges in the name of a panel or a cascade."""
_MEASURES = {
    "macro_f1": "macro-F1",
    "kappa": "Cohen's κ",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision_met": 'precision of "met"',
    "recall_met": 'recall of "met"',
    "f1_met": 'F1 of "met"',
    "f1_unmet": 'F1 of "unmet"',
}


@dataclass(frozen=True)
class Section:
    """One table with what is to be said of it."""

    title: str
    heads: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)
    lines: tuple[str, ...] = ()


def headline(summary: AgreementSummary) -> str:
    """Return the result in one line: macro-F1, κ, share unknown, n, judge and reference."""
    whole = summary.overall
    return (
        f"{summary.judge} against {summary.reference}: macro-F1 {number(whole.known.macro_f1)}"
        f"{bracket(whole.ci95['macro_f1'])}, κ {number(whole.known.kappa)}{bracket(whole.ci95['kappa'])}, "
        f"unknown {whole.unknown_share:.1%}; {_criteria(whole.criteria)}, {counted(whole.comparisons, 'label')}, "
        f"{counted(whole.prompts, 'prompt')}"
    )


def sections(summary: AgreementSummary) -> Iterator[Section]:
    """Yield what there is to say, the most important first."""
    yield _measures(summary)
    yield _scale(summary)
    yield _leaning(summary)
    yield _confusion(summary.overall)
    yield from _group_sections(summary)
    has_embedded = "embedded" in _PARTS.split(summary.judge)
    if summary.warnings or has_embedded:
        lines = [f"- {warning}" for warning in summary.warnings]
        lines += [f"- {EMBEDDED_ONLY_FOR_SMOKE_TESTS}"] * has_embedded
        yield Section("Read with care", lines=tuple(lines))


def number(value: float | None) -> str:
    """Return a figure with three decimals, a dash where it is not defined."""
    return "–" if value is None else _true_minus(f"{value:.3f}")


def percent(value: float | None, *, signed: bool = False) -> str:
    """Return a share in per cent; of a difference with its sign."""
    return "–" if value is None else _true_minus(f"{100 * value:+.1f}") if signed else f"{value:.1%}"


def bracket(bounds: Interval | None) -> str:
    """Return an interval behind its figure, nothing without one."""
    return "" if bounds is None else _true_minus(f" [{bounds[0]:.2f}, {bounds[1]:.2f}]")


def _criteria(n: int) -> str:
    return counted(n, "criterion").replace("criterions", "criteria")


def _true_minus(figures: str) -> str:
    return figures.replace("-", "−")


def _measures(summary: AgreementSummary) -> Section:
    whole = summary.overall
    heads: tuple[str, ...] = ("", "every verdict known")
    others: tuple[Agreement, ...] = ()
    if whole.unknown:
        heads = ("unknown verdicts", "left out", "as wrong", "as unmet")
        others = (whole.unknown_wrong, whole.unknown_unmet)
    rows = [("labels compared", *(f"{column.n:,}" for column in (whole.known, *others)))]
    for name, words in _MEASURES.items():
        first = f"{number(getattr(whole.known, name))}{bracket(whole.ci95.get(name))}"
        rows.append((words, first, *(number(getattr(column, name)) for column in others)))
    lines = [f"Brackets: 95 %, {counted(summary.samples, 'bootstrap sample')} of prompts, seed {summary.seed}."]
    if summary.majority is not None:
        lines.append(
            f"Against the majority label ({_criteria(summary.majority.n)}, {counted(summary.ties, 'tie')} left out): macro-F1 "
            f"{number(summary.majority.macro_f1)}, κ {number(summary.majority.kappa)}."
        )
    if (means := summary.category_means) is not None and means.categories > 1:
        theirs = (
            "" if means.humans_weighted is None else f"; the people among themselves {number(means.humans_weighted)}"
        )
        lines.append(
            f"Macro-F1 per category, {means.categories} categories: mean {number(means.mean)}, weighted by labels "
            f"{number(means.weighted)}{theirs}."
        )
    return Section("Agreement", heads, rows, tuple(lines))


def _scale(summary: AgreementSummary) -> Section:
    whole = summary.overall
    known, everywhere = [(summary.judge, whole.known)], [(summary.judge, whole.unknown_unmet)]
    known += [(baseline.name, baseline.where_known) for baseline in summary.baselines]
    everywhere += [(baseline.name, baseline.everywhere) for baseline in summary.baselines]
    if summary.humans is not None:
        known.append(("the people among themselves", summary.humans.pooled))
        everywhere.append(("", Agreement(0, *[None] * 8)))
    heads: tuple[str, ...] = ("", "labels", "macro-F1", "κ", "accuracy")
    rows = [_scale_row(name, values) for name, values in known]
    if whole.unknown:
        heads += ("macro-F1,\nunknown\nas unmet", "κ,\nunknown\nas unmet")
        more = [(number(values.macro_f1), number(values.kappa)) for _, values in everywhere]
        rows = [row + cells for row, cells in zip(rows, more, strict=True)]
    lines = [] if summary.humans is None else list(_people(summary, summary.humans))
    return Section("For scale: who reads nothing, and who gave the labels", heads, rows, tuple(lines))


def _scale_row(name: str, values: Agreement) -> tuple[str, ...]:
    return (name, f"{values.n:,}", number(values.macro_f1), number(values.kappa), number(values.accuracy))


def _people(summary: AgreementSummary, humans: Humans) -> Iterator[str]:
    yield f"The people: {_criteria(humans.criteria)} with several labels, each label against the others."
    if humans.macro_f1 is not None:
        yield (
            f"Each of {len(humans.raters):,} people against the others, weighted by labels: macro-F1 "
            f"{number(humans.macro_f1)}; {counted(humans.pairs, 'pair')} with 10 or more criteria in common: mean κ "
            f"{number(humans.pairwise_kappa)}."
        )
    if summary.percentile is not None:
        place, among = summary.percentile
        yield f"The judge stands at percentile {place:.0f} of the {among:,} people with more than {FEWEST} comparisons."


def _leaning(summary: AgreementSummary) -> Section:
    whole = summary.overall
    bounds = whole.ci95["bias"]
    within = "" if bounds is None else _true_minus(f" [{100 * bounds[0]:+.1f}, {100 * bounds[1]:+.1f}]")
    lines = [
        f'Says "met" of {percent(whole.judge_met)}, the reference of {percent(whole.reference_met)}: '
        f"{percent(whole.bias, signed=True)} percentage points{within}."
    ]
    if summary.score is not None:
        effect = summary.score
        lines.append(
            f"Mean score of {counted(effect.answers, 'answer')} on the criteria it decided: {number(effect.judge)}, by "
            f"the reference {number(effect.reference)}: {_true_minus(f'{effect.difference:+.3f}')}{bracket(effect.ci95)}."
        )
    lines += [_far_off_line(name, summary.by_category[name]) for name in summary.far_off]
    return Section("How it leans", lines=tuple(lines))


def _far_off_line(name: str, group: Figures) -> str:
    return (
        f'FAR OFF on {tag_name(name)}: "met" {percent(group.judge_met)} against {percent(group.reference_met)}, '
        f"{percent(group.bias, signed=True)} points."
    )


def _confusion(whole: Figures) -> Section:
    words = ("met", "unmet", "unknown")
    rows = [
        (f"reference: {word}", *(f"{whole.confusion[f'{word}, {said}']:,}" for said in words)) for word in words[:2]
    ]
    return Section("Labels by what the judge says", ("", *words), rows)


def _group_sections(summary: AgreementSummary) -> Iterator[Section]:
    yield from _groups("By who gave the verdict", summary.by_giver, {}, named=str)
    yield from _groups("By sign of the points", summary.by_sign, {})
    yield from _groups("By category", summary.by_category, summary.humans_by_category)
    for kind in sorted({tag_kind(tag) for tag in summary.by_tag}):
        tags = {tag: group for tag, group in summary.by_tag.items() if tag_kind(tag) == kind}
        yield from _groups(kind_title(kind), tags, {})


def _groups(
    title: str, groups: Mapping[str, Figures], people: Mapping[str, Humans], *, named: Callable[[str], str] = tag_name
) -> Iterator[Section]:
    if not groups:
        return
    decided = {name: group for name, group in groups.items() if group.known.n}
    heads: tuple[str, ...] = ("", "labels", "unk.", "met, %\nref.→judge", "macro-F1", "95 %", "κ")
    rows = [_group_row(named(name), group) for name, group in decided.items()]
    if people:
        heads += ("people\nF1",)
        theirs = [number(people[name].pooled.macro_f1) if name in people else "–" for name in decided]
        rows = [(*row, cell) for row, cell in zip(rows, theirs, strict=True)]
    blank = len(groups) - len(decided)
    criteria = sum(group.criteria for group in groups.values() if not group.known.n)
    lines = (f"{blank} more ({_criteria(criteria)}): every verdict unknown.",) if blank else ()
    yield Section(title, heads, rows, lines)


def _group_row(name: str, group: Figures) -> tuple[str, ...]:
    reference, judge = 100 * (group.reference_met or 0), 100 * (group.judge_met or 0)
    return (
        name,
        f"{group.known.n:,}",
        f"{group.unknown_share:.0%}",
        f"{reference:.0f}→{judge:.0f}",
        number(group.known.macro_f1),
        bracket(group.ci95["macro_f1"]).strip(),
        number(group.known.kappa),
    )
