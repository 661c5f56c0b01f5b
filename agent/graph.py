"""The agent: question in, better answer out. The wiring and nothing else; the steps are in `nodes.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent import nodes
from agent.run_end import needs_more
from agent.state import AgentContext, AgentInput, AgentOutput, AgentState

AgentGraph = CompiledStateGraph[AgentState, AgentContext, AgentInput, AgentOutput]

STEPS_BEFORE_ROUNDS = 6
STEPS_PER_ROUND = 3


def compile_graph(*, default_context: Callable[[], AgentContext] | None = None, checkpointer: Any = None) -> AgentGraph:
    """Return the compiled graph; call it with `context=` an AgentContext, or give a default for calls without."""
    graph = StateGraph(AgentState, context_schema=AgentContext, input_schema=AgentInput, output_schema=AgentOutput)
    for name, node in nodes.STEPS.items():
        graph.add_node(name, nodes.prepared(node, default_context))

    graph.add_edge(START, "classify")
    graph.add_edge("classify", "write_draft")
    graph.add_edge("write_draft", "retrieve")
    graph.add_edge("retrieve", "write_rubric")
    graph.add_conditional_edges("write_rubric", needs_more, {"continue": "critique", "stop": "finish"})
    graph.add_conditional_edges("critique", needs_more, {"continue": "revise", "stop": "finish"})
    graph.add_conditional_edges("revise", needs_more, {"continue": "check", "stop": "finish"})
    graph.add_conditional_edges("check", needs_more, {"continue": "accept", "stop": "finish"})
    graph.add_conditional_edges("accept", needs_more, {"continue": "revise", "stop": "finish"})
    graph.add_edge("finish", END)
    return graph.compile(checkpointer=checkpointer, name="clinalign")


def recursion_limit(max_rounds: int) -> int:
    """Return the number of steps that a run with so many rounds may take; LangGraph's own limit is 10,007."""
    return STEPS_BEFORE_ROUNDS + STEPS_PER_ROUND * max_rounds + 1
