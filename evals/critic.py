"""The embedded critic against graded answers: does it see what another judge saw, where the library knows the criterion?

A criterion counts where a criterion of the library means the same (`EmbeddedJudge.library_criteria`); the share that does,
and the share it leaves unknown, are part of the result. Nothing is fitted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.embedded_judge import EmbeddedJudge
from agent.ledger import Ledger
from agent.state import AgentContext
from evals.dataset import Example
from evals.statistics import cohen_kappa, macro_f1


@dataclass(frozen=True)
class CriticFigures:
    """Agreement over a set of (answer, criterion) pairs."""

    group: str
    criteria: int
    """All graded criteria of the group."""
    mapped: int
    """Those that a library criterion means the same as."""
    known: int
    """Mapped ones with a verdict other than unknown."""
    kappa: float | None
    macro_f1: float | None


@dataclass(frozen=True)
class _Row:
    groups: tuple[str, ...]
    truth: bool
    verdict: str | None
    """None: not mapped."""


def measure_critic(examples: Sequence[Example], context: AgentContext) -> list[CriticFigures]:
    """Return the figures over all graded answers, then per scenario value."""
    judge = EmbeddedJudge(context.index, context.embedder)
    rows: list[_Row] = []
    for example in examples:
        if example.draft is None or not example.verdicts:
            continue
        labels = context.classifier.classify(example.conversation).labels
        groups = ("all", *labels.values())
        verdicts = judge.judge(example.conversation, [example.draft], example.rubric, ledger=Ledger())[0]
        keys = judge.library_criteria(example.conversation, example.rubric)
        for key, truth, verdict in zip(keys, example.verdicts, verdicts, strict=True):
            if truth is not None:
                rows.append(_Row(groups, truth, verdict.value if key else None))
    names = list(dict.fromkeys(group for row in rows for group in row.groups))
    return [_figures(name, [row for row in rows if name in row.groups]) for name in names]


def _figures(name: str, rows: Sequence[_Row]) -> CriticFigures:
    mapped = [row for row in rows if row.verdict is not None]
    known = [row for row in mapped if row.verdict != "unknown"]
    truth, found = [row.truth for row in known], [row.verdict == "met" for row in known]
    return CriticFigures(
        group=name,
        criteria=len(rows),
        mapped=len(mapped),
        known=len(known),
        kappa=cohen_kappa(truth, found) if known else None,
        macro_f1=macro_f1(truth, found) if known else None,
    )
