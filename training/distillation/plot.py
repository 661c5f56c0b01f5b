"""The plot of a distillation: coverage against the size of the library. An original drawing, no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from evals.reports.svg import MARK, Scale, bottom_axis, dot, drawing, left_axis, line, round_scale, text

_TOP_PX, _PLOT_PX, _AXIS_PX = 22, 220, 40
_STYLES = ((MARK, 2.5, ""), (MARK, 2.0, "6 4"), ("currentColor", 1.2, ""), ("currentColor", 1.2, "3 3"))
_LEGEND_PX = 18


def coverage_plot(
    curves: Mapping[str, Sequence[float]], *, knee: int, points: Mapping[str, Sequence[tuple[int, float]]], title: str
) -> str:
    """Return curves by size from 1, at most four, single points of the baselines, and a dashed line at the knee."""
    longest = max(len(shares) for shares in curves.values())
    across = round_scale([0, longest])
    highest = max([0.05, *(share for shares in curves.values() for share in shares), *_heights(points)])
    up = round_scale([0, highest])
    top = _TOP_PX + _LEGEND_PX * (len(curves) + len(points))
    base = top + _PLOT_PX
    marks = left_axis([(_height(tick, up, base), f"{tick:.0%}") for tick in up.ticks])
    marks += bottom_axis(across, top=top, y=base, name="principles")
    for number, (name, shares) in enumerate(curves.items()):
        stroke, width, dash = _STYLES[number % len(_STYLES)]
        y = _TOP_PX + _LEGEND_PX * number
        marks += [line("0%", y - 4, "8%", y - 4, stroke=stroke, width=width, dash=dash), text(name, "9%", y)]
        marks += _path(shares, across, up, base, stroke, width, dash)
    for number, (name, found) in enumerate(points.items()):
        opacity = 0.9 - 0.5 * number / max(1, len(points) - 1)
        y = _TOP_PX + _LEGEND_PX * (len(curves) + number)
        marks += [dot("4%", y - 4, fill="currentColor", radius=4, opacity=opacity), text(name, "9%", y)]
        marks += [
            dot(
                across.percent(size), round(_height(share, up, base), 1), fill="currentColor", radius=4, opacity=opacity
            )
            for size, share in found
        ]
    at = across.percent(knee)
    marks += [line(at, top, at, base, stroke="currentColor", width=1.2, dash="4 4"), text(f"knee {knee}", at, base - 6)]
    told = "; ".join(f"{name}: {shares[-1]:.1%} at {len(shares)}" for name, shares in curves.items() if shares)
    return drawing(marks, height=base + _AXIS_PX, title=title, description=f"{told}; knee at {knee}")


def _path(
    shares: Sequence[float], across: Scale, up: Scale, base: float, stroke: str, width: float, dash: str
) -> list[str]:
    """Return the curve as short lines, since positions across are per cent, which a path doesn't take."""
    ends = [(0, 0.0), *enumerate(shares, start=1)]
    return [
        line(
            across.percent(a), round(_height(h, up, base), 1), across.percent(b), round(_height(k, up, base), 1),
            stroke=stroke, width=width, dash=dash if b % 2 or not dash else "",
        )
        for (a, h), (b, k) in pairwise(ends)
    ]  # fmt: skip


def _height(share: float, scale: Scale, base: float) -> float:
    return base - _PLOT_PX * float(scale.percent(share)[:-1]) / 100


def _heights(points: Mapping[str, Sequence[tuple[int, float]]]) -> list[float]:
    return [share for found in points.values() for _, share in found]
