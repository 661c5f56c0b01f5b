"""What a run tells while it goes on: the typed events of `agent.stream()`.

A text is called the answer only in `AnswerToken`, and that comes after the check; a draft's tokens are a draft's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal[
    "classify", "write_draft", "retrieve", "write_rubric", "critique", "revise", "check", "accept", "finish"
]

Version = Literal["draft", "revision"]


@dataclass(frozen=True)
class StageEvent:
    """One finished step of a run; the last is `finish`, whose data is the whole answer."""

    stage: Stage
    data: Mapping[str, Any]
    """What the step added to the output, in the form of the JSON contract."""


@dataclass(frozen=True)
class DraftToken:
    """A piece of the draft as the model writes it; not checked yet. `restart`: what came before is void, it begins anew."""

    text: str
    restart: bool = False


@dataclass(frozen=True)
class PrincipleFound:
    """One retrieved principle, as in `principles` of the answer."""

    principle: Mapping[str, Any]


@dataclass(frozen=True)
class CriterionSeen:
    """One criterion as the model writes it, before its step is finished: criterion, points, verdict; not checked yet."""

    criterion: Mapping[str, Any]


@dataclass(frozen=True)
class CriteriaVoid:
    """The criteria seen so far are void: the model begins its reply anew."""


@dataclass(frozen=True)
class VerdictGiven:
    """One verdict, as in `critiques` of the answer."""

    version: Version
    verdict: Mapping[str, Any]


@dataclass(frozen=True)
class EditProposed:
    """One edit of the revision that is being checked, as in `edits` of the answer."""

    edit: Mapping[str, Any]


@dataclass(frozen=True)
class AnswerToken:
    """A piece of the final text, which has passed the check; all pieces together are the answer."""

    text: str


@dataclass(frozen=True)
class UsageSpent:
    """What the run has spent so far, as in `usage` of the answer."""

    usage: Mapping[str, Any]


Event = (
    StageEvent
    | DraftToken
    | PrincipleFound
    | CriterionSeen
    | CriteriaVoid
    | VerdictGiven
    | EditProposed
    | AnswerToken
    | UsageSpent
)
