"""Graded answers as the model reads them: one sample per criterion that has a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.small_judge.calibration import Polarity, polarity
from agent.small_judge.reading import Pair, PairReader
from evals.graded import GradedAnswer
from training.judge_distillation.rows import conversation_key

_AXIS = "axis:"


@dataclass(frozen=True, slots=True)
class Sample:
    """A pair with its label, and what the figures are told apart by."""

    pair: Pair
    met: bool
    side: Polarity
    axis: str | None
    conversation: str
    """Key, as of `rows.conversation_key`."""


def labelled(answer: GradedAnswer) -> list[int]:
    """Return the numbers of the criteria that have a label."""
    return [number for number, grade in enumerate(answer.grades) if grade.met is not None]


def read_pairs(answers: Sequence[GradedAnswer], reader: PairReader, progress: Callable[[int, int], None]) -> list[Pair]:
    """Return the pairs of all labelled criteria, in the order of answers and rubrics; `progress` hears answers done, of all."""
    pairs: list[Pair] = []
    for done, answer in enumerate(answers, start=1):
        rubric = [answer.rubric[number] for number in labelled(answer)]
        pairs += reader.read(answer.conversation, [answer.response], rubric)[0]
        progress(done, len(answers))
    return pairs


def make_samples(answers: Sequence[GradedAnswer], pairs: Sequence[Pair]) -> list[Sample]:
    """Return the samples of answers that were read to `pairs`; raises ValueError if these are of others."""
    keys = [conversation_key(answer) for answer in answers]
    places = [(answer, key, number) for answer, key in zip(answers, keys, strict=True) for number in labelled(answer)]
    return [
        Sample(
            pair,
            answer.grades[number].met is True,
            polarity(answer.rubric[number]),
            axis_of(answer.rubric[number].tags),
            key,
        )
        for pair, (answer, key, number) in zip(pairs, places, strict=True)
    ]


def axis_of(tags: Sequence[str]) -> str | None:
    """Return the axis that a criterion's tags name, if any."""
    return next((tag.removeprefix(_AXIS) for tag in tags if tag.startswith(_AXIS)), None)
