"""The nodes of the graph: one function per step, each returning only what it adds to the state.

Nodes are plain functions, so that both `.invoke` and `.ainvoke` work; whatever they need comes with the runtime context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Protocol

from langgraph.runtime import Runtime

from agent.acceptance import compare_blind
from agent.draft import check_draft
from agent.engine import Case
from agent.guard import unnamed_losses
from agent.judge import checked_verdicts
from agent.ledger import Ledger, Usage
from agent.request import asked_form
from agent.retrieval import retrieved_row, with_material
from agent.rubric import critique_rows
from agent.run_end import Update, limit_reached, reason_to_stop, spent, stopped, tried
from agent.seeds import seed_rows
from agent.sentences import count_words
from agent.state import AgentContext, AgentState
from agent.telemetry import stage_span
from agent.trace import write_trace
from principles_store.conversation import parse_conversation


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
        "patches": [],
        "stopped_because": None,
        **dict.fromkeys(("warnings", "calls", "judged", "applied", "way")),
    }


def write_draft(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Take the caller's draft, or have one written; a conversation too long for the models is fitted first."""
    given, engine = state["original"], runtime.context.engine
    if given is not None:
        check_draft(given)
    conversation, warning = engine.fitter(state["conversation"], given)
    case = replace(state["case"], conversation=conversation)
    update: Update = {"case": case, "warnings": [warning] if warning else []}
    if given is not None:
        return update | {"draft": given, "best": given}
    ledger = _ledger(state, runtime.context)
    written = engine.drafter.draft(case, ledger=ledger, on_token=runtime.stream_writer)
    if not engine.drafts_from_model:
        update["warnings"] += ["no model is configured: the answer is composed from principles alone"]
    return update | {"draft": written, "original": written, "best": written} | spent(ledger)


