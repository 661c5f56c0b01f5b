"""A passage of an answer to another conversation: text of the same kind that is beside the point."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from agent.segments import segments
from evals.graded import GradedAnswer

_WORDS = (5, 80)
_MOST_SEGMENTS = 3
_DRAWS = 20


def foreign_passage(answer: GradedAnswer, donors: Sequence[GradedAnswer], random: Random) -> str | None:
    """Return one to three sentences that stand together; None where all donors have the same conversation, or only long tables."""
    for _ in range(_DRAWS):
        donor = random.choice(donors)
        spans = segments(donor.response)
        if donor.conversation == answer.conversation or not spans:
            continue
        first = random.randrange(len(spans))
        last = min(first + random.randrange(_MOST_SEGMENTS), len(spans) - 1)
        passage = donor.response[spans[first].start : spans[last].end]
        if _WORDS[0] <= len(passage.split()) <= _WORDS[1]:
            return passage
    return None
