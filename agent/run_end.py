"""How a run ends: with a reason, at a limit, or with what was reached when a model failed. The nodes ask; nothing is done here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

from agent.errors import LimitReachedError, ModelError
from agent.ledger import Ledger
from agent.rubric import Criterion, Verdict, is_satisfied
from agent.state import StoppedBecause

Update = dict[str, Any]
T = TypeVar("T")

UNREVISED = "the model failed, so this is the best version until then, not fully checked"


def needs_more(state: Mapping[str, Any]) -> Literal["continue", "stop"]:
    """Tell the graph whether a step has found a reason to stop."""
    return "stop" if state.get("stopped_because") else "continue"


def reason_to_stop(
    rubric: Sequence[Criterion], verdicts: Sequence[Verdict], ledger: Ledger, *, rounds: int
) -> StoppedBecause | None:
    """Return why no further round should start, or None."""
    if not any(is_satisfied(criterion, verdict) is False for criterion, verdict in zip(rubric, verdicts, strict=True)):
        return "nothing to improve"
    if rounds >= ledger.limits.max_rounds:
        return "limit reached: rounds"
    limit = ledger.exceeded()
    return limit_reached(limit) if limit else None


def limit_reached(name: str) -> StoppedBecause:
    """Return the reason for a limit by its name in the ledger."""
    return cast(StoppedBecause, f"limit reached: {name}")


def stopped(reason: StoppedBecause | None) -> Update:
    """Return the update that ends the run for a reason; without one, nothing."""
    return {"stopped_because": reason} if reason else {}


def spent(ledger: Ledger) -> Update:
    """Return the update that keeps what a step has spent."""
    return {"spent": ledger.spent, "calls": [call.as_dict() for call in ledger.calls]}


def tried(work: Callable[[], T], ledger: Ledger) -> tuple[T | None, Update]:
    """Return what a step made, or what ends the run with the best version so far: a limit, or a model that failed.

    A model that fails is an error of the run where there is no work to keep, since nothing has been paid for yet, or where a
    memory keeps it for another attempt.
    """
    try:
        ledger.check()
        return work(), {}
    except LimitReachedError as error:
        return None, spent(ledger) | stopped(limit_reached(error.limit))
    except ModelError as error:
        if ledger.spent.calls == 0 or (ledger.memory is not None and ledger.memory.begins_anew):
            raise
        return None, {"warnings": [f"{UNREVISED}: {error}"]} | spent(ledger) | stopped("model failed")
