"""The judges of the agent that need no language model, as graders: a small judge, and the embedded one.

The embedded one is for smoke tests, since it knows only criteria like the library's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.judge import Judge, checked_verdicts
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict
from evals.graded import Grade
from principles_store.conversation import Conversation

if TYPE_CHECKING:
    from agent.config import Settings

_MET = {"met": True, "unmet": False, "unknown": None}


@dataclass(frozen=True)
class LocalGrader:
    """Grades with a judge of the agent's; what that calls unknown stays so, and is no failure."""

    judge: Judge
    protocol: str = "all criteria at once, without a model"

    @property
    def name(self) -> str:
        return self.judge.name

    def grade(
        self,
        conversation: Conversation,
        response: str,
        rubric: Sequence[Criterion],
        *,
        ledger: Ledger,
        ids: Sequence[str] = (),
    ) -> list[Grade]:
        readable = [replace(criterion, text=_encodable(criterion.text)) for criterion in rubric]
        (verdicts,) = checked_verdicts(self.judge, conversation, [_encodable(response)], readable, ledger=ledger)
        return [Grade(_MET[verdict.value], _explanation(verdict)) for verdict in verdicts]


def open_small(folder: Path, settings: Settings) -> LocalGrader:
    """Return the small judge of a folder; raises ConfigError for one that can't be used."""
    from agent.small_judge.judge import load_small_judge

    judge = load_small_judge(folder, cache_dir=settings.cache, threads=settings.threads)
    return LocalGrader(judge, "each criterion by itself, by a small model")


def open_embedded(settings: Settings) -> LocalGrader:
    """Return the judge of detectors, over the library of the settings."""
    from agent.context import load_context

    return LocalGrader(load_context(settings.model_copy(update={"model": None, "judge": None})).engine.judge)


def _encodable(text: str) -> str:
    """Return the text with half characters escaped, which no encoder takes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _explanation(verdict: Verdict) -> str:
    return f"{verdict.reason}: “{verdict.evidence}”" if verdict.evidence and verdict.reason else verdict.reason
