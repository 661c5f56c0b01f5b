"""The agent from Python: invoke, stream, classify, build_graph. `import agent` gives these names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig

from agent.config import load_settings
from agent.context import load_context
from agent.errors import InputError
from agent.graph import AgentGraph, compile_graph, recursion_limit
from agent.state import AgentContext, AgentInput, AgentOutput
from principles_store.conversation import parse_conversation

Stage = Literal[
    "classify", "write_draft", "retrieve", "write_rubric", "critique", "revise", "check", "accept", "finish"
]


@dataclass(frozen=True)
class StageEvent:
    """One finished step of a run; the last is `finish`, whose data is the whole answer."""

    stage: Stage
    data: Mapping[str, Any]
    """What the step added to the output, in the form of the JSON contract."""


def invoke(question: Any, *, draft: str | None = None, context: AgentContext | None = None) -> AgentOutput:
    """Answer or revise: `question` is a text, a list of messages, or a mapping with `conversation` and optionally `draft`.

    Returns the object documented in docs/architecture.md. Raises ConversationError or InputError on input that can't be
    answered, and the ClinAlignError of whatever can't be opened.
    """
    context = context or default_context()
    answer = compile_graph().invoke(_input(question, draft), _config(context), context=context)
    return cast(AgentOutput, answer)


def stream(question: Any, *, draft: str | None = None, context: AgentContext | None = None) -> Iterator[StageEvent]:
    """Yield an event per finished step; arguments and errors as for `invoke`."""
    context = context or default_context()
    shown = AgentOutput.__annotations__
    merged: dict[str, Any] = {"warnings": []}
    updates = compile_graph().stream(_input(question, draft), _config(context), context=context, stream_mode="updates")
    for update in updates:
        for stage, added in cast(Mapping[str, Mapping[str, Any] | None], update).items():
            visible = {key: value for key, value in (added or {}).items() if key in shown and value is not None}
            merged |= {key: value for key, value in visible.items() if key != "warnings"}
            merged["warnings"] = merged["warnings"] + visible.get("warnings", [])
            yield StageEvent(cast(Stage, stage), dict(merged) if stage == "finish" else visible)


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


def _config(context: AgentContext) -> RunnableConfig:
    return {"recursion_limit": recursion_limit(context.limits.max_rounds)}
