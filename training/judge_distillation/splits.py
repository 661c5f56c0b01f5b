"""Which conversations are held out: whole ones, never single rows, since a rubric and its question teach about each other."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from evals.graded import GradedAnswer
from training.judge_distillation.rows import conversation_key


def split(answers: Sequence[GradedAnswer], *, share: float, seed: int) -> tuple[list[GradedAnswer], list[GradedAnswer]]:
    """Return the answers to train on and those held out: `share` of the conversations, rounded, in the order given.

    Which ones is decided by each conversation's own words and the seed, so that few change sides when others are added.
    """
    keys = {conversation_key(answer) for answer in answers}
    ranked = sorted(keys, key=lambda key: blake2b(f"{seed} {key}".encode(), digest_size=8).digest())
    held = set(ranked[: round(share * len(ranked))])
    sides: tuple[list[GradedAnswer], list[GradedAnswer]] = ([], [])
    for answer in answers:
        sides[conversation_key(answer) in held].append(answer)
    return sides
