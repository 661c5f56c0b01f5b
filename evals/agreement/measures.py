"""How far a judge agrees with a reference, human labels or another judge: pure arithmetic on six counts, reads no files.

Every label of a criterion is a comparison of its own, as in HealthBench's meta-evaluation (arXiv 2505.08775, section 8.1;
openai/simple-evals, healthbench_meta_eval.compute_metrics_for_rater_by_class): macro-F1 is the mean of the F1 of "met" and the
F1 of "unmet", pooled over all comparisons. One difference: a class that only one side ever names has F1 0 here, as the paper's
formula gives it, where that code leaves the figure out. κ is Cohen's (1960). Unknown verdicts are left out of the main figures;
beside them stand the same figures with unknown counted as wrong, and counted as unmet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evals.bootstrap import cluster_counts, interval
from evals.summary import FEW_PROMPTS

Treatment = Literal["left out", "wrong", "unmet"]
"""What an unknown verdict counts as."""
Counts = npt.NDArray[np.float64]
"""Shape (…, 2, 3): the reference's unmet | met by the judge's unmet | met | unknown."""
Interval = tuple[float, float]

UNMET, MET, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Compared:
    """One criterion of one answer on which the reference has spoken, and the judge's verdict."""

    prompt: str
    """What is resampled: the criteria of one conversation stand or fall together."""
    answer: str
    labels: tuple[bool, ...]
    """At least one."""
    verdict: bool | None
    raters: tuple[str, ...] = ()
    """Who gave each label; empty where nobody says."""
    points: int | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    giver: str | None = None
    """Of a cascade, the judge that was asked last."""


@dataclass(frozen=True)
class Agreement:
    """The measures over a set of comparisons; None where one is not defined."""

    n: int
    """Comparisons: labels with a verdict."""
    macro_f1: float | None
    f1_met: float | None
    f1_unmet: float | None
    kappa: float | None
    accuracy: float | None
    balanced_accuracy: float | None
    precision_met: float | None
    recall_met: float | None


@dataclass(frozen=True)
class Figures:
    """What a set of criteria says of the judge."""

    criteria: int
    comparisons: int
    prompts: int
    unknown: int
    """Criteria that the judge left unknown."""
    unknown_share: float
    reference_met: float | None
    """Share of "met" among the labels with a known verdict; the judge's beside it, and the difference."""
    judge_met: float | None
    bias: float | None
    known: Agreement
    unknown_wrong: Agreement
    unknown_unmet: Agreement
    confusion: Mapping[str, int]
    """Comparisons as "reference's word, judge's word"."""
    ci95: Mapping[str, Interval | None]
    """Of macro_f1, kappa and bias, unknown left out; prompts resampled. None below 10 prompts."""


