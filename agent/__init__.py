"""ClinAlign's agent: a question and a draft in, a better answer out, every change explained.

    import agent
    agent.invoke("Is 4 g of paracetamol a day too much?", draft="…")["answer"]

Importing is cheap; the graph and the embedding model are loaded by the first call.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.api import build_graph, classify, invoke, stream
    from agent.config import Settings, load_settings
    from agent.context import load_context
    from agent.events import StageEvent

_HOMES = {
    "StageEvent": "agent.events",
    "build_graph": "agent.api",
    "classify": "agent.api",
    "invoke": "agent.api",
    "stream": "agent.api",
    "Settings": "agent.config",
    "load_settings": "agent.config",
    "load_context": "agent.context",
}

__all__ = ["Settings", "StageEvent", "build_graph", "classify", "invoke", "load_context", "load_settings", "stream"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
