"""The study's tables of what a cascade saves, in which the reference is the model that is asked for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from training.judge_distillation.cascading import AtBounds, Curve, at_bounds, by_answer, by_criterion, by_lot
from training.judge_distillation.study_results import SERVING, Result
from training.judge_distillation.study_tables import Row, table

PUBLISHED: Mapping[str, float] = {
    "gpt-oss-120b": 0.653,
    "gpt-oss-20b": 0.585,
    "Qwen3-8B": 0.465,
    "Qwen3-30B-A3B-Instruct": 0.415,
}
"""κ per criterion with GPT-4.1 on fixed rubrics as others report it: of other answers and rubrics than a study's."""
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def cascade_table(results: Sequence[Result]) -> str:
    """Return what a cascade saves: at the judge's own bounds, and where it may fall to the κ of published judges."""
    rows: list[Row] = [
        (
            "κ at the judge's own bounds",
            results,
            [
                lambda result: _at_bounds(result).kappa,
                lambda result: _at_bounds(result).criteria,
                lambda result: by_lot(result.chances_of(SERVING), result.met).kept_at(_at_bounds(result).kappa),
                lambda result: _at_bounds(result).answers,
            ],
        )
    ]
    for name, kappa in PUBLISHED.items():
        rows.append((f"κ of {name}", results, [partial(_const, kappa), *(partial(_kept, way, kappa) for way in _WAYS)]))
    head = ("cascade that keeps", "seeds", "κ", "criteria saved", "the same by lot", "answers saved")
    return table("Share that needs no call of the reference's model", head, rows)


_WAYS: tuple[Callable[[Result], Curve], ...] = (
    lambda result: by_criterion(result.chances_of(SERVING), result.met),
    lambda result: by_lot(result.chances_of(SERVING), result.met),
    lambda result: by_answer(result.chances_of(SERVING), result.met, result.answer),
)


def _const(value: float, _: Result) -> float:
    return value


def _kept(way: Callable[[Result], Curve], kappa: float, result: Result) -> float:
    return way(result).kept_at(kappa)


def _at_bounds(result: Result) -> AtBounds:
    return at_bounds(result.sure(SERVING), result.met, result.answer)


def curve_table(results: Sequence[Result]) -> str:
    """Return κ of the cascade against the share that the small judge keeps."""
    rows: list[Row] = [(f"{share:.0%}", results, [partial(_left, way, share) for way in _WAYS]) for share in _SHARES]
    head = ("share kept", "seeds", "κ, surest criteria", "κ, criteria by lot", "κ, surest answers")
    return table("What a cascade agrees with the reference, by what the small judge keeps", head, rows)


def _left(way: Callable[[Result], Curve], share: float, result: Result) -> float:
    return way(result).kappa_at(share)
