"""From verdicts to a reward: pure arithmetic, no judging. docs/rewards.md has it with a worked example.

Sources: the score is HealthBench's (arXiv 2505.08775, section 4; as a reward, the explicit aggregation of RaR, arXiv 2507.17746);
saturation and veto follow Rubric Anchors (arXiv 2508.12790), the length budget DAPO's soft overlong punishment (arXiv 2503.14476).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from training.alignment.config import LengthSection, RewardSection, VetoSection

Met = bool | None
"""A verdict; None: unknown."""
Gap = Literal["undecided", "veto undecided", "no positive points"]
"""Why verdicts that are there make no reward."""
LOWEST = -1.0
"""Of the score that is shaped: else one rubric with few positive points and grave penalties would outweigh all others."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Reward:
    """What an answer earns."""

    value: float | None
    """None: can't be scored; `gap` says why."""
    gap: Gap | None = None
    is_vetoed: bool = False
    length_penalty: float = 0.0
    """What was taken off for its length."""


def known_share(points: Sequence[int], mets: Sequence[Met]) -> float:
    """Return the share of the points, by size, that have a verdict; 1 where there are no points at all."""
    total = sum(map(abs, points))
    known = sum(abs(size) for size, met in zip(points, mets, strict=True) if met is not None)
    return known / total if total else 1.0


def plain_score(points: Sequence[int], mets: Sequence[Met], *, min_known: float) -> float | Gap:
    """Return points met over positive points, both of the criteria with a verdict; below 0 where penalties outweigh, at most 1.

    Too small a share with a verdict, or none on a positive criterion, is no score.
    """
    if not any(size > 0 for size in points):
        return "no positive points"
    known = [(size, met) for size, met in zip(points, mets, strict=True) if met is not None]
    possible = sum(size for size, _ in known if size > 0)
    if not possible or known_share(points, mets) < min_known - _ROUNDING:
        return "undecided"
    return sum(size for size, met in known if met) / possible


def gold_reward(points: Sequence[int], mets: Sequence[Met], *, min_known: float) -> Reward:
    """Return the plain score, as a held-out answer is measured by: never shaped."""
    score = plain_score(points, mets, min_known=min_known)
    return Reward(None, score) if isinstance(score, str) else Reward(score)


def shaped_reward(points: Sequence[int], mets: Sequence[Met], *, words: int, rules: RewardSection) -> Reward:
    """Return the score, from -1 up to the saturation, no more than the veto's reward where a veto is met, less the length penalty.

    Every step from the score on only takes away, so that meeting a penalty, or saying more than the budget, never pays.
    """
    veto = _veto(points, mets, rules.veto)
    if veto is None:
        return Reward(None, "veto undecided")
    score = _score(points, mets, rules)
    if isinstance(score, str):
        if not (veto and rules.veto and score == "undecided"):
            return Reward(None, score)
        score = rules.veto.reward  # whatever the other verdicts would be, it isn't worth more
    value = max(score, LOWEST)
    if rules.saturate_at is not None:
        value = min(value, rules.saturate_at)
    if veto and rules.veto:
        value = min(value, rules.veto.reward)
    penalty = length_penalty(words, rules.length)
    return Reward(value - penalty, is_vetoed=veto, length_penalty=penalty)


def length_penalty(words: int, rule: LengthSection | None) -> float:
    """Return 0 up to the budget, the whole penalty from budget + buffer on, and what lies on the line between."""
    if rule is None:
        return 0.0
    return rule.penalty * min(1.0, max(0.0, (words - rule.budget) / rule.buffer))


def floor(rules: RewardSection) -> float:
    """Return the least that a judged completion can get: the worst score or the veto's reward, less the whole length penalty."""
    worst = min(LOWEST, rules.veto.reward) if rules.veto else LOWEST
    return worst - (rules.length.penalty if rules.length else 0.0)


def _score(points: Sequence[int], mets: Sequence[Met], rules: RewardSection) -> float | Gap:
    """Return the plain score; positive only: penalties count neither for it nor for what must be known."""
    if rules.positive_only:
        kept = [number for number, size in enumerate(points) if size > 0]
        points, mets = [points[number] for number in kept], [mets[number] for number in kept]
    return plain_score(points, mets, min_known=rules.min_known)


def _veto(points: Sequence[int], mets: Sequence[Met], rule: VetoSection | None) -> bool | None:
    """Tell whether a grave penalty is met; None where that is open: one is unknown, and none is known to be met."""
    if rule is None:
        return False
    grave = [met for size, met in zip(points, mets, strict=True) if size <= rule.points]
    if any(grave):
        return True
    return None if None in grave else False
