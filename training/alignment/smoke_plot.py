"""The picture of a smoke experiment: gold by step, a line per seed, of rewarded runs and of their controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.alignment.curves import GOLD, TRAIN
from training.alignment.history import gold_interval
from training.alignment.smoke_stats import REWARDED, SHUFFLED, Run, scored

_STYLES = {
    REWARDED: (GOLD, "o-", "rewards of the rubric"),
    SHUFFLED: (TRAIN, "s--", "the same, shuffled within each step"),
}
_INCHES, _DPI = (7.2, 3.6), 120


def draw_smoke(runs: Sequence[Run], path: Path) -> Path:
    """Draw the gold scores of all runs, with 95 % intervals over questions, and return the PNG; the same runs, the same bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    for arm, (colour, stroke, label) in _STYLES.items():
        for number, run in enumerate(run for run in runs if run.arm == arm):
            points = scored(run.folder)
            steps, scores = [point.step for point, _ in points], [score for _, score in points]
            ends = [gold_interval(point) or (score, score) for point, score in points]
            low, high = zip(*ends, strict=True)
            axes.plot(steps, scores, stroke, color=colour, linewidth=1.5, markersize=4, label=None if number else label)
            axes.fill_between(steps, low, high, color=colour, alpha=0.1, linewidth=0)
    axes.set_xlabel("GRPO step")
    axes.set_ylabel("gold: held-out questions")
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", frameon=False, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", metadata={"Software": None})
    return path
