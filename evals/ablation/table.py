"""The one table of an ablation, for a terminal and as Markdown, with all that a reader has to know of its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.ablation.arms import CALLS_PER_ROUND
from evals.ablation.labelled import Labelled
from evals.ablation.results import ArmFigures, Options, Results, arm_object, comparison_object
from evals.ablation.statements import label_statements, statements
from evals.comparison.findings import interval
from evals.reports.compare_facts import percent
from evals.reports.facts import KEEP_OUT, NOT_A_DEVICE, number
from evals.reports.facts import interval as ends
from evals.reports.markdown import plain

if TYPE_CHECKING:
    from rich.console import Console

_LABELLED = "On the answers with true scenario labels alone"


@dataclass(frozen=True)
class Report:
    """Everything that is told of an ablation."""

    results: Results
    labelled: Labelled | None
    options: Options
    made_of: Mapping[str, str]
    """Data, models, grader: what a reader needs to judge the figures, by name."""
    warnings: Sequence[str]
    command: str
    """That prints it again."""

    @property
    def sentences(self) -> list[str]:
        """Return what was found, the main thing first."""
        return [*statements(self.results), *(label_statements(self.labelled) if self.labelled else ())]

    @property
    def notes(self) -> list[str]:
        """Return what the columns mean and what was left out."""
        found, options = self.results, self.options
        told = [
            f"Mean score and differences: over {found.answers:,} answers to {found.prompts:,} prompts that every arm has, not "
            f"clipped, with 95 % intervals from {options.samples:,} bootstrap samples of prompts, seed {options.seed}.",
            "Against: the arm with as many rounds and neither principles nor seeds. Harm: criteria that the draft satisfies and "
            "the answer does not. Length: characters over the draft's. Calls, tokens and seconds are means per answer: of the base "
            f"its draft, of the other arms what came after it, at most {CALLS_PER_ROUND} calls a round.",
        ]
        if found.missing:
            lacking = ", ".join(f"{name} {count:,}" for name, count in found.missing.items())
            told.append(
                f"Left out of all arms: {found.asked - found.answers:,} of {found.asked:,} answers, since an arm lacks them or "
                f"their grades ({lacking})."
            )
        return told

    def as_dict(self) -> dict[str, Any]:
        """Return the object of --json."""
        found, labels = self.results, self.labelled
        return {
            "statements": self.sentences,
            "arms": [arm_object(arm) for arm in found.arms],
            "credits": {what: comparison_object(pair) for what, pair in found.credits.items()},
            "answers": found.answers,
            "prompts": found.prompts,
            "asked": found.asked,
            "left_out": found.asked - found.answers,
            "missing": dict(found.missing),
            "labelled": None
            if labels is None
            else {
                "asked": labels.asked,
                "without": labels.without,
                "corrected": labels.corrected,
                "gain": comparison_object(labels.gain),
                "arms": [arm_object(arm) for arm in labels.results.arms] if labels.results else [],
                "answers": labels.results.answers if labels.results else 0,
            },
            "grader": found.judge,
            "samples": self.options.samples,
            "seed": self.options.seed,
            "length_penalty": self.options.length_penalty,
            **self.made_of,
            "warnings": list(self.warnings),
            "canary": found.canary,
        }


_COLUMNS: Mapping[str, Callable[[ArmFigures], str]] = {
    "arm": lambda arm: arm.name,
    "mean score [95 %]": lambda arm: f"{number(arm.overall.raw_mean)} {ends(arm.overall.ci95)}",
    "to base": lambda arm: interval(arm.to_base.overall) if arm.to_base else "–",
    "to the same budget": lambda arm: interval(arm.to_rival.overall) if arm.to_rival else "–",
    "against": lambda arm: arm.rival or "–",
    "harm": lambda arm: percent(arm.to_base.changes["all"].harm.share) if arm.to_base else "–",
    "length": lambda arm: _ratio(arm.to_base.length.ratio_of_means) if arm.to_base else "–",
    "revised": lambda arm: percent(arm.revised) if arm.to_base else "–",
    "calls": lambda arm: f"{arm.spent.calls:.2f}",
    "tokens": lambda arm: f"{arm.spent.tokens:,.0f}",
    "s": lambda arm: f"{arm.spent.seconds:.1f}",
}
_PRINTED: Sequence[tuple[str, Sequence[str]]] = (
    ("", ("arm", "mean score [95 %]", "to base", "harm", "length")),
    ("Per answer", ("arm", "to the same budget", "against", "revised", "calls", "tokens", "s")),
)
"""The columns on a terminal, in two tables that both have room in 80 characters."""
_TEXTS = {"arm", "against"}


def print_report(report: Report, console: Console) -> None:
    """Print the sentences, the figures in two tables, and what is to be known of them."""
    from rich.text import Text

    for number_, sentence in enumerate(report.sentences):
        console.print(Text(sentence, style="" if number_ else "bold"))
    for title, found in _tables(report):
        for part, columns in _PRINTED:
            console.print()
            _print_table(": ".join(filter(None, (title, part))), columns, found, console)
    console.print()
    for note in [*report.notes, *(f"{arm.name}: {arm.told}" for arm in report.results.arms), NOT_A_DEVICE]:
        console.print(Text(note, style="dim"))
    for warning in report.warnings:
        console.print(Text(warning, style="yellow"))


def markdown_report(report: Report) -> str:
    """Return the report as Markdown; no prompt, answer or criterion is in it."""
    return "\n".join(_markdown(report)) + "\n"


def _tables(report: Report) -> Iterator[tuple[str, Results]]:
    yield "", report.results
    if report.labelled and report.labelled.results and report.labelled.without:
        yield _LABELLED, report.labelled.results


def _print_table(title: str, columns: Sequence[str], found: Results, console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in columns:  # where there is less room, a figure is broken, never cut
        table.add_column(name, justify="left" if name in _TEXTS else "right", overflow="fold")
    for arm in found.arms:
        table.add_row(*(Text(_COLUMNS[name](arm)) for name in columns))
    console.print(table)


def _markdown(report: Report) -> Iterator[str]:
    yield "# What the principles are worth"
    for number_, sentence in enumerate(report.sentences):
        yield from ("", plain(sentence) if number_ else f"**{plain(sentence)}**")
    for warning in report.warnings:
        yield from ("", f"Note: {plain(warning)}")
    for title, found in _tables(report):
        yield from ("", *((f"## {title}", "") if title else ()))
        yield f"| {' | '.join(_COLUMNS)} |"
        yield f"|{'|'.join('---' if name in _TEXTS else '---:' for name in _COLUMNS)}|"
        for arm in found.arms:
            yield f"| {' | '.join(plain(cell(arm)) for cell in _COLUMNS.values())} |"
    yield ""
    yield from (f"- {arm.name}: {plain(arm.told)}" for arm in report.results.arms)
    yield ""
    yield from (plain(note) for note in report.notes)
    yield from ("", *(f"- {name}: {plain(told)}" for name, told in report.made_of.items()))
    yield from ("", "## To print it again", "", f"    {report.command}", "", f"{NOT_A_DEVICE} {KEEP_OUT}")
    if report.results.canary:
        yield from ("", f"Canary: {plain(report.results.canary)}")


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
