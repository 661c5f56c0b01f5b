"""Trying a judge in this process, for whoever has a grader in hand; `clinalign eval robustness` keeps its verdicts in a file."""

from __future__ import annotations

from collections.abc import Sequence

from agent.ledger import Ledger, Limits
from evals.graded import GradedAnswer
from evals.grading.grader import Grader, failures
from evals.robustness.attacks import attacks, chosen, trials
from evals.robustness.measure import Robustness, measure

_NO_LIMITS = Limits(max_calls=None, max_tokens=None, max_seconds=None)


def try_judge(
    answers: Sequence[GradedAnswer],
    grader: Grader,
    *,
    injections: Sequence[str] = (),
    names: Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    samples: int = 1000,
) -> Robustness:
    """Return how steady a judge is on the first answers; `names` are those of the attacks, all without any.

    Passages come from all answers, also those behind the limit. Verdicts of the answers play no part.
    """
    tried = chosen(attacks(answers, injections), names)
    found, verdicts = [], {}
    for trial, answer in trials(answers[:limit], tried, seed=seed):
        grades = grader.grade(
            answer.conversation,
            answer.response,
            answer.rubric,
            ledger=Ledger(_NO_LIMITS),
            ids=(answer.id, answer.prompt_id),
        )
        found.append(trial)
        if not failures(grades):
            verdicts[trial.id] = tuple(grade.met for grade in grades)
    return measure(found, verdicts, tried, judge=grader.name, seed=seed, samples=samples)