class Resampling:
    """One seeded set of resamples of prompts, shared by all figures of a report; none where the prompts are too few."""

    def __init__(self, pairs: Iterable[Compared], *, samples: int, seed: int) -> None:
        self.place = {
            prompt: n for n, prompt in enumerate(sorted({pair.prompt for pair in pairs}))
        }  # in any order of rows the same
        enough = samples and len(self.place) >= FEW_PROMPTS
        self._draws = cluster_counts(len(self.place), samples, seed).astype(float) if enough else None

    def totals(self, by_prompt: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
        """Return the resampled sums of values per prompt, (prompts, values) -> (samples, values); None without resamples."""
        return None if self._draws is None else self._draws @ by_prompt


def figures(pairs: Sequence[Compared], resampling: Resampling) -> Figures:
    """Return the figures of some criteria, at least one."""
    by_prompt = np.zeros((len(resampling.place), 2, 3))
    for pair in pairs:
        by_prompt[resampling.place[pair.prompt]] += counts_of([pair])
    counts = by_prompt.sum(axis=0)
    prompts = len({pair.prompt for pair in pairs})
    drawn = resampling.totals(by_prompt.reshape(len(by_prompt), 6)) if prompts >= FEW_PROMPTS else None
    resampled = None if drawn is None else measures(drawn.reshape(-1, 2, 3), "left out")
    values = measures(counts, "left out")
    unknown = sum(pair.verdict is None for pair in pairs)
    return Figures(
        criteria=len(pairs),
        comparisons=int(counts.sum()),
        prompts=prompts,
        unknown=unknown,
        unknown_share=unknown / len(pairs),
        reference_met=_value(values["reference_met"]),
        judge_met=_value(values["judge_met"]),
        bias=_value(values["bias"]),
        known=agreement(counts, "left out"),
        unknown_wrong=agreement(counts, "wrong"),
        unknown_unmet=agreement(counts, "unmet"),
        confusion=_confusion(counts),
        ci95={name: interval(resampled[name]) if resampled else None for name in ("macro_f1", "kappa", "bias")},
    )


def counts_of(pairs: Iterable[Compared]) -> Counts:
    """Return how often each word of the reference meets each word of the judge, shape (2, 3)."""
    counts = np.zeros((2, 3))
    for pair in pairs:
        column = UNKNOWN if pair.verdict is None else int(pair.verdict)
        met = sum(pair.labels)
        counts[MET, column] += met
        counts[UNMET, column] += len(pair.labels) - met
    return counts


def agreement(counts: Counts, treatment: Treatment = "left out") -> Agreement:
    """Return the measures of one table of counts."""
    values = {name: _value(value) for name, value in measures(counts, treatment).items()}
    n = int(_treated(counts, treatment).sum())
    return Agreement(n=n, **{name: values[name] for name in Agreement.__dataclass_fields__ if name != "n"})


def measures(counts: Counts, treatment: Treatment) -> dict[str, npt.NDArray[np.float64]]:
    """Return every measure of each table, (…, 2, 3) -> (…); NaN where it is not defined."""
    table = _treated(counts, treatment)
    hits = table[..., [UNMET, MET], [UNMET, MET]]  # (…, 2) per class
    said_by_reference, said_by_judge = table.sum(axis=-1), table.sum(axis=-2)
    n = said_by_reference.sum(axis=-1)
    f1 = _ratio(2 * hits, said_by_reference + said_by_judge[..., :UNKNOWN])
    recall = _ratio(hits, said_by_reference)
    accuracy = _ratio(hits.sum(axis=-1), n)
    chance = _ratio((said_by_reference * said_by_judge[..., :UNKNOWN]).sum(axis=-1), n**2)
    reference_met = _ratio(said_by_reference[..., MET], n)
    judge_met = _ratio(said_by_judge[..., MET], n)
    return {
        "macro_f1": f1.mean(axis=-1),
        "f1_met": f1[..., MET],
        "f1_unmet": f1[..., UNMET],
        "kappa": _ratio(accuracy - chance, 1 - chance),
        "accuracy": accuracy,
        "balanced_accuracy": recall.mean(axis=-1),
        "precision_met": _ratio(hits[..., MET], said_by_judge[..., MET]),
        "recall_met": recall[..., MET],
        "reference_met": reference_met,
        "judge_met": judge_met,
        "bias": judge_met - reference_met,
    }


def _treated(counts: Counts, treatment: Treatment) -> Counts:
    if treatment == "wrong":
        return counts
    table = counts.copy()
    if treatment == "unmet":
        table[..., UNMET] += table[..., UNKNOWN]
    table[..., UNKNOWN] = 0
    return table


def _ratio(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)
    return result


def _value(value: npt.NDArray[np.float64]) -> float | None:
    return None if np.isnan(value) else float(value)


def _confusion(counts: Counts) -> dict[str, int]:
    words = ("unmet", "met", "unknown")
    return {
        f"{words[row]}, {words[column]}": int(counts[row, column]) for row in (MET, UNMET) for column in (1, 0, UNKNOWN)
    }
