"""What there is to see of a turn while it is being worked on: a picture that never changes, and how an event makes the next one.

Pure; who tells the pictures to whom is in `run.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from agent.events import (
    AnswerToken,
    CriteriaVoid,
    CriterionSeen,
    DraftToken,
    EditProposed,
    Event,
    PrincipleFound,
    Stage,
    StageEvent,
    UsageSpent,
    VerdictGiven,
    Version,
)
from agent.review.turn import Turn, TurnChanged

Rows = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Progress:
    """A turn at work, as far as it has come."""

    turn: Turn
    ahead: int = 0
    """Runs that wait before it."""
    has_started: bool = False
    """False while it waits for its place."""
    draft: str = ""
    """As it is being written, or as given."""
    is_draft_given: bool = False
    done: tuple[Stage, ...] = ()
    """Finished steps in order; those of a second round come again."""
    scenario: Mapping[str, Any] | None = None
    principles: Rows = ()
    rubric: Rows = ()
    seen: Rows = ()
    """Criteria as the model writes them, until their step is finished: criterion, points, verdict."""
    verdicts: Mapping[Version, Rows] = field(default_factory=dict)
    """Of a revision: those of the last round that was judged."""
    edits: Rows = ()
    """Of the last round."""
    rounds: int = 0
    """Rounds for which edits were proposed."""
    usage: Mapping[str, Any] | None = None
    is_over: bool = False


def begun(turn: Turn) -> Progress:
    """Return the first picture of a turn: what is known before anything happens."""
    given, output = turn["given_draft"], turn["output"]
    draft = given if given is not None else output["draft"] if output else ""
    return Progress(turn, draft=draft, is_draft_given=given is not None)


def progressed(progress: Progress, event: Event | TurnChanged) -> Progress:
    """Return the next picture; the same one where the event shows nothing."""
    changes: dict[str, Any] = {}
    match event:
        case TurnChanged(turn):
            changes = {"turn": turn}
        case StageEvent(stage, data):
            changes = _finished(progress, stage, data)
        case DraftToken(text, restart):
            changes = {"draft": text if restart else progress.draft + text}
        case PrincipleFound(principle):
            changes = {"principles": (*progress.principles, principle)}
        case CriterionSeen(criterion):
            changes = {"seen": (*progress.seen, criterion)}
        case CriteriaVoid():
            changes = {"seen": ()}
        case VerdictGiven(version, verdict):
            changes = {"verdicts": {**progress.verdicts, version: _with_verdict(progress, version, verdict)}}
        case EditProposed(edit):
            changes = _proposed(progress, edit)
        case UsageSpent(usage):
            changes = {"usage": usage}
        case AnswerToken():  # the whole answer comes with its turn
            pass
    return replace(progress, **changes) if changes else progress


def failed(progress: Progress, error: str) -> Progress:
    """Return the last picture of a turn that ended without the store being able to say so."""
    return replace(progress, turn=cast(Turn, {**progress.turn, "error": error}), is_over=True)


def is_pressing(earlier: Progress, later: Progress) -> bool:
    """Tell whether somebody who sees the one should see the other at once."""
    return (
        len(later.done) != len(earlier.done)
        or later.turn["error"] != earlier.turn["error"]
        or later.is_over
        or later.has_started != earlier.has_started
    )


def _finished(progress: Progress, stage: Stage, data: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {"done": (*progress.done, stage), "seen": ()}
    changes |= {name: data[name] for name in ("draft", "scenario", "usage") if name in data}
    return changes | {name: tuple(data[name]) for name in ("principles", "rubric") if name in data}


def _with_verdict(progress: Progress, version: Version, verdict: Mapping[str, Any]) -> Rows:
    earlier = progress.verdicts.get(version, ())
    is_complete = len(earlier) >= len(progress.rubric)  # so it was an earlier round's
    return (verdict,) if is_complete else (*earlier, verdict)


def _proposed(progress: Progress, edit: Mapping[str, Any]) -> dict[str, Any]:
    round_ = progress.done.count("revise") + 1
    earlier = progress.edits if progress.rounds == round_ else ()
    return {"edits": (*earlier, edit), "rounds": round_}
