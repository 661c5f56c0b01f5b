"""What is wrong with a rubric that was written for a question nobody has labelled, each fault in words that its writer can act on.

Form, doubles, contradictions and copies are `training/rubric_checks.py`'s; here is what only synthesis knows, the numbers of its
reply. Nothing quotes a criterion: the words go back to the model outside of any fence, and to the screen if that doesn't help.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.engine import Case
from principles_store.embedding import Embedder
from principles_store.rubric_entry import RubricCriterion
from training.rubric_checks import check_rubric


def rubric_faults(criteria: Sequence[RubricCriterion], case: Case, embedder: Embedder) -> Iterator[str]:
    """Yield what is wrong with the criteria, by their positions from 1."""
    seeds = [seed.criterion for seed in case.seeds]
    for problem in check_rubric(criteria, conversation=case.conversation, seeds=seeds, embedder=embedder):
        told = problem.message
        for number in problem.criteria:
            told = told.removesuffix(f": {criteria[number].criterion!r}")
        yield told
