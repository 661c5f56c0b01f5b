"""The nodes of the graph: one function per step, each returning only what it adds to the state.

Nodes are plain functions, so that both `.invoke` and `.ainvoke` work; whatever they need comes with the runtime context.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Literal, Protocol, cast

from langgraph.runtime import Runtime

from agent.acceptance import compare_blind
from agent.engine import Case
from agent.errors import InputError
from agent.guard import unnamed_losses
from agent.judge import checked_verdicts
from agent.ledger import Ledger, Usage
from agent.request import asked_form
from agent.retrieval import retrieve_principles
from agent.rubric import Criterion, Verdict, critique_rows, is_satisfied
from agent.sentences import count_words
from agent.state import AgentContext, AgentState, StoppedBecause
from principles_store.conversation import MAX_CHARACTERS, parse_conversation

Update = dict[str, Any]


class Step(Protocol):
    """A node."""

    __name__: str

    def __call__(self, state: AgentState, runtime: Runtime[AgentContext]) -> Update: ...


def classify(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Label the conversation on the clinical dimensions; start the clock and forget the thread's earlier run."""
    conversation = parse_conversation(state["conversation"])
    scenario = runtime.context.classifier.classify(conversation)
    return {
        "conversation": conversation,
        "started_at": runtime.context.clock(),
        "spent": Usage(),
        "case": Case(conversation, scenario, asked_form(conversation)),
        "scenario": scenario.as_dict(),
        "original": state.get("draft"),
        "rounds": 0,
        "edits": [],
        "stopped_because": None,
        **dict.fromkeys(("warnings", "judged", "applied")),
    }


