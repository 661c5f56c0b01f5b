"""What a report says in words, the same in the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from evals.figures import Figures
from evals.graded import GradedAnswer
from evals.summary import OWN_MODE, Summary

NOT_A_DEVICE = "Not a medical device: these figures measure texts against rubrics, not their effect on patients."
KEEP_OUT = (
    "Prompts and rubrics may be those of a benchmark. Don't publish the rows, and keep the canary with them, "
    "so that they don't end in training data."
)
UNNAMED_JUDGE = UNNAMED_MODELS = UNNAMED_PROTOCOL = "not named in the file"
MODE_WORDS = {
    OWN_MODE: "unknown verdicts stay unknown; answers unclipped, only their mean is clipped; prompts are resampled",
    "simple-evals": "an unknown verdict counts as unmet; every resampled mean is clipped too; answers are resampled, not prompts",
    "inspect": "an unknown verdict counts as unmet, no positive points as 0; tag scores are clipped answer by answer",
    "medarc": "an unknown verdict counts as unmet, no positive points as 0; every answer's score is clipped before the mean",
    "ruscarl": "an unknown verdict counts as unmet, no positive points as 0; nothing is clipped, no length is adjusted for",
}
"""What a mode's arithmetic does, as against the others."""


def headline(summary: Summary) -> str:
    """Return the result in one line: raw mean (a harness without one: its score), interval, n, judge, mode if not ours."""
    overall = summary.overall
    told = f"{'score' if overall.raw_mean is None else 'raw mean'} {number(centre(overall))}"
    if overall.ci95 is not None:
        told += f", 95 % interval {interval(overall.ci95)}"
    mode = "" if summary.mode == OWN_MODE else f"; arithmetic of {summary.mode}"
    return f"{told}; {counted(overall.n, 'answer')} to {counted(overall.prompts, 'prompt')}; judge: {judge_name(summary)}{mode}"


def facts(summary: Summary, answers: Sequence[GradedAnswer]) -> list[tuple[str, str]]:
    """Return (what, figure with its conditions) of the whole file, in the order in which they are read."""
    overall, own = summary.overall, summary.mode == OWN_MODE
    found = [("raw mean", number(overall.raw_mean))] if own or overall.raw_mean is not None else []
    found += [
        ("score", f"{number(overall.score)}{', the raw mean clipped to 0..1' * own}"),
        ("95 % interval", _interval_told(summary)),
        ("answers", _answers_told(summary, answers)),
        ("verdicts", _verdicts_told(overall, answers)),
        ("length", _length_told(summary)),
        ("judge", judge_name(summary)),
        ("protocol", summary.protocol or UNNAMED_PROTOCOL),
    ]
    if summary.cascade is not None:
        found += zip(("verdicts by", "saved"), summary.cascade.told(), strict=True)
    if summary.judge_disagreement is not None:
        found.append(("judges differ on", f"{summary.judge_disagreement:.1%} of the criteria"))
    found.append(("models", ", ".join(summary.models) or UNNAMED_MODELS))
    found.append(("mode", f"{summary.mode}: {MODE_WORDS[summary.mode]}"))
    return [*found, *(("note", note) for note in summary.notes)]


def centre(figures: Figures) -> float | None:
    """Return the raw mean, or the score where a harness reports no raw mean."""
    return figures.score if figures.raw_mean is None else figures.raw_mean


def judge_name(summary: Summary) -> str:
    """Return who gave the verdicts."""
    return summary.judge or UNNAMED_JUDGE


def number(value: float | None) -> str:
    """Return a score to three digits with a true minus sign; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def interval(ends: tuple[float, float] | None) -> str:
    """Return [low, high]."""
    return "–" if ends is None else f"[{number(ends[0])}, {number(ends[1])}]"


def bounds(figures: Figures) -> tuple[float, float] | None:
    """Return what unknown verdicts leave open; None where nothing is unknown."""
    if not figures.unknown or figures.low is None or figures.high is None:
        return None
    return figures.low, figures.high


def characters(value: float | None) -> str:
    """Return a mean length in whole characters."""
    return "–" if value is None else f"{value:,.0f}"


def counted(n: int, thing: str) -> str:
    """Return `1 answer`, `5,000 answers`."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def _interval_told(summary: Summary) -> str:
    overall = summary.overall
    if overall.bootstrap_std is None:
        return "none"
    resampled = "prompts" if summary.mode == OWN_MODE else "answers"
    drawn = (
        f"standard error {number(overall.bootstrap_std)}; {counted(summary.samples, 'bootstrap sample')} of {resampled}"
    )
    return f"{interval(overall.ci95) if overall.ci95 else 'none'}, {drawn}, seed {summary.seed}"


def _answers_told(summary: Summary, answers: Sequence[GradedAnswer]) -> str:
    overall = summary.overall
    parts = [f"{overall.n:,} to {counted(overall.prompts, 'prompt')}"]
    if overall.skipped:
        parts.append(f"{overall.skipped:,} more left out, without positive points in the rubric")
    missing = sum(answer.is_missing for answer in answers)
    if missing:
        parts.append(f"{missing:,} of them missing, all their verdicts unknown")
    if summary.errors > missing:
        parts.append(f"{summary.errors - missing:,} that the judge failed on, in whole or in part")
    return "; ".join(parts)


def _verdicts_told(overall: Figures, answers: Sequence[GradedAnswer]) -> str:
    criteria = sum(len(answer.rubric) for answer in answers if any(criterion.points > 0 for criterion in answer.rubric))
    if not overall.unknown:
        return f"{criteria:,}, none unknown"
    told = f"{criteria:,}, {overall.unknown:,} unknown (coverage {overall.coverage:.1%})"
    ends = bounds(overall)
    return f"{told}: whatever they are, the raw mean is within {interval(ends)}" if ends else told


def _length_told(summary: Summary) -> str:
    overall = summary.overall
    told = f"{characters(overall.mean_characters)} characters on average"
    if overall.length_adjusted is None:
        return told
    return (
        f"{told}; length-adjusted {number(overall.length_adjusted)} "
        f"({summary.length_penalty:g} per 500 characters beyond 2,000)"
    )
