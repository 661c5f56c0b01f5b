"""The leakage report as JSON, Markdown and lines for a terminal. Names rows by id and place, and quotes no text of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from training.selection.leaks import (
    FAULT_LIKENESS,
    FAULT_SHARE,
    LISTED_LIKENESS,
    LISTED_SHARE,
    Leak,
    LeakReport,
)
from training.selection.wordings import RUN

_SHOWN = 20
"""Leaks on a terminal."""


def report_object(report: LeakReport) -> dict[str, Any]:
    """Return the report as JSON has it."""
    return {
        "train": list(report.train),
        "against": list(report.against),
        "train_rows": report.train_rows,
        "benchmark_rows": report.benchmark_rows,
        "leaking_rows": len(report.leaking),
        "faults": len(report.faults),
        "listed": len(report.listed),
        "faults_by_kind": dict(Counter(leak.how for leak in report.faults)),
        "thresholds": {
            "run_words": RUN,
            "fault_share": FAULT_SHARE,
            "listed_share": LISTED_SHARE,
            "fault_likeness": FAULT_LIKENESS,
            "listed_likeness": LISTED_LIKENESS,
        },
        "embedder": report.embedder,
        "leaks": [asdict(leak) for leak in report.leaks],
    }


def report_markdown(report: LeakReport) -> str:
    """Return the report for a reader."""
    return "\n".join(
        [
            "# Leakage report",
            "",
            summary(report),
            "",
            f"Compared by id, by text (the same; the share of runs of {RUN} words in common, a fault from {FAULT_SHARE:.0%}, "
            f"listed from {LISTED_SHARE:.0%}), by criterion (the same sentence) and by meaning (cosine with {report.embedder}, a "
            f"fault from {FAULT_LIKENESS}, listed from {LISTED_LIKENESS}). No text of the benchmark is shown.",
            *_table("Faults", report.faults),
            *_table("Worth a look", report.listed),
            "",
        ]
    )


def summary(report: LeakReport) -> str:
    """Return what was found, in one sentence."""
    compared = (
        f"{report.train_rows:,} rows of {', '.join(report.train)} against {report.benchmark_rows:,} of "
        f"{', '.join(report.against)}"
    )
    if not report.leaks:
        return f"{compared}: no leak."
    kinds = ", ".join(f"{how} {count:,}" for how, count in Counter(leak.how for leak in report.faults).most_common())
    leaking, listed = len(report.leaking), len(report.listed)
    told = f"{leaking:,} {'row leaks' if leaking == 1 else 'rows leak'} ({kinds})" if kinds else "no leak"
    return f"{compared}: {told}; {listed:,} {'pair is' if listed == 1 else 'pairs are'} worth a look."


def print_leaks(report: LeakReport, say: Callable[[str], object] = print) -> None:
    """Print the summary and the first leaks, faults first."""
    say(summary(report))
    shown = [*report.faults, *report.listed][:_SHOWN]
    for leak in shown:
        mark = "leak" if leak.is_fault else "look"
        say(f"  {mark}: {leak.train_place} ({leak.train}) is {leak.benchmark_place} ({leak.benchmark}): {_how(leak)}")
    if (more := len(report.leaks) - len(shown)) > 0:
        say(f"  … and {more:,} more; --output writes them all")


def _table(title: str, leaks: list[Leak]) -> Iterator[str]:
    if leaks:
        yield from ("", f"## {title}", "", "| training data | benchmark | why |", "|---|---|---|")
        for leak in leaks:
            yield f"| {_cell(leak.train)} | {_cell(leak.benchmark)} | {_how(leak)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _how(leak: Leak) -> str:
    if leak.how == "same criterion":
        return "1 criterion is the same" if leak.value == 1 else f"{leak.value:.0f} criteria are the same"
    return leak.how if leak.how in ("id", "same text") else f"{leak.how} {leak.value:.2f}"
