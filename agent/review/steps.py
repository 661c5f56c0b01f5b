"""The steps of a turn under review: one function each, returning only the turn that it changed.

They never fail for what a model, a judge or a person does: a turn says itself why it has no answer or no verdicts. Else a
conversation whose step fails each time could never be gone on with.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from traceback import extract_tb
from typing import Any, TypeVar, cast

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent import api
from agent.batch.exports.row_shapes import without_half_characters
from agent.errors import CancelledError, InputError
from agent.events import StageEvent
from agent.judge import checked_verdicts
from agent.ledger import Ledger
from agent.review.decisions import latest, read_decisions
from agent.review.state import ReviewState
from agent.review.turn import BUG, STOPPED, Turn, asked, decided, edits, new_turn
from agent.rubric import Criterion, critique_rows
from agent.state import AgentContext, AgentOutput
from agent.trace import write_decisions
from agent.weave import Weave
from principles_store.errors import ClinAlignError

_log = logging.getLogger(__name__)
Update = dict[str, Any]
T = TypeVar("T")


def ask(state: ReviewState) -> Update:
    """Make the question a turn."""
    return {"turns": [new_turn(state["question"], state.get("draft"))], "question": "", "draft": None}


def answer(state: ReviewState, runtime: Runtime[AgentContext]) -> Update:
    """Have the agent answer the last turn; its events go to who streams `custom`."""
    turn = state["turns"][-1]
    context = replace(runtime.context, answer_id=turn["id"])

    def answered() -> AgentOutput:
        for event in api.stream(asked(state["turns"]), draft=turn["given_draft"], context=context):
            runtime.stream_writer(event)
        return cast(AgentOutput, cast(StageEvent, event).data)  # the last is the whole answer

    output, error = _outcome(answered)
    return _changed(turn, output=output, answer=output and output["answer"], error=error)


def has_edits(state: ReviewState) -> bool:
    """Tell whether there is something to decide on."""
    return bool(edits(state["turns"][-1]))


def review(state: ReviewState) -> Update:
    """Wait for a person's decisions; what is none is asked for again, since LangGraph gives a step the same once more."""
    turn = state["turns"][-1]
    request: dict[str, Any] = {"turn": turn["id"], "edits": len(edits(turn))}
    while True:
        given = interrupt(request)
        try:
            decisions = read_decisions(given, turn)
        except InputError as error:
            request = {**request, "error": str(error)}
        else:
            return _changed(turn, decisions=[*turn["decisions"], *decisions])


def recompose(state: ReviewState) -> Update:
    """Put the answer together anew, without the edits that are rejected and those that rest on them."""
    turn = state["turns"][-1]
    output = cast(AgentOutput, turn["output"])
    rejected = [edit for edit, decision in decided(turn).items() if decision["decision"] == "reject"]

    def recomposed() -> tuple[list[int], str]:
        weave = Weave.of(output["draft"], output["patches"])
        return sorted(weave.left_out(rejected)), weave.text(rejected)

    done, error = _outcome(recomposed)
    left_out, text = done or (turn["left_out"], turn["answer"])
    return _changed(turn, left_out=left_out, answer=text, verdicts=None, verdicts_error=error)


def judge_again(state: ReviewState, runtime: Runtime[AgentContext]) -> Update:
    """Judge a recomposed answer on the turn's rubric, unless its text has been judged before."""
    turn, context = state["turns"][-1], runtime.context
    ledger = Ledger(context.limits, clock=context.clock, cancelled=context.cancelled, memory=context.memory)
    verdicts, error = None, turn["verdicts_error"]
    if error is None and turn["left_out"]:
        verdicts, error = _outcome(lambda: _known(turn) or _judged(state, context, ledger))
    update = _changed(turn, verdicts=verdicts, verdicts_error=error)
    if context.trace:
        calls = [call.as_dict() for call in ledger.calls]
        write_decisions(context.trace, update["turns"][0], latest(turn), calls=calls, with_text=context.trace_text)
    return update


def _known(turn: Turn) -> list[dict[str, Any]] | None:
    """Return the verdicts on the standing text from when it was the draft, or the agent's answer."""
    output = cast(AgentOutput, turn["output"])
    if turn["answer"] == output["draft"]:
        return output["critiques"][0]
    return output["critiques"][-1] if turn["answer"] == output["answer"] else None


def _judged(state: ReviewState, context: AgentContext, ledger: Ledger) -> list[dict[str, Any]]:
    turn = state["turns"][-1]
    output, text = cast(AgentOutput, turn["output"]), cast(str, turn["answer"])
    rubric = [Criterion(row["criterion"], row["points"], row["principle_id"]) for row in output["rubric"]]
    with context.step_gate():
        conversation, _ = context.engine.fitter(asked(state["turns"]), text)
        ledger.check()
        (verdicts,) = checked_verdicts(context.engine.judge, conversation, [text], rubric, ledger=ledger)
    return critique_rows(rubric, verdicts)


def _outcome(work: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what the work came to, or why it came to nothing."""
    try:
        return work(), None
    except CancelledError:
        return None, STOPPED
    except ClinAlignError as error:
        return None, str(error)
    except Exception as error:  # the outer wall of a turn
        place = extract_tb(error.__traceback__)[-1]
        _log.error("a turn failed by a bug: %s at %s:%s", type(error).__name__, place.filename, place.lineno)
        _log.debug("how it failed", exc_info=True)  # may quote what a patient wrote
        return None, BUG


def _changed(turn: Turn, **changes: Any) -> Update:
    """Return the update of a turn, as plain JSON that UTF-8 can hold: a model may write half a character."""
    return {"turns": [json.loads(without_half_characters(json.dumps({**turn, **changes}, ensure_ascii=False)))]}
