"""The study's tables as Markdown, from its result files alone: means over the seeds with their standard deviations.

The seeds halve the same conversations anew, so their spread is that of the draw and of training, not of other data of the kind.
Nothing is fitted here, and no bound is chosen on the half that tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from evals.agreement.measures import Treatment
from training.judge_distillation.baselines import Booleans
from training.judge_distillation.measures import calibration_error, log_loss
from training.judge_distillation.study_cascade import cascade_table, curve_table
from training.judge_distillation.study_intervals import interval_table
from training.judge_distillation.study_results import SERVING, Measure, Result
from training.judge_distillation.study_seeds import seed_table
from training.judge_distillation.study_tables import Figure, Row, table
from training.judge_distillation.trials import PRECISIONS

_RISKS = (0.1, 0.15, 0.2, 0.25, 0.3)
"""Stated to the bounds, beside the trial's own."""
_LEAST = 30
"""Criteria of an axis in the half that tests, below which it has no κ of its own."""


def tables(results: Sequence[Result]) -> str:
    """Return all tables, of what is done so far."""
    whole = [result for result in results if result.trial.size is None and result.trial.augmented]
    parts = [_ways(results), seed_table(results), _learning(results)]
    if whole:
        parts += [
            interval_table(whole),
            _groups(whole),
            _bounds(whole),
            cascade_table(whole),
            curve_table(whole),
            _seconds(whole),
        ]
    return "\n\n".join(parts)


def _ways(results: Sequence[Result]) -> str:
    """Return the small judge beside the baselines, trained on all of the half."""
    whole = [result for result in results if result.trial.size is None and result.trial.augmented]
    plain = [result for result in results if result.trial.size is None and not result.trial.augmented]
    partners = [one for one in whole if one.trial.seed in {result.trial.seed for result in plain}]
    both = _asked_both(whole)
    rows: list[Row] = []
    for label, found, name in (
        ("small judge", whole, SERVING),
        ("small judge, fp32", both, "fp32"),
        ("small judge, int8", both, "int8"),
        ("logistic regression on similarities", whole, "similarities"),
        ("commoner verdict per polarity", whole, "majority"),
        ("small judge without augmentation", plain, SERVING),
        ("the same seeds with it", partners, SERVING),
    ):
        rows.append((label, found, _of_chances(name)))
    rows.append(("detectors, where they know", whole, _of_detectors("left out")))
    rows.append(("detectors, unknown taken as unmet", whole, _of_detectors("unmet")))
    head = ("judge", "seeds", "κ", "macro-F1", "AUC", "κ positive", "κ negative", "log loss", "ECE", "share decided")
    return table("Agreement with the reference on conversations never seen", head, rows)


def _asked_both(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if set(PRECISIONS) <= set(result.logits)]


def _of_chances(name: str) -> list[Figure]:
    return [
        lambda result: result.agreement(result.said(name), "kappa"),
        lambda result: result.agreement(result.said(name), "macro_f1"),
        lambda result: result.auc(name),
        lambda result: result.agreement(result.said(name), "kappa", result.positive),
        lambda result: result.agreement(result.said(name), "kappa", ~result.positive),
        lambda result: log_loss(result.chances_of(name), result.met),
        lambda result: calibration_error(result.chances_of(name), result.met),
        lambda _: 1.0,
    ]


def _of_detectors(unknown: Treatment) -> list[Figure]:
    def kappa(where: Callable[[Result], Booleans | None], measure: Measure = "kappa") -> Figure:
        return lambda result: result.agreement(result.detectors, measure, where(result), unknown=unknown)

    return [
        kappa(lambda _: None),
        kappa(lambda _: None, "macro_f1"),
        _none,
        kappa(lambda result: result.positive),
        kappa(lambda result: ~result.positive),
        _none,
        _none,
        lambda result: 1.0 if unknown == "unmet" else float((~np.isnan(result.detectors)).mean()),
    ]


def _none(_: Result) -> None:
    return None


