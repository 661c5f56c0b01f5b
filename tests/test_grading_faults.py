"""Judges that fail at random: what is unknown moves no score in either direction, and no failure is booked as not met."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Any

import pytest
from chat_client import open_client
from grading_work import Judge, case_of, cut_off, written

from agent.batch.run import BatchRun
from agent.batch.runners import ThreadRunner
from agent.config import Settings
from agent.testing import FakeServer, Reply
from evals.graded import Grade, GradedAnswer, read_graded
from evals.grading.answers import Answers
from evals.grading.job import GraderOpener, Grading, Judging
from evals.grading.model import ModelGrader
from evals.grading.rehearsed import Asked
from evals.summary import summarise

SEEDS = 6
_BROKEN = ("no JSON", "cut off", "refusal", "one missing", "a word for a verdict", "an error of the server's")


def answers(count: int, seed: int) -> list[dict[str, Any]]:
    """Return answers of which about 60 % of what is wanted holds, and 30 % of what is not, in rubrics of 2 to 9 criteria."""
    chance = Random(seed)
    rows = []
    for number in range(count):
        points = [5, *(chance.choice((-8, -3, 2, 5, 9)) for _ in range(chance.randint(1, 8)))]
        truth = [chance.random() < (0.6 if worth > 0 else 0.3) for worth in points]
        rows.append(
            {
                "id": f"a{number}",
                "prompt": [{"role": "user", "content": "Why?"}],
                "response": " ".join(f"w{n}" for n, met in enumerate(truth) if met) + f" end case{number}",
                "rubrics": [{"criterion": f"Says w{n}", "points": worth, "tags": []} for n, worth in enumerate(points)],
                "example_tags": [],
            }
        )
    return rows


def truth_of(answer: GradedAnswer) -> tuple[Grade, ...]:
    return tuple(Grade(criterion.text.split()[1] in answer.response.split()) for criterion in answer.rubric)


def breaking(share: float, seed: int) -> Judge:
    """Return a judge of which so large a share of replies can't be used, in one way or another."""

    asked: Counter[str] = Counter()

    def instead(request: Asked, _: int) -> Reply | str | None:
        question = f"{seed}:{case_of(request)}:{sorted(request.criteria.values())}"
        asked[question] += 1
        chance = Random(f"{question}:{asked[question]}")  # whatever the order in which the rows come
        if chance.random() >= share:
            return None
        first = '{"verdicts": [{"criterion": 1, "explanation": "", "criteria_met": false}'
        said: dict[str, Reply | str] = {
            "no JSON": "None of them is met.",
            "cut off": dataclasses.replace(cut_off(request), finish_reason="stop"),
            "refusal": Reply("", refusal="No."),
            "one missing": f"{first}]}}" if len(request.criteria) > 1 else "{}",
            "a word for a verdict": f"{first}]}}".replace("false", '"unmet"'),
            "an error of the server's": '{"error": "overloaded"}',
        }
        return said[chance.choice(_BROKEN)]

    return Judge(instead)


def graded(
    share: float, seed: int, folder: Path, *, count: int = 60, attempts: int, per_criterion: bool
) -> list[GradedAnswer]:
    judging = Judging(("openai:fake",), per_criterion, attempts)
    output = folder / f"graded {seed}.jsonl"
    with FakeServer(breaking(share, seed)) as server:
        grader = ModelGrader(open_client(server, max_attempts=1), per_criterion=per_criterion, attempts=attempts)
        source = Answers(written(answers(count, seed), folder / f"answers {seed}.jsonl"))
        runner = ThreadRunner(GraderOpener(Settings(), judging, grader), 8)
        list(BatchRun(Grading(source, Settings(), judging), runner, output=output))
    return list(read_graded(output))


@pytest.mark.slow
@pytest.mark.parametrize(("per_criterion", "count"), [(False, 60), (True, 20)])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2])
def test_broken_replies_bias_no_score_and_are_never_read_as_not_met(
    share: float, per_criterion: bool, count: int, tmp_path: Path
) -> None:
    errors, unknown = [], 0
    for seed in range(SEEDS):
        found = graded(share, seed, tmp_path, count=count, attempts=1, per_criterion=per_criterion)
        true = [dataclasses.replace(answer, grades=truth_of(answer), error=None) for answer in found]
        for answer, wanted in zip(found, true, strict=True):
            for grade, right in zip(answer.grades, wanted.grades, strict=True):
                assert grade.met in (right.met, None), "nothing but the truth or nothing"
        figures, wanted = summarise(found).overall, summarise(true).overall
        assert figures.raw_mean is not None
        assert wanted.raw_mean is not None
        assert figures.low <= wanted.raw_mean + 1e-12
        assert wanted.raw_mean <= figures.high + 1e-12
        errors.append(figures.raw_mean - wanted.raw_mean)
        unknown += figures.unknown
    assert (unknown > 0) == (share > 0)
    assert abs(mean(errors)) <= max(1e-12, 3 * stdev(errors) / SEEDS**0.5)


def test_attempts_leave_little_unknown_of_one_broken_reply_in_five(tmp_path: Path) -> None:
    found = graded(0.2, 1, tmp_path, attempts=3, per_criterion=False)
    lost = sum(answer.error is not None for answer in found)
    assert lost <= 3, "of 60, where 12 would be expected without them"