def retrieve(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Find the principles that this conversation and draft call for, and criteria of rubrics for similar conversations.

    A model that weighs them reads the draft itself; encoding its sentences would cost more time than all else here.
    """
    weighs = runtime.context.engine.weighs_principles
    case = with_material(state["case"], runtime.context, draft=None if weighs else state["best"])
    return {
        "case": case,
        "principles": [retrieved_row(item) for item in case.principles],
        "seeds": seed_rows(case.seeds),
    }


def write_rubric(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Turn the principles into criteria for this conversation."""
    ledger = _ledger(state, runtime.context)
    writer = runtime.context.engine.rubric_writer
    on_seen = runtime.stream_writer if runtime.context.tells_criteria else None
    written, end = tried(lambda: writer.write(state["case"], state["best"], ledger=ledger, on_seen=on_seen), ledger)
    if written is None:
        return {"criteria": (), "rubric": []} | end
    rubric = written.criteria
    update: Update = {"written": written, "criteria": rubric, "rubric": [criterion.as_dict() for criterion in rubric]}
    return update | spent(ledger) | stopped(None if rubric else "no principle applies")


def critique(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Judge the draft on the rubric, unless its writer has done so."""
    ledger = _ledger(state, runtime.context)
    verdicts = state["written"].verdicts
    if verdicts is None:
        judge, conversation = runtime.context.engine.judge, state["case"].conversation
        judged, end = tried(
            lambda: checked_verdicts(judge, conversation, [state["best"]], state["criteria"], ledger=ledger), ledger
        )
        if judged is None:
            return {"verdicts": ()} | end
        verdicts = tuple(judged[0])
    update: Update = {"verdicts": verdicts, "judged": [verdicts]}
    if all(verdict.value == "unknown" for verdict in verdicts):  # else "nothing to improve" would read as praise
        update["warnings"] = ["the judge has no verdict on any criterion: whether the draft is good is not known"]
    return update | spent(ledger) | stopped(reason_to_stop(state["criteria"], verdicts, ledger, rounds=0))


def revise(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Carry out the edits that the failing criteria call for, and no others."""
    ledger = _ledger(state, runtime.context)
    reviser = runtime.context.engine.reviser
    proposal, end = tried(
        lambda: reviser.revise(
            state["case"],
            state["best"],
            state["criteria"],
            state["verdicts"],
            max_words=ledger.limits.word_budget(count_words(state["original"] or "")),
            ledger=ledger,
        ),
        ledger,
    )
    if proposal is None:
        return end
    update: Update = {"proposal": proposal, "rounds": state["rounds"] + 1, "warnings": list(proposal.notes)}
    changed = proposal.edits and proposal.text != state["best"]
    return update | spent(ledger) | stopped(None if changed else "no edit possible")


def check(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Refuse a revision that lost a fact without naming it, outgrew its budget, or can't be judged within the limits.

    No model has a say here.
    """
    proposal = state["proposal"]
    lost = unnamed_losses(state["best"], proposal.text, proposal.edits)
    if lost:
        return {"warnings": [f"revision refused, it lost: {', '.join(map(str, lost[:5]))}"]} | stopped(
            "revision lost a fact"
        )
    budget = runtime.context.limits.word_budget(count_words(state["original"] or ""))
    words = count_words(proposal.text)
    if words > budget:
        return {"warnings": [f"revision refused: {words} words, budget {budget}"]} | stopped("revision too long")
    limit = _ledger(state, runtime.context).exceeded()
    return stopped(limit_reached(limit)) if limit else {}


def accept(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Take the revision only if a fresh, blind judgement finds nothing lost and something gained."""
    ledger, context, proposal = _ledger(state, runtime.context), runtime.context, state["proposal"]
    found, end = tried(
        lambda: compare_blind(
            context.engine.judge,
            state["case"].conversation,
            state["criteria"],
            state["best"],
            proposal.text,
            order=Random(f"{context.seed}:{state['best']}"),
            ledger=ledger,
        ),
        ledger,
    )
    if found is None:
        return end
    update = spent(ledger)
    if found.lost:
        lost = "; ".join(state["criteria"][number].text for number in found.lost)
        refused: Update = {"warnings": [f"revision refused, it no longer satisfies: {lost}"]}
        return update | refused | stopped("revision lost a criterion")
    if not found.gained:
        return update | stopped("revision gained nothing")
    update |= {
        "best": proposal.text,
        "verdicts": found.verdicts,
        "judged": [found.verdicts],
        "applied": list(proposal.edits),
        "way": [patch.after_edits(len(state["applied"])) for patch in proposal.way_from(state["best"])],
    }
    return update | stopped(reason_to_stop(state["criteria"], found.verdicts, ledger, rounds=state["rounds"]))


def finish(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
    """Put the answer into the form that callers rely on."""
    ledger, engine = _ledger(state, runtime.context), runtime.context.engine
    accepted = bool(state.get("applied"))
    stopped = state["stopped_because"]
    cut_short = stopped == "model failed" or (stopped.startswith("limit") and stopped != "limit reached: rounds")
    output: Update = {
        "answer": state["best"],
        "draft": state["original"],
        "accepted": accepted,
        "stopped_because": "revision accepted" if accepted and not cut_short else stopped,
        "critiques": [critique_rows(state["criteria"], verdicts) for verdicts in state.get("judged", [])],
        "edits": [edit.as_dict() for edit in state.get("applied", [])],
        "patches": [patch.as_dict() for patch in state.get("way", [])],
        "usage": {
            "calls": ledger.spent.calls,
            "input_tokens": ledger.spent.input_tokens,
            "output_tokens": ledger.spent.output_tokens,
            "cost": round(ledger.spent.cost, 6),
            "seconds": round(ledger.seconds, 3),
        },
        "engine": engine.name,
        "models": {"writer": engine.model_name, "judge": engine.judge_name},
        "library_hash": runtime.context.index.library.content_hash,
        "rubrics_hash": runtime.context.rubrics_hash,
    }
    if runtime.context.trace:
        write_trace(
            runtime.context.trace,
            {**state, **output},
            with_text=runtime.context.trace_text,
            conversation=state["conversation"],
            answer_id=runtime.context.answer_id,
        )
    return output


STEPS: Mapping[str, Step] = {
    step.__name__: step
    for step in (classify, write_draft, retrieve, write_rubric, critique, revise, check, accept, finish)
}
"""Every node by its name in the graph."""


def prepared(step: Step, default: Callable[[], AgentContext] | None) -> Step:
    """Return the node in a span of its own, with a context for calls that bring none, as LangGraph's own server makes them."""

    def run(state: AgentState, runtime: Runtime[AgentContext]) -> Update:
        if default is not None and not runtime.context:
            runtime = runtime.override(context=default())
        with runtime.context.step_gate(), stage_span(step.__name__) as span:
            update = step(state, runtime)
            span.describe(update)
            return update

    return run


def _ledger(state: AgentState, context: AgentContext) -> Ledger:
    return Ledger(
        context.limits,
        state.get("spent", Usage()),
        context.clock,
        state["started_at"],
        cancelled=context.cancelled,
        memory=context.memory,
    )
