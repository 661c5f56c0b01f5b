"""Who answers: a model by itself, or the agent around it. The arms of an ablation are further ways (`evals/ablation/arms.py`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from agent.batch.plan import Plan, make_plan, make_plan_without_agent
from agent.call_memory import CallMemory
from agent.chat import ChatClient
from agent.config import Settings
from agent.context_window import fit
from agent.errors import ConfigError
from agent.ledger import Ledger
from agent.state import AgentContext
from evals.answers.answer import Answer, answer_of, spent_on
from evals.answers.question import Question

OF_A_MODEL = (
    "model", "temperature", "seed", "max_output_tokens", "thinking_tokens", "context_tokens", "redact"
)  # fmt: skip
"""Settings that shape what a model says by itself."""
_Opened = TypeVar("_Opened")


class Answerer(Protocol):
    """Answers questions, many at once; pays for model calls through the memory."""

    def __call__(self, question: Question, memory: CallMemory) -> Answer: ...


class Way(Protocol):
    """One way of answering: a frozen dataclass that can be sent to another process."""

    @property
    def name(self) -> str:
        """What the rows say in answered_by."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """As in `agent.batch.job.Job`."""
        ...

    def models(self, settings: Settings) -> tuple[str, ...]:
        """Return provider:name of the models that are asked."""
        ...

    def plan(self, settings: Settings, data: Path, sha256: str, work: Mapping[str, Any]) -> Plan:
        """Return what the answers are made of; `work` is what the command adds."""
        ...

    def open(self, settings: Settings, context: AgentContext | None) -> Answerer:
        """Return who answers; `context`: an agent of the caller's own in place of the one that the settings describe."""
        ...


@dataclass(frozen=True)
class ModelAlone:
    """The model answers the conversation as it stands, without any prompt of ours."""

    keeps_drafts: bool = False
    """A row's own draft is its answer, and costs no call."""
    name: str = "model"

    @property
    def labels(self) -> Mapping[str, str]:
        return {"answered": "answered"} | ({"given": "drafts that the rows brought"} if self.keeps_drafts else {})

    def models(self, settings: Settings) -> tuple[str, ...]:
        return (settings.model,) if settings.model else ()

    def plan(self, settings: Settings, data: Path, sha256: str, work: Mapping[str, Any]) -> Plan:
        return make_plan_without_agent(settings, data, sha256, compared=OF_A_MODEL, work=work, prompts={})

    def open(self, settings: Settings, context: AgentContext | None) -> Answerer:
        clients = PerSample(settings, lambda given: _client(given, context))

        def answer(question: Question, memory: CallMemory) -> Answer:
            if self.keeps_drafts and question.draft is not None:
                return Answer(question.draft, "given", spent_on(Ledger()))
            ledger = Ledger(settings.limits(), memory=memory)
            return written_by(clients.of(question.sample), question, ledger)

        return answer


@dataclass(frozen=True)
class AgentAround:
    """The agent revises the row's own draft, or one that the model writes."""

    name: str = "agent"
    labels: Mapping[str, str] = field(
        default_factory=lambda: {"revised": "revised", "kept": "drafts kept as they were"}
    )

    def models(self, settings: Settings) -> tuple[str, ...]:
        return settings.models

    def plan(self, settings: Settings, data: Path, sha256: str, work: Mapping[str, Any]) -> Plan:
        return make_plan(settings, data, sha256, work=work)

    def open(self, settings: Settings, context: AgentContext | None) -> Answerer:
        contexts = PerSample(settings, agent_with_seed(settings, context))
        return lambda question, memory: answered_by_agent(contexts.of(question.sample), question, memory)


@dataclass
class PerSample(Generic[_Opened]):
    """What answers each sample: a model's seed is set when it is opened, so with a seed each sample has its own."""

    settings: Settings
    opened: Callable[[Settings], _Opened]
    _known: dict[int, _Opened] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.of(1)  # what can't be opened is told before any row is begun

    def of(self, sample: int) -> _Opened:
        """Return what was opened with the seed of a sample: the settings' own for the first, one more for each further."""
        seed = self.settings.seed
        number = sample if seed is not None else 1
        with self._lock:
            if number not in self._known:
                given = self.settings if seed is None else self.settings.model_copy(update={"seed": seed + number - 1})
                self._known[number] = self.opened(given)
            return self._known[number]


def agent_with_seed(settings: Settings, context: AgentContext | None) -> Callable[[Settings], AgentContext]:
    """Return what opens the agent with another seed; all share library, index and encoder."""
    from agent.context import load_context, open_engine

    shared = context or load_context(settings)

    def opened(given: Settings) -> AgentContext:
        if given == settings or context is not None or given.model is None:
            return shared
        return replace(shared, engine=open_engine(given), seed=given.seed or 0)

    return opened


def answered_by_agent(context: AgentContext, question: Question, memory: CallMemory) -> Answer:
    """Return the agent's answer; errors as from `agent.invoke`."""
    from agent.api import invoke

    asked = {"conversation": question.conversation, "draft": question.draft}
    return answer_of(invoke(asked, context=replace(context, memory=memory)))


def written_by(client: ChatClient, question: Question, ledger: Ledger) -> Answer:
    """Return what the model says to a conversation, which is fitted to its window with a warning if it is too long."""
    from langchain_core.messages import convert_to_messages

    conversation, warning = question.conversation, None
    if client.window is not None and client.window.size is not None:
        room = min(client.max_output_tokens + client.thinking_tokens, client.window.size // 2)
        conversation, warning = fit(conversation, client.window, reserved=room)
    messages = convert_to_messages([dict(message) for message in conversation])
    said = client.ask(messages, step="draft", prompt="", prompt_hash="", ledger=ledger)
    return Answer(said, "answered", spent_on(ledger), (warning,) if warning else ())


def _client(settings: Settings, context: AgentContext | None) -> ChatClient:
    """Return what asks the model that answers."""
    from agent.context import open_client
    from agent.llm import ModelDrafter

    if context is not None and isinstance(context.engine.drafter, ModelDrafter):
        return context.engine.drafter.client
    return open_client(settings, model_of(settings))


def model_of(settings: Settings) -> str:
    """Return the model that is to answer; ConfigError if there is none."""
    if settings.model is None:
        raise ConfigError("no model is named; give --model provider:name, or set CLINALIGN_MODEL")
    return settings.model


def without_drafts(questions: Sequence[Question]) -> int:
    """Return how many questions bring no draft."""
    return sum(question.draft is None for question in questions)
