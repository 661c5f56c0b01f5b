"""One trial of the study: a small judge trained on one half of the conversations, asked about the other, beside the baselines.

Its result is one JSON file: the reference's verdict, the judge's logit and the baselines' probabilities per criterion, without a
word of the rows. All figures are worked out from these files (study_report.py), the calibration too.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.small_judge.calibration import polarity
from agent.small_judge.folder import JudgeFolder, Precision, read_judge_folder
from agent.small_judge.reading import Pair
from evals.graded import Grade, GradedAnswer, graded_row
from evals.reports.files import write_report
from training.judge_distillation.baselines import Floats, commoner_verdict, logistic_regression
from training.judge_distillation.rows import conversation_key
from training.judge_distillation.samples import axis_of
from training.judge_distillation.splits import split
from training.judge_distillation.study_material import Material

if TYPE_CHECKING:
    from training.judge_distillation.options import DistilOptions

RESULT, TRAIN, TEST, JUDGE = "result.json", "train.jsonl", "test.jsonl", "judge"
PLAIN = "-plain"
"""Ends the name of a trial without augmentation."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
_SEEDS_OF_BOTH = 2
"""Seeds in which the whole half's judge is asked in both precisions, which takes minutes."""
_HALVES = 90_000
"""Added to a trial's seed where conversations are halved, so that the training's own split is another draw."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one training differs in from the others."""

    seed: int
    size: int | None = None
    """Verdicts to train on; None: all of the half."""
    augmented: bool = True

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"seed-{self.seed}-{self.size or 'all'}{'' if self.augmented else PLAIN}"

    @property
    def asks_both(self) -> bool:
        """Tell whether the judge is asked in float32 and in eight bits."""
        return self.size is None and self.augmented and self.seed < _SEEDS_OF_BOTH


def carry_out(
    trial: Trial, material: Material, folder: Path, options: DistilOptions, tell: Callable[[str], None]
) -> None:
    """Train, ask, and write the result last; begun again it goes on where the training was."""
    from training.small_judge import distil

    folder.mkdir(parents=True, exist_ok=True)
    train, test = halves(material.answers, trial.seed)
    train = drawn(train, trial.size, trial.seed)
    _write_rows(train, folder / TRAIN)
    _write_rows(test, folder / TEST)
    began = perf_counter()
    distil([folder / TRAIN], folder / JUDGE, options, progress=tell)
    seconds = {"training": perf_counter() - began}
    judge = read_judge_folder(folder / JUDGE)
    held = split(train, share=options.held_share, seed=options.seed)[1]
    held_logits = scored(judge, held, material.pairs, precision="fp32", threads=options.threads)
    logits = {}
    for precision in PRECISIONS if trial.asks_both else (judge.facts.serves,):
        began = perf_counter()
        logits[precision] = scored(judge, test, material.pairs, precision=precision, threads=options.threads)
        seconds[f"asking, {precision}"] = perf_counter() - began
    met, features, signs = _labels(train), _labelled(train, material.features), _signs(train)
    chances = {
        "similarities": logistic_regression(features, met, _labelled(test, material.features)),
        "majority": commoner_verdict(signs, met, _signs(test)),
    }
    result = {
        "trial": asdict(trial),
        "train": {"verdicts": len(met), "answers": len(train), "conversations": len(_keys(train))},
        "seconds": seconds,
        "risk": options.risk,
        "serves": judge.facts.serves,
        "held": {**_rows(held), "logits": held_logits.tolist()},
        "rows": _rows(test),
        "logits": {name: found.tolist() for name, found in logits.items()},
        "chances": {name: np.round(found, 5).tolist() for name, found in chances.items()},
        "detectors": [None if np.isnan(value) else int(value) for value in _labelled(test, material.detectors)],
    }
    write_report(folder / RESULT, json.dumps(result) + "\n")
    tell("done: " + ", ".join(f"{stage} {took:.0f} s" for stage, took in seconds.items()))