def write_draft(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Take the caller's draft, or have one written."""
    given = state["original"]
    if given is not None:
        _check_draft(given)
        return {"draft": given, "best": given}
    ledger = _ledger(state, runtime.context)
    engine = runtime.context.engine
    written = engine.drafter.draft(state["case"], ledger=ledger)
    warnings = (
        [] if engine.drafts_from_model else ["no model is configured: the answer is composed from principles alone"]
    )
    return {"draft": written, "original": written, "best": written, "spent": ledger.spent, "warnings": warnings}


def retrieve(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Find the principles that this conversation and draft call for."""
    context = runtime.context
    found = retrieve_principles(state["case"], context.index, context.embedder, draft=state["best"], k=context.k)
    shown = [
        {
            "id": item.principle.id,
            "title": item.principle.title,
            "dimension": item.principle.dimension,
            "score": item.score,
            "why": list(item.why),
        }
        for item in found
    ]
    return {"case": replace(state["case"], principles=found), "principles": shown}


def write_rubric(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Turn the principles into criteria for this conversation."""
    ledger = _ledger(state, runtime.context)
    rubric = runtime.context.engine.rubric_writer.write(state["case"], state["best"], ledger=ledger)
    return {"criteria": rubric, "rubric": [criterion.as_dict() for criterion in rubric], "spent": ledger.spent}


def critique(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Judge the draft on the rubric."""
    if not state["criteria"]:
        return {"verdicts": (), "stopped_because": "no principle applies"}
    ledger = _ledger(state, runtime.context)
    if limit := ledger.exceeded():
        return {"verdicts": ()} | _stop(_limit_reached(limit))
    judge = runtime.context.engine.judge
    verdicts = tuple(
        checked_verdicts(judge, state["conversation"], [state["best"]], state["criteria"], ledger=ledger)[0]
    )
    update: Update = {"verdicts": verdicts, "judged": [verdicts], "spent": ledger.spent}
    return update | _stop(_reason_to_stop(state["criteria"], verdicts, ledger, rounds=0))


def revise(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Carry out the edits that the failing criteria call for, and no others."""
    ledger = _ledger(state, runtime.context)
    proposal = runtime.context.engine.reviser.revise(
        state["case"],
        state["best"],
        state["criteria"],
        state["verdicts"],
        max_words=ledger.limits.word_budget(count_words(state["original"] or "")),
        ledger=ledger,
    )
    update: Update = {
        "proposal": proposal,
        "spent": ledger.spent,
        "rounds": state["rounds"] + 1,
        "warnings": list(proposal.notes),
    }
    return update | _stop(None if proposal.edits and proposal.text != state["best"] else "no edit possible")


def check(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Refuse a revision that lost a fact without naming it, outgrew its budget, or can't be judged within the limits.

    No model has a say here.
    """
    proposal = state["proposal"]
    lost = unnamed_losses(state["best"], proposal.text, proposal.edits)
    if lost:
        return {"warnings": [f"revision refused, it lost: {', '.join(map(str, lost[:5]))}"]} | _stop(
            "revision lost a fact"
        )
    budget = runtime.context.limits.word_budget(count_words(state["original"] or ""))
    words = count_words(proposal.text)
    if words > budget:
        return {"warnings": [f"revision refused: {words} words, budget {budget}"]} | _stop("revision too long")
    limit = _ledger(state, runtime.context).exceeded()
    return _stop(_limit_reached(limit)) if limit else {}


def accept(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Take the revision only if a fresh, blind judgement finds nothing lost and something gained."""
    ledger, context, proposal = _ledger(state, runtime.context), runtime.context, state["proposal"]
    found = compare_blind(
        context.engine.judge,
        state["conversation"],
        state["criteria"],
        state["best"],
        proposal.text,
        order=Random(f"{context.seed}:{state['best']}"),
        ledger=ledger,
    )
    update: Update = {"spent": ledger.spent}
    if found.lost:
        lost = "; ".join(state["criteria"][number].text for number in found.lost)
        return (
            update
            | {"warnings": [f"revision refused, it no longer satisfies: {lost}"]}
            | _stop("revision lost a criterion")
        )
    if not found.gained:
        return update | _stop("revision gained nothing")
    update |= {
        "best": proposal.text,
        "verdicts": found.verdicts,
        "judged": [found.verdicts],
        "applied": list(proposal.edits),
    }
    return update | _stop(_reason_to_stop(state["criteria"], found.verdicts, ledger, rounds=state["rounds"]))


def finish(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Put the answer into the form that callers rely on."""
    ledger = _ledger(state, runtime.context)
    accepted = bool(state.get("applied"))
    stopped = state["stopped_because"]
    cut_short = stopped.startswith("limit reached") and stopped != "limit reached: rounds"
    return {
        "answer": state["best"],
        "draft": state["original"],
        "accepted": accepted,
        "stopped_because": "revision accepted" if accepted and not cut_short else stopped,
        "critiques": [critique_rows(state["criteria"], verdicts) for verdicts in state.get("judged", [])],
        "edits": [edit.as_dict() for edit in state.get("applied", [])],
        "usage": {
            "calls": ledger.spent.calls,
            "input_tokens": ledger.spent.input_tokens,
            "output_tokens": ledger.spent.output_tokens,
            "seconds": round(ledger.seconds, 3),
        },
        "engine": runtime.context.engine.name,
        "library_hash": runtime.context.index.library.content_hash,
    }


STEPS: Mapping[str, Step] = {
    step.__name__: step
    for step in (classify, write_draft, retrieve, write_rubric, critique, revise, check, accept, finish)
}
"""Every node by its name in the graph."""


def with_context(step: Step, default: Callable[[], AgentContext] | None) -> Step:
    """Return the node with a context for calls that bring none, as LangGraph's own server makes them."""
    if default is None:
        return step

    def run(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
        return step(state, runtime if runtime.context else runtime.override(context=default()))

    return run


def needs_more(state: Mapping[str, Any]) -> Literal["continue", "stop"]:
    """Tell the graph whether a step has found a reason to stop."""
    return "stop" if state.get("stopped_because") else "continue"


def _reason_to_stop(
    rubric: Sequence[Criterion], verdicts: Sequence[Verdict], ledger: Ledger, *, rounds: int
) -> StoppedBecause | None:
    """Return why no further round should start, or None."""
    if not any(is_satisfied(criterion, verdict) is False for criterion, verdict in zip(rubric, verdicts, strict=True)):
        return "nothing to improve"
    if rounds >= ledger.limits.max_rounds:
        return "limit reached: rounds"
    limit = ledger.exceeded()
    return _limit_reached(limit) if limit else None


def _limit_reached(name: str) -> StoppedBecause:
    return cast(StoppedBecause, f"limit reached: {name}")


def _stop(reason: StoppedBecause | None) -> Update:
    return {"stopped_because": reason} if reason else {}


def _ledger(state: AgentState, context: AgentContext) -> Ledger:
    return Ledger(context.limits, state.get("spent", Usage()), context.clock, state["started_at"])


def _check_draft(text: object) -> None:
    if not isinstance(text, str):
        raise InputError(f"the draft must be text, found {type(text).__name__}")
    if not text.strip():
        raise InputError("the draft is empty; leave it out to have one written")
    if re.search("[\ud800-\udfff]", text):
        raise InputError("the draft has half a character in it (a lone surrogate); decode it as UTF-8 or UTF-16 first")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"the draft has {len(text):,} characters, more than {MAX_CHARACTERS:,}; shorten it")
