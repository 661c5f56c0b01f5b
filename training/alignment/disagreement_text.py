"""How the reward's judge and the gold judge differ, as the model card tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training.alignment.disagreement import Disagreement
from training.alignment.gold import GoldPoint

_ROWS: dict[str, str] = {
    "verdicts that both gave": "known",
    "of them different": "share",
    "… met, by gold unmet": "false_met",
    "… unmet, by gold met": "false_unmet",
    "… in the answer's favour, mean over questions": "kind",
    "Cohen's kappa": "kappa",
    "share of gold's verdicts that it gave too": "coverage",
    "score by it": "own_score",
    "score by the gold judge, on the same answers": "gold_score",
}
_NUMBERS = ("kappa", "own_score", "gold_score")


def disagreement_lines(judged: Sequence[tuple[str, GoldPoint]], *, plain: Callable[[str], str]) -> list[str]:
    """Return a section's lines for judgements with their names, empty where nobody compared; `plain` makes text fit for a cell."""
    found = [(name, point.disagreement) for name, point in judged if point.disagreement]
    if not found:
        return []
    names, compared = [name for name, _ in found], [one for _, one in found]
    axes = sorted({group for one in compared for group in one.cells if group.startswith("axis:")})
    rows = {**_ROWS, **{f"different, {plain(axis.removeprefix('axis:'))}": axis for axis in axes}}
    return [
        "",
        f"The judge of the reward, as far as it costs nothing (`{plain(compared[0].judge)}`), beside the gold judge:",
        "",
        f"| held-out answers | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(f"| {told} | {' | '.join(_cell(one, name) for one in compared)} |" for told, name in rows.items()),
        "",
    ]


def _cell(found: Disagreement, name: str) -> str:
    if name == "known":
        return f"{found.whole.known:,}"
    value = found.metrics().get(f"disagreement/{name}")
    if value is None:
        return "–"
    return f"{value:.3f}" if name in _NUMBERS else f"{value:.1%}"
