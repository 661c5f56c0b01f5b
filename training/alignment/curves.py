"""The course of a run as one picture: reward beside gold, unscored answers, length, what the judge took.

Colours are Okabe and Ito's, which people with any colour vision tell apart; lines differ in stroke and lightness besides, so that a
copy in grey can be read. The one importer of matplotlib.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.alignment.disagreement import Disagreement
from training.alignment.gold import GoldPoint, best_of
from training.alignment.history import gold_interval, read_gold, read_log, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES = "curves.png"
TRAIN, GOLD, DARK = "#56B4E9", "#D55E00", "#222222"
"""Sky blue is light in grey, vermilion dark."""
_SMOOTHED = 20
"""Steps behind a smoothed value, at most: rewards of single steps jump with their questions."""
_INCHES, _DPI = (7.2, 8.4), 120

Log = Sequence[Mapping[str, Any]]


def draw_curves(folder: Path) -> Path:
    """Draw curves.png of a run folder, also one of a run that is under way, and return its path; the same logs, the same bytes."""
    from matplotlib.figure import Figure

    log, gold = read_log(folder), read_gold(folder)
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    compared = [(point.step, point.disagreement) for point in gold if point.disagreement]
    heights = [3, 1, 1.5, 1, *([1.5] if compared else [])]
    reward, unscored, length, judge, *more = figure.subplots(len(heights), sharex=True, height_ratios=heights)
    _draw_reward(reward, log, gold)
    _draw_unscored(unscored, log)
    _draw_length(length, log)
    _draw_judge(judge, log)
    if compared:
        _draw_disagreement(more[0], compared)
    (more or [judge])[0].set_xlabel("step")
    part = folder / f".{CURVES}.part"
    figure.savefig(part, format="png", metadata={"Software": None})  # pyplot is left alone: it would open windows
    return part.replace(folder / CURVES)


def smoothed(values: Sequence[float], width: int = _SMOOTHED) -> list[float]:
    """Return at each place the mean of the last `width` values up to it, of as many as there are at the beginning."""
    return [sum(values[max(0, end - width) : end]) / min(width, end) for end in range(1, len(values) + 1)]


def _draw_reward(axes: Axes, log: Log, gold: Sequence[GoldPoint]) -> None:
    steps, rewards = series(log, "reward")
    axes.plot(steps, rewards, ".", color=TRAIN, markersize=3, alpha=0.6)
    axes.plot(steps, smoothed(rewards), "--", color=TRAIN, linewidth=2, label=f"training, mean of {_SMOOTHED} logs")
    judged = [(point, point.gold) for point in gold if point.gold is not None]
    at, scores = [point.step for point, _ in judged], [score for _, score in judged]
    axes.plot(at, scores, "o-", color=GOLD, linewidth=1.5, markersize=4, label="gold: held-out questions, plain score")
    banded = [(point.step, *ends) for point, _ in judged if (ends := gold_interval(point))]
    if banded:
        where, low, high = zip(*banded, strict=True)
        axes.fill_between(where, low, high, color=GOLD, alpha=0.2, linewidth=0, label="gold, 95 % over questions")
    if best := best_of(gold):
        axes.axvline(best.step, color=DARK, linestyle=":", linewidth=1, label=f"best by gold, step {best.step}")
    _finish(axes, "reward", is_empty=not (steps or judged), legend=True)


def _draw_unscored(axes: Axes, log: Log) -> None:
    steps, shares = series(log, "reward/none")
    axes.plot(steps, [100 * share for share in shares], color=DARK, linewidth=1)
    axes.set_ylim(0, max(5.0, 105 * max(shares, default=0)))
    _finish(axes, "no reward, %", is_empty=not steps)


def _draw_length(axes: Axes, log: Log) -> None:
    trained, asked = series(log, "completions/mean_length"), series(log, "eval_completions/mean_length")
    axes.plot(*trained, "--", color=TRAIN, linewidth=1.5, label="training")
    axes.plot(*asked, "o-", color=GOLD, linewidth=1.5, markersize=4, label="held-out")
    axes.set_ylim(bottom=0)
    _finish(axes, "answer, tokens", is_empty=not (trained[0] or asked[0]), legend=True)


def _draw_judge(axes: Axes, log: Log) -> None:
    """Draw what a step's judging costs, or where nothing has a price, its calls."""
    (steps, costs), calls = series(log, "judge/cost"), series(log, "judge/calls")
    is_priced = any(costs)
    axes.plot(*((steps, costs) if is_priced else calls), color=DARK, linewidth=1)
    axes.set_ylim(bottom=0)
    _finish(axes, "judge, cost\nper step" if is_priced else "judge, calls\nper step", is_empty=not (steps or calls[0]))


def _draw_disagreement(axes: Axes, compared: Sequence[tuple[int, Disagreement]]) -> None:
    """Draw how many verdicts of the reward's judge are wrong by the gold judge, and how many of those pay."""
    steps = [step for step, _ in compared]
    for name, label, look in (
        ("share", "wrong by gold", {"marker": "s", "linestyle": "-", "color": DARK}),
        ("kind", "wrong and in the answer's favour", {"marker": "o", "linestyle": "--", "color": GOLD}),
    ):
        values = [found.metrics().get(f"disagreement/{name}", nan) for _, found in compared]
        axes.plot(steps, [100 * value for value in values], linewidth=1.5, markersize=4, label=label, **look)  # type: ignore[arg-type]
    axes.set_ylim(bottom=0)
    _finish(axes, "verdicts of the\nreward's judge, %", is_empty=False, legend=True)


def _finish(axes: Axes, label: str, *, is_empty: bool, legend: bool = False) -> None:
    axes.set_ylabel(label)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    if is_empty:
        axes.text(0.5, 0.5, "nothing logged", transform=axes.transAxes, ha="center", va="center", color=DARK)
    elif legend:
        axes.legend(fontsize="small", frameon=False)
