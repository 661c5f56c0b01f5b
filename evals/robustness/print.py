"""Robustness for a person at a terminal. No prompt, answer or criterion is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evals.agreement.report import number, percent
from evals.reports.facts import counted
from evals.robustness.attacks import Claim
from evals.robustness.measure import Interval, Rate, Robustness

_MOSTLY_UNKNOWN = 0.5
_MEANINGS: Mapping[Claim, str] = {
    "control": "The same answer judged again, the judge's own noise",
    "must not": "Changes that must not move a verdict",
    "should not": "Changes that should not, but can be argued about (docs/judge-robustness.md)",
}


def print_robustness(found: Robustness, console: Console) -> None:
    """Print it as two tables, verdicts and scores, with what is to be said of them."""
    console.print(Text(headline(found), style="bold"), soft_wrap=True)
    console.print()
    _print_table(
        console,
        "Verdicts that change",
        ("", "criteria", "flipped", "to met", "to unmet", "to ?", "from ?"),
        [
            (
                figures.attack,
                f"{figures.flipped.of:,}",
                _rate(figures.flipped),
                percent(figures.to_met.share),
                percent(figures.to_unmet.share),
                percent(figures.to_unknown.share),
                percent(figures.from_unknown.share),
            )
            for figures in found.attacks
        ],
    )
    console.print()
    _print_table(
        console,
        "Movement of the score",
        ("", "answers", "mean", "most up", "most down"),
        [
            (
                figures.attack,
                f"{figures.score.answers:,}",
                f"{_signed(figures.score.mean)}{_signed_bounds(figures.score.ci95)}",
                _signed(figures.score.most_up),
                _signed(figures.score.most_down),
            )
            for figures in found.attacks
        ],
    )
    console.print()
    for line in _remarks(found):
        console.print(Text(line), soft_wrap=True)


def headline(found: Robustness) -> str:
    """Return the result in one line: the worst attack of each kind."""
    claims: tuple[Claim, ...] = ("must not", "should not")
    worst = [told for claim in claims if (told := _worst(found, claim))]
    return f"{found.judge}, {counted(found.answers, 'answer')}: {'; '.join(worst) or 'nothing could be compared'}"


def _worst(found: Robustness, claim: Claim) -> str:
    measured = [one for one in found.attacks if one.claim == claim and one.flipped.share is not None]
    if not measured:
        return ""
    worst = max(measured, key=lambda one: one.flipped.share or 0.0)
    if not worst.flipped.count:
        return f"no change that {claim} move a verdict flips one"
    return f"of changes that {claim} move a verdict the worst, {worst.attack}, flips {_rate(worst.flipped)}"


def _print_table(console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.padding, table.collapse_padding = (0, 1), True  # 80 columns hold the widest table
    table.add_column(heads[0], min_width=18)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _remarks(found: Robustness) -> Iterator[str]:
    for claim, meaning in _MEANINGS.items():
        names = [figures.attack for figures in found.attacks if figures.claim == claim]
        if names:
            yield f"{meaning}: {', '.join(names)}."
    left_out = sum(figures.left_out for figures in found.attacks)
    yield (
        "flipped: of the criteria known before and after; to met, to unmet: of those that were the other; to ?: of the known, "
        f"now unknown; from ?: the reverse. {left_out:,} comparisons are left out, since the change may truly bear on the "
        "criterion, or the criterion was not repeated."
    )
    yield f"Brackets: 95 %, {counted(found.samples, 'bootstrap sample')} of prompts, seed {found.seed}."
    if found.criteria and found.unknown > _MOSTLY_UNKNOWN * found.criteria:
        yield (
            f"The judge leaves {found.unknown / found.criteria:.1%} of the criteria unknown as they are: "
            "these figures are of the others alone."
        )
    if found.not_judged:
        yield f"{counted(found.not_judged, 'answer')}, as they are or changed, could not be compared: verdicts are missing."


def _rate(rate: Rate) -> str:
    return f"{percent(rate.share)}{_bounds(rate.ci95)}"


def _bounds(bounds: Interval | None) -> str:
    return "" if bounds is None else f" [{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


def _signed(value: float | None) -> str:
    return number(value) if value is None or value <= 0 else f"+{number(value)}"


def _signed_bounds(bounds: Interval | None) -> str:
    return "" if bounds is None else f" [{_signed(bounds[0])}, {_signed(bounds[1])}]"
