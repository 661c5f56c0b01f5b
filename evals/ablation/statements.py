"""What an ablation shows, in plain sentences: first whether the agent has given more than the same budget without it."""

from __future__ import annotations

from collections.abc import Iterator

from evals.ablation.arms import GENERIC, SHIPPED
from evals.ablation.labelled import Labelled
from evals.ablation.results import ArmFigures, Results
from evals.comparison.compare import Comparison
from evals.comparison.findings import interval, verdict_of

_MORE_CALLS = 1.1
"""Times the rival's calls from which on it is said that the budgets were not used alike."""


def statements(found: Results) -> list[str]:
    """Return the sentences, the main one first: it is about the agent as shipped, whatever the other arms show."""
    main = found.of(SHIPPED)
    if main is None:
        opening = [f"The arm {SHIPPED}, the agent as it is shipped, was not run: nothing is said of its worth."]
    elif main.to_rival is None:
        opening = [
            f"Without the arm {GENERIC}, which has the same budget, no gain can be credited to principles or seeds."
        ]
    else:
        opening = [_told(main.to_rival, main, found)]
    others = [arm for arm in found.arms if arm.to_rival is not None and arm.name != SHIPPED]
    return [*opening, *_credits(found), *_beside(others, found)]


def _credits(found: Results) -> Iterator[str]:
    for what, pair in found.credits.items():
        yield f"What the {what} add, all else alike ({pair.name_b} against {pair.name_a}): {interval(pair.overall)}."


def label_statements(found: Labelled) -> list[str]:
    """Return what is to be said of the true labels."""
    told = f"True labels: {found.asked:,} of {found.asked + found.without:,} answers have them, the others have the classifier's"
    if found.results is None:
        return [f"{told}: nothing can be said of them."]
    told += f"; among {found.results.answers:,} that count, the classifier was wrong in a facet of {found.corrected:,}."
    if found.gain is None:
        return [told]
    return [told, f"On these, true labels against the classifier's: {interval(found.gain.overall)}."]


def _told(pair: Comparison, arm: ArmFigures, found: Results) -> str:
    verdict, figures = verdict_of(pair.overall), interval(pair.overall)
    on = f"on {pair.overall.n:,} prompts"
    if verdict == "better":
        text = f"The agent has shown a gain over self-critique with the same budget: {figures} {on}."
    elif verdict == "worse":
        text = f"The agent has done worse than self-critique with the same budget: {figures} {on}."
    elif verdict == "too few prompts":
        text = f"Too few prompts to tell whether the agent gives more than self-critique with the same budget: {figures} {on}."
    else:
        text = f"The agent has not shown a gain over self-critique with the same budget: {figures} {on}{_power(pair)}."
    return text + _budget(arm, found)


def _power(pair: Comparison) -> str:
    least = pair.power.detectable
    return "" if least is None else f"; a difference of {least:.3f} would have been seen in 80 % of cases"


def _budget(arm: ArmFigures, found: Results) -> str:
    """Return what is to be said where both could have made as many calls, and did not."""
    rival = found.of(arm.rival or "")
    if rival is None or arm.spent.calls <= _MORE_CALLS * rival.spent.calls:
        return ""
    return (
        f" Though both might make {arm.most_calls} calls, {arm.name} made {arm.spent.calls:.2f} per answer and {rival.name} "
        f"{rival.spent.calls:.2f}: a gain may be owed to the calls."
    )


def _beside(arms: list[ArmFigures], found: Results) -> Iterator[str]:
    if not arms:
        return
    told = [
        f"{arm.name} against {arm.rival} {interval(arm.to_rival.overall)}" for arm in arms if arm.to_rival is not None
    ]
    yield (f"Beside it, uncorrected for so many looks: {'; '.join(told)}.")
    for arm in arms:
        if note := _budget(arm, found):
            yield note.strip()
