"""The agent from Python: invoke, stream, classify, build_graph. `import agent` gives these names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import StreamMode

from agent.config import load_settings
from agent.context import load_context
from agent.errors import InputError
from agent.events import (
    AnswerToken,
    EditProposed,
    Event,
    PrincipleFound,
    Stage,
    StageEvent,
    UsageSpent,
    VerdictGiven,
    Version,
)
from agent.graph import AgentGraph, compile_graph, recursion_limit
from agent.rubric import critique_rows
from agent.state import AgentContext, AgentInput, AgentOutput
from agent.telemetry import stage_span, stream_in_span
from principles_store.conversation import parse_conversation


def invoke(
    question: Any,
    *,
    draft: str | None = None,
    context: AgentContext | None = None,
    config: RunnableConfig | None = None,
) -> AgentOutput:
    """Answer or revise: `question` is a text, a list of messages, or a mapping with `conversation` and optionally `draft`.

    `config` is LangChain's, for callbacks, tags and metadata.
    Returns the object documented in docs/architecture.md. Raises ConversationError or InputError on input that can't be
    answered, and the ClinAlignError of whatever can't be opened.
    """
    context = context or default_context()
    with stage_span("answer") as span:
        answer = _compiled().invoke(_input(question, draft), _config(context, config), context=context)
        span.describe(answer)
    return cast(AgentOutput, answer)


def stream(
    question: Any,
    *,
    draft: str | None = None,
    context: AgentContext | None = None,
    config: RunnableConfig | None = None,
) -> Iterator[Event]:
    """Yield what happens as it happens (agent/events.py); the last event is the stage `finish`, with the whole answer.

    Arguments and errors as for `invoke`. `context.cancelled`, when set, ends the run with CancelledError.
    """
    yield from stream_in_span("answer", _events(question, draft, context or default_context(), config))


def _events(question: Any, draft: str | None, context: AgentContext, config: RunnableConfig | None) -> Iterator[Event]:
    merged: dict[str, Any] = {"warnings": [], "calls": []}
    given = _input(question, draft)
    # For pieces that come in the middle of a step LangGraph runs every step in another thread; only two steps have such pieces.
    has_pieces = given.get("draft") is None or context.tells_criteria
    modes: list[StreamMode] = ["updates", "custom"] if has_pieces else ["updates"]
    run = _compiled().stream(given, _config(context, config), context=context, stream_mode=modes)
    for item in run:
        mode, data = cast(tuple[str, Any], item)
        if mode == "custom":
            yield data
            continue
        for stage, update in cast(Mapping[str, Mapping[str, Any] | None], data).items():
            yield from _step_events(cast(Stage, stage), update or {}, merged)


def _step_events(stage: Stage, update: Mapping[str, Any], merged: dict[str, Any]) -> Iterator[Event]:
    """Yield the events of one finished step, the stage itself last; `merged` gathers the answer."""
    visible = {k: v for k, v in update.items() if k in AgentOutput.__annotations__ and v is not None}
    merged |= {k: v for k, v in visible.items() if k not in ("warnings", "calls")}
    for key in ("warnings", "calls"):
        merged[key] = merged[key] + visible.get(key, [])
    yield from (PrincipleFound(principle) for principle in visible.get("principles", ()))
    if update.get("judged"):
        version: Version = "draft" if stage == "critique" else "revision"
        rows = critique_rows(merged["criteria"], update["judged"][-1])
        yield from (VerdictGiven(version, row) for row in rows)
    if "criteria" in update:
        merged["criteria"] = update["criteria"]
    if "proposal" in update:
        yield from (EditProposed(edit.as_dict()) for edit in update["proposal"].edits)
    if visible.get("calls"):
        yield UsageSpent(update["spent"].as_dict())
    if stage != "finish":
        yield StageEvent(stage, visible)
        return
    yield from (AnswerToken(piece) for piece in re.findall(r"\S+\s*|\s+", merged["answer"]))
    merged.pop("criteria", None)
    yield StageEvent(stage, dict(merged))


def classify(conversation: Any, *, context: AgentContext | None = None) -> dict[str, Any]:
    """Return the scenario of a conversation (text or messages) on the four clinical dimensions, with confidences."""
    context = context or default_context()
    return context.classifier.classify(parse_conversation(conversation)).as_dict()


def build_graph(context: AgentContext | None = None, *, checkpointer: Any = None) -> AgentGraph:
    """Return the compiled LangGraph, a Runnable with invoke, ainvoke, stream and batch.

    Without a `context` of its own or one at the call, the settings of the environment apply.
    """
    graph = compile_graph(default_context=(lambda: context) if context else default_context, checkpointer=checkpointer)
    rounds = context.limits.max_rounds if context else load_settings().max_rounds
    return graph.with_config(recursion_limit=recursion_limit(rounds))


def make_graph() -> AgentGraph:
    """Return the graph as LangGraph's own server wants it: by a function without arguments (langgraph.json)."""
    return build_graph()


def default_context() -> AgentContext:
    """Return the context of the environment's settings."""
    return load_context(load_settings())


@lru_cache(maxsize=1)
def _compiled() -> AgentGraph:
    """Return the graph without a context or memory of its own; compiling takes longer than running it.

    Also as a step of another graph it keeps nothing: that graph's checkpoints are not for it.
    """
    return compile_graph(checkpointer=False)


def _input(question: Any, draft: str | None) -> AgentInput:
    if isinstance(question, Mapping):
        unknown = sorted(set(question) - {"conversation", "question", "messages", "draft"})
        if unknown:
            raise InputError(
                f"unknown key {unknown[0]!r}; give conversation (or question, or messages) and optionally draft"
            )
        draft = draft if draft is not None else question.get("draft")
        question = question.get("conversation") or question.get("messages") or question.get("question")
    conversation = parse_conversation(question)
    return {"conversation": conversation} if draft is None else {"conversation": conversation, "draft": draft}


def _config(context: AgentContext, given: RunnableConfig | None) -> RunnableConfig:
    return {**(given or {}), "recursion_limit": recursion_limit(context.limits.max_rounds)}
