"""A table of the study as Markdown: each cell a mean over the seeds with its standard deviation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, stdev

from training.judge_distillation.study_results import Result

Figure = Callable[[Result], float | None]
Row = tuple[str, Sequence[Result], Sequence[Figure]]
"""Label, the results that are averaged over, and a figure per column."""


def table(title: str, head: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a table of means over the results with their standard deviations; rows without a result are left out."""
    lines = [f"**{title}**", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for label, results, figures in rows:
        if results:
            cells = (label, str(len(results)), *(_cell([figure(result) for result in results]) for figure in figures))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = fmean(known)
    digits = 0 if abs(mean) >= 10 else 3
    spread = stdev(known) if len(known) > 1 else 0.0
    return f"{mean:,.{digits}f} ± {spread:,.{digits}f}" if spread else f"{mean:,.{digits}f}"
