"""When the policy has gone to where the reward's judge is wrong: what is said of it at a judgement of the held-out questions.

Two rules. **Drift**: against the first judgement, question by question, the mean of a measure has risen by more than two standard
errors of the paired difference, in two judgements in a row. The measures are the share of verdicts that are wrong and pay (met of
what is wanted, unmet of a penalty), and the gap of the two judges' scores. One judgement alone would be told by chance in
every fourth run or so; how often two in a row are, and how often a true rise is found: drift_simulation.py. **Beyond its
bounds**: more verdicts are wrong than the small judge's bounds were chosen for, by more than two standard errors over questions:
it was distilled from other answers, or from another judge, than are judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import fmean, stdev

from training.alignment.disagreement import Disagreement

ERRORS = 2.0
FEWEST = 8
"""Questions, below which a standard error says too little."""
_MEASURES: Mapping[str, str] = {
    "kindness": "the share of verdicts of the reward's judge that are wrong by the gold judge, in the policy's favour,",
    "gap": "what the reward's judge gives beyond the gold judge's score",
}
_ROUNDING = 1e-9


def drift_warnings(course: Sequence[Disagreement]) -> list[str]:
    """Return what is new to tell of the last of a run's comparisons, in the order of their judgements."""
    told = [
        _risen(course, measure, words)
        for measure, words in _MEASURES.items()
        if _has_drifted(course, measure) and not _has_drifted(course[:-1], measure)
    ]
    if course and _is_beyond(course[-1]) and not any(map(_is_beyond, course[:-1])):
        told.append(_beyond(course[-1]))
    return told


def has_risen(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Tell whether the values of the questions that both have are higher on average by more than chance."""
    rises = [value - before[name] for name, value in after.items() if name in before]
    return len(rises) >= FEWEST and fmean(rises) > ERRORS * stdev(rises) / sqrt(len(rises)) + _ROUNDING


def _has_drifted(course: Sequence[Disagreement], measure: str) -> bool:
    if len(course) < 3:  # the first, and two that are compared with it
        return False
    first = course[0].by_question(measure)
    return all(has_risen(first, later.by_question(measure)) for later in course[-2:])


def _is_beyond(found: Disagreement) -> bool:
    """Tell whether the share of wrong verdicts is above the risk; its error is that of a ratio of sums over questions."""
    counts = [(one.known, one.wrong) for one in found.questions.values() if one.known]
    if found.risk is None or len(counts) < FEWEST:
        return False
    known = sum(size for size, _ in counts)
    share = sum(wrong for _, wrong in counts) / known
    squares = sum((wrong - share * size) ** 2 for size, wrong in counts)
    error = sqrt(squares * len(counts) / (len(counts) - 1)) / known
    return share > found.risk + ERRORS * error


def _risen(course: Sequence[Disagreement], measure: str, words: str) -> str:
    before, after = course[0].mean(measure) or 0.0, course[-1].mean(measure) or 0.0
    return (
        f"{words} rose from {before:.3f} at the first judgement to {after:.3f}: the policy is going to where "
        f"{course[-1].judge} is wrong; use a checkpoint from before, distil that judge anew from graded answers of this policy, "
        "or reward by a better one"
    )


def _beyond(found: Disagreement) -> str:
    return (
        f"{found.judge} differs from the gold judge in {found.whole.share or 0:.0%} of the verdicts that both give, and its "
        f"bounds were chosen for {found.risk:.0%}: it knows these answers less well than those it was distilled from, "
        "or the gold judge is another judge than those were graded by"
    )
