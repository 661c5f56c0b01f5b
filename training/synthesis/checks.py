"""What is wrong with a rubric that was written for a question nobody has labelled, each fault in words that its writer can act on.

Form, doubles, contradictions and copies are `training/rubric_checks.py`'s; here is what only synthesis knows, the numbers of its
reply. Nothing quotes a criterion: the words go back to the model outside of any fence, and to the screen if that doesn't help.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.engine import Case
from agent.seeds import MAX_FROM_SEEDS
from principles_store.embedding import Embedder
from principles_store.rubric_entry import TAGS, RubricCriterion
from training.rubric_checks import check_rubric
from training.synthesis.reply import WrittenRubric


def number_faults(reply: WrittenRubric, case: Case) -> Iterator[str]:
    """Yield what of a reply names nothing; criteria can be made of it only if all does."""
    for position, item in enumerate(reply.criteria, start=1):
        if not item.criterion.strip():
            yield f"criterion {position} is empty"
        if item.points == 0:
            yield f"criterion {position}: points must not be 0"
        if not -len(case.seeds) <= item.principle <= len(case.principles):
            yield f"criterion {position}: there is no {'principle' if item.principle > 0 else 'seed'} {abs(item.principle)}"
        if any(tag not in TAGS for tag in item.tags):
            yield f"criterion {position}: an unknown tag; known are {', '.join(TAGS)}"
    if (seeded := sum(item.principle < 0 for item in reply.criteria)) > MAX_FROM_SEEDS:
        yield f"{seeded} criteria come from seeds; at most {MAX_FROM_SEEDS} may"


def rubric_faults(criteria: Sequence[RubricCriterion], case: Case, embedder: Embedder) -> Iterator[str]:
    """Yield what is wrong with the criteria, by their positions from 1."""
    seeds = [seed.criterion for seed in case.seeds]
    for problem in check_rubric(criteria, conversation=case.conversation, seeds=seeds, embedder=embedder):
        told = problem.message
        for number in problem.criteria:
            told = told.removesuffix(f": {criteria[number].criterion!r}")
        yield told
