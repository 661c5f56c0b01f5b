"""How a turn is begun: it is kept, and known to its run, before any work is done and before anybody is told that it is."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace

from agent.review.claims import ConversationBusyError
from agent.review.gate import RunSteps, StepGate
from agent.review.progress import begun
from agent.review.run import Events, Key, Run, explained
from agent.review.turn import TurnChanged
from agent.state import AgentContext
from principles_store.errors import ClinAlignError


class DeskBusyError(ClinAlignError):
    """The conversation's last turn is still being worked on, or was cut off."""


class UnkeptError(ClinAlignError):
    """A turn can't be kept, so nothing is begun."""


class NothingToDoError(ClinAlignError):
    """The turn that was to be gone on with is finished."""


def begun_run(
    key: Key, make: Callable[[AgentContext], Events], context: AgentContext, gate: StepGate, *, is_decision: bool
) -> Run:
    """Return the run of the events that `make` gives for a context of the run's own; its turn is kept by then.

    Raises the errors above, and InputError for what can't be asked or decided.
    """
    cancelled = threading.Event()
    try:
        events = make(replace(context, cancelled=cancelled, step_gate=RunSteps(gate, cancelled)))
        first = next(events, None)
    except ConversationBusyError as error:
        raise DeskBusyError("the last question was cut off; reload the page to go on with it") from error
    except (OSError, sqlite3.Error) as error:
        raise UnkeptError(explained(error)) from error
    if not isinstance(first, TurnChanged):
        raise NothingToDoError("the turn is finished already")
    return Run(key, begun(first.turn), events, cancelled=cancelled, is_decision=is_decision)
