"""What is trained on and what is held out: the answers divided, changed copies made, all of them read once.

What was read is kept beside the checkpoints, since a resumed training must find the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.small_judge.reading import PairReader
from evals.graded import GradedAnswer
from training.judge_distillation.augmentation import augmented
from training.judge_distillation.checks import check_split, warnings
from training.judge_distillation.kept_pairs import keep_pairs, kept_pairs
from training.judge_distillation.options import DistilOptions
from training.judge_distillation.pace import Pace
from training.judge_distillation.report import Side
from training.judge_distillation.rows import Labels, conversation_key
from training.judge_distillation.samples import Sample, labelled, make_samples, read_pairs
from training.judge_distillation.splits import split


@dataclass(frozen=True)
class Division:
    """The answers of both sides."""

    train: list[GradedAnswer]
    held: list[GradedAnswer]
    copies: list[GradedAnswer]
    """Changed copies of those trained on."""
    warnings: list[str]

    @property
    def sides(self) -> tuple[Side, Side]:
        """Count both: trained on, held out."""
        return _side(self.train, len(self.copies)), _side(self.held, 0)


@dataclass(frozen=True)
class Material:
    """The samples of both sides."""

    train: list[Sample]
    """With those of changed copies after the others."""
    held: list[Sample]


def divide(labels: Labels, options: DistilOptions) -> Division:
    """Return the sides; raises InputError where one would be too small or all alike."""
    train, held = split(labels.answers, share=options.held_share, seed=options.seed)
    check_split(train, held)
    copies = augmented(train, share=options.augment, seed=options.seed) if options.augment else []
    return Division(train, held, copies, list(warnings(labels, train, held)))


def read_material(division: Division, reader: PairReader, work: Path, echo: Callable[[str], None]) -> Material:
    """Return the samples, read before in the same training or now."""
    answers = [*division.held, *division.train, *division.copies]
    pairs = kept_pairs(work)
    if pairs is None:
        pairs = read_pairs(answers, reader, Pace("answers read", echo))
        keep_pairs(pairs, work)
    samples = make_samples(answers, pairs)
    held = sum(len(labelled(answer)) for answer in division.held)
    return Material(samples[held:], samples[:held])


def _side(answers: Sequence[GradedAnswer], copies: int) -> Side:
    return Side(
        conversations=len({conversation_key(answer) for answer in answers}),
        answers=len(answers),
        verdicts=sum(len(labelled(answer)) for answer in answers),
        met=sum(grade.met is True for answer in answers for grade in answer.grades),
        copies=copies,
    )