def halves(answers: Sequence[GradedAnswer], seed: int) -> tuple[list[GradedAnswer], list[GradedAnswer]]:
    """Return the answers to one half of the conversations, to train on, and those to the other."""
    return split(answers, share=0.5, seed=_HALVES + seed)


def drawn(answers: Sequence[GradedAnswer], size: int | None, seed: int) -> list[GradedAnswer]:
    """Return as many answers as have `size` verdicts, from as many conversations as can be; all where they have no more.

    The last answer's surplus verdicts become unknown, so that the number is exact.
    """
    if size is None:
        return list(answers)
    found: list[GradedAnswer] = []
    for answer in in_turn(answers, seed):
        if size <= 0:
            break
        found.append(_with_verdicts(answer, size))
        size -= sum(grade.met is not None for grade in answer.grades)
    return found


def in_turn(answers: Sequence[GradedAnswer], seed: int) -> list[GradedAnswer]:
    """Return the answers in an order drawn by lot: one to each conversation, then a second to each…"""
    shuffled = sorted(answers, key=lambda answer: answer.id)
    random.Random(seed).shuffle(shuffled)
    turns: Counter[str] = Counter()
    ranked = []
    for answer in shuffled:
        key = conversation_key(answer)
        ranked.append((turns[key], answer))
        turns[key] += 1
    return [answer for _, answer in sorted(ranked, key=lambda item: item[0])]


def _with_verdicts(answer: GradedAnswer, most: int) -> GradedAnswer:
    left, grades = most, []
    for grade in answer.grades:
        grades.append(grade if left > 0 else Grade(None))
        left -= grade.met is not None
    return replace(answer, grades=tuple(grades))


def scored(
    judge: JudgeFolder,
    answers: Sequence[GradedAnswer],
    pairs: Mapping[str, Sequence[Pair]],
    *,
    precision: Precision,
    threads: int | None,
) -> Floats:
    """Return a small judge's logits of the criteria that have a verdict, in their order."""
    from agent.small_judge.scorer import PairScorer

    wanted = [
        pair
        for answer in answers
        for pair, grade in zip(pairs[answer.id], answer.grades, strict=True)
        if grade.met is not None
    ]
    return PairScorer(judge.model(precision), threads=threads).logits(wanted).astype(np.float64)


def _labelled(answers: Sequence[GradedAnswer], values: Mapping[str, Floats]) -> Floats:
    """Return the rows of the criteria that have a verdict, of values per criterion by answer."""
    return np.concatenate([values[answer.id][[grade.met is not None for grade in answer.grades]] for answer in answers])


def _labels(answers: Sequence[GradedAnswer]) -> Any:
    return np.array([grade.met for answer in answers for grade in answer.grades if grade.met is not None])


def _signs(answers: Sequence[GradedAnswer]) -> Any:
    return np.array(
        [
            polarity(criterion) == "positive"
            for answer in answers
            for criterion, grade in zip(answer.rubric, answer.grades, strict=True)
            if grade.met is not None
        ]
    )


def _keys(answers: Sequence[GradedAnswer]) -> list[str]:
    return sorted({conversation_key(answer) for answer in answers})


def _rows(answers: Sequence[GradedAnswer]) -> dict[str, list[Any]]:
    """Return what is known of each criterion that has a verdict, column by column; answers by number, conversations by key."""
    rows = [
        {
            "met": int(grade.met),
            "positive": int(polarity(criterion) == "positive"),
            "axis": axis_of(criterion.tags),
            "answer": number,
            "conversation": conversation_key(answer),
        }
        for number, answer in enumerate(answers)
        for criterion, grade in zip(answer.rubric, answer.grades, strict=True)
        if grade.met is not None
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _write_rows(answers: Sequence[GradedAnswer], file: Path) -> None:
    """Write graded rows unless they are there already: training goes on only with the file it began with."""
    text = "".join(json.dumps(graded_row(answer), ensure_ascii=False) + "\n" for answer in answers)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_report(file, text)