def _learning(results: Sequence[Result]) -> str:
    """Return what more verdicts to train on bring."""
    augmented = [result for result in results if result.trial.augmented]
    sizes = sorted({result.trial.size or 0 for result in augmented}, key=lambda size: size or float("inf"))
    rows: list[Row] = []
    for size in sizes:
        found = [result for result in augmented if (result.trial.size or 0) == size]
        rows.append(
            (
                f"{size:,}" if size else "all",
                found,
                [
                    lambda result: float(result.train["verdicts"]),
                    lambda result: float(result.train["conversations"]),
                    lambda result: result.agreement(result.said(SERVING), "kappa"),
                    lambda result: result.agreement(result.said(SERVING), "macro_f1"),
                    lambda result: result.auc(SERVING),
                    lambda result: result.agreement(result.said("similarities"), "kappa"),
                    lambda result: result.auc("similarities"),
                ],
            )
        )
    head = (
        "verdicts",
        "seeds",
        "trained on",
        "conversations",
        "κ",
        "macro-F1",
        "AUC",
        "κ, regression",
        "AUC, regression",
    )
    return table("What more verdicts to train on bring", head, rows)


def _groups(results: Sequence[Result]) -> str:
    """Return κ per axis and polarity, where there are enough criteria."""
    names = sorted({name for result in results for name in result.axis.tolist()})
    groups: list[tuple[str, Callable[[Result], Booleans]]] = [
        ("positive criteria", lambda result: result.positive),
        ("negative criteria", lambda result: ~result.positive),
        *((f"axis {name}" if name else "no axis told", partial(_on_axis, name)) for name in names),
    ]
    rows: list[Row] = [
        (
            label,
            results,
            [
                partial(_size_of_group, of),
                partial(_share_met, of),
                *(partial(_kappa_of_group, of, name) for name in (SERVING, "similarities", "majority")),
            ],
        )
        for label, of in groups
    ]
    head = ("criteria", "seeds", "n", "share met", "κ, small judge", "κ, regression", "κ, commoner verdict")
    return table("By polarity and axis", head, rows)


def _on_axis(name: str, result: Result) -> Booleans:
    return np.array(result.axis == name)


def _size_of_group(of: Callable[[Result], Booleans], result: Result) -> float:
    return float(of(result).sum())


def _share_met(of: Callable[[Result], Booleans], result: Result) -> float | None:
    return float(result.met[of(result)].mean()) if of(result).any() else None


def _kappa_of_group(of: Callable[[Result], Booleans], name: str, result: Result) -> float | None:
    where = of(result)
    return result.agreement(result.said(name), "kappa", where) if where.sum() >= _LEAST else None


def _bounds(results: Sequence[Result]) -> str:
    """Return how far the bounds of unknown keep their risk on conversations that had no part in choosing them."""
    rows: list[Row] = []
    rows.append((f"all, {SERVING}", results, _within(SERVING, _everywhere)))
    for precision in PRECISIONS:
        rows.append((f"all, {precision}", _asked_both(results), _within(precision, _everywhere)))
    for label, positive in (("positive", True), ("negative", False)):
        for word, value in (("met", 1.0), ("unmet", 0.0)):
            rows.append((f"{label}, said {word}", results, _within(SERVING, partial(_of_side, positive), value)))
    for risk in _RISKS:
        others = [result.with_risk(risk) for result in results]
        rows.append((f"all, bounds for {risk:.0%}", others, _within(SERVING, _everywhere)))
    head = ("verdicts", "seeds", "risk stated", "share decided", "share wrong", "κ of the decided")
    return table("Unknown between the bounds", head, rows)


def _everywhere(result: Result) -> Booleans:
    return np.ones(len(result.met), dtype=bool)


def _of_side(positive: bool, result: Result) -> Booleans:
    return result.positive if positive else ~result.positive


def _within(name: str, of: Callable[[Result], Booleans], value: float | None = None) -> list[Figure]:
    def decided(result: Result) -> Booleans:
        sure = result.sure(name)
        return of(result) & (~np.isnan(sure) if value is None else sure == value)

    def wrong(result: Result) -> float | None:
        where = decided(result)
        return float((result.sure(name)[where] != result.met[where]).mean()) if where.any() else None

    return [
        lambda result: result.calibration.risk,
        lambda result: float(decided(result).sum() / of(result).sum()),
        wrong,
        lambda result: result.agreement(result.sure(name), "kappa", decided(result)) if value is None else None,
    ]


def _seconds(results: Sequence[Result]) -> str:
    """Return how long a trial took; other work on the machine is in it."""
    stages = sorted({stage for result in results for stage in result.seconds})
    rows: list[Row] = [(stage, results, [partial(_seconds_of, stage)]) for stage in stages]
    return table("Seconds", ("stage", "seeds", "seconds"), rows)


def _seconds_of(stage: str, result: Result) -> float | None:
    return result.seconds.get(stage)
