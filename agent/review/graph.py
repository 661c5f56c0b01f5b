"""The graph of a conversation under review: ask, answer, wait for a person, put the answer together anew, judge it again.

The wiring and nothing else; the steps are in `steps.py`. It needs a checkpointer, since it stops at LangGraph's `interrupt`:

    graph = build_review_graph(InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    graph.invoke({"question": "Is 38 °C a fever?"}, config, context=context)
    graph.invoke(Command(resume=[{"edit": 0, "decision": "reject"}]), config, context=context)

A new question while a person is waited for closes that review.
"""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent.review import steps
from agent.review.state import ReviewInput, ReviewState
from agent.state import AgentContext

ReviewGraph = CompiledStateGraph[ReviewState, AgentContext, ReviewInput, ReviewState]


def build_review_graph(checkpointer: Any) -> ReviewGraph:
    """Return the compiled graph; every call names a thread and brings `context=` an AgentContext."""
    graph = StateGraph(ReviewState, context_schema=AgentContext, input_schema=ReviewInput)
    graph.add_node("ask", steps.ask)
    graph.add_node("answer", steps.answer)
    graph.add_node("review", steps.review)
    graph.add_node("recompose", steps.recompose)
    graph.add_node("judge_again", steps.judge_again)

    graph.add_edge(START, "ask")
    graph.add_edge("ask", "answer")
    graph.add_conditional_edges("answer", steps.has_edits, {True: "review", False: END})
    graph.add_edge("review", "recompose")
    graph.add_edge("recompose", "judge_again")
    graph.add_edge("judge_again", "review")
    return graph.compile(checkpointer=checkpointer, name="clinalign-review")
