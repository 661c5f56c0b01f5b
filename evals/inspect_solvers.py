"""Who answers, as solvers of inspect_ai: the agent around the model under test, or the embedded engine after it.

The plain model is inspect's own `generate`. Settings of the agent are read as everywhere (CLINALIGN_…), but for its models, which
are inspect's: the model under test writes, and the role `critic`, where one is given, writes the rubric and judges.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from inspect_ai.model import ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver

from agent.config import Settings, load_settings
from agent.context import DEFAULT_K_FOR_MODELS, load_context, open_seeds
from agent.ledger import Limits
from agent.state import AgentContext, AgentOutput
from evals.inspect_model import SampleRun, has_role, inspect_client, run_in_thread
from evals.inspect_rows import conversation_of
from principles_store.conversation import Message

Factory = TypeVar("Factory", bound=Callable[..., Any])
CRITIC = "critic"
STORED = "clinalign"
"""Where a sample's store says how its answer came about."""
_TOLD = (
    "draft", "accepted", "stopped_because", "scenario", "principles", "rubric", "critiques", "edits", "patches", "rounds",
    "usage", "engine", "models", "library_hash", "rubrics_hash", "seeds", "warnings",
)  # fmt: skip


def named_by_us(factory: Factory) -> Factory:
    """Have inspect take a factory's name as it is.

    It would put the top-level package in front, here `evals`, and only in some ways of installing; ours begin with clinalign/.
    """
    factory.__module__ = "clinalign"
    return factory


@solver(name="clinalign/agent")
@named_by_us
def agent(max_rounds: int | None = None, k: int | None = None) -> Solver:
    """Answer with the agent: the model under test drafts, principles are retrieved, the draft is criticised and revised."""
    settings = load_settings(max_rounds=max_rounds, k=k).model_copy(update={"model": None, "judge": None})
    agents = _Agents(settings)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        def answer(run: SampleRun) -> AgentOutput:
            return _answered(agents.open(), conversation_of(state.messages), None, run)

        return await _put(state, answer)

    return solve


@solver(name="clinalign/embedded")
@named_by_us
def embedded(max_rounds: int | None = None, k: int | None = None) -> Solver:
    """Have the model answer, and the engine that needs no model revise the answer."""
    settings = load_settings(max_rounds=max_rounds, k=k).without_models()
    agents = _Agents(settings)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        asked = conversation_of(state.messages)
        state = await generate(state)
        draft = state.output.completion
        if not draft.strip():
            return state  # there is nothing to revise, and nothing to score
        state.messages.pop()  # the draft, whose place the answer takes
        return await _put(state, lambda run: _answered(agents.shared(), asked, draft, run))

    return solve


async def _put(state: TaskState, answer: Callable[[SampleRun], AgentOutput]) -> TaskState:
    """Have the answer made, and put it where scorers look for it; a limit of inspect's comes after that."""
    output, limit = await run_in_thread(answer)
    state.store.set(STORED, {key: output[key] for key in _TOLD})  # type: ignore[literal-required]
    state.output = ModelOutput.from_content(str(state.model), output["answer"])
    state.messages.append(state.output.message)
    if limit is not None:
        raise limit
    return state


def _answered(context: AgentContext, conversation: list[Message], draft: str | None, run: SampleRun) -> AgentOutput:
    from agent.api import invoke

    asked = {"conversation": conversation, "draft": draft}
    return invoke(asked, context=replace(context, cancelled=run.cancelled, memory=run))


@dataclass
class _Agents:
    """The agents of a task: one for each model under test; all share library, index and encoder."""

    settings: Settings
    _known: dict[tuple[str, str | None], AgentContext] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def shared(self) -> AgentContext:
        """Return the agent without a model."""
        with self._lock:
            return load_context(self.settings)

    def open(self) -> AgentContext:
        """Return the agent around the model of the sample that asks."""
        from agent.llm import llm_engine

        shared, limits = self.shared(), _limits(self.settings)
        writer = inspect_client()
        critic = inspect_client(CRITIC) if has_role(CRITIC) else writer
        with self._lock:
            names = (writer.name, critic.name if critic is not writer else None)
            if names not in self._known:
                engine = llm_engine(writer, critic, limits=limits)
                k = self.settings.k or DEFAULT_K_FOR_MODELS
                seeds = open_seeds(self.settings, shared.embedder)
                self._known[names] = replace(
                    shared, engine=engine, k=k, limits=limits, seeds=seeds, uses_principles=self.settings.principles
                )
            return self._known[names]


def _limits(settings: Settings) -> Limits:
    """Return the agent's own bounds; time is inspect's to bound unless it was set, since waiting for a turn counts too."""
    given = settings.limits()
    return given if "max_seconds" in settings.model_fields_set else replace(given, max_seconds=None)
