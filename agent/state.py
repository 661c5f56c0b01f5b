"""The types of the graph: what goes in, what its nodes pass on, and what comes out (the JSON contract).

Only types. Input and output keys are what other programs rely on (docs/architecture.md).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Protocol, TypedDict

from langgraph.channels import UntrackedValue

from agent.call_memory import CallMemory
from agent.edit import Edit, Patch, Revision
from agent.engine import Case, Engine, WrittenRubric
from agent.ledger import Limits, Usage
from agent.rubric import Rubric, Verdict
from agent.seeds import NoSeeds, Seeds
from principles_store.conversation import Conversation, Message
from principles_store.index import DEFAULT_K, Index
from principles_store.scenario import Scenario
from principles_store.shared_embedding import EmbeddingMemory

DISCLAIMER = "Not a medical device and no substitute for a clinician."
"""Shown wherever an answer is shown."""
EMERGENCY_NOTICE = (
    "This may be an emergency. If it is happening now, call the local emergency number "
    "(for example 112, 911 or 999) before you read on."
)
"""Shown before anything else where the scenario is an emergency."""

StoppedBecause = Literal[
    "revision accepted",
    "no principle applies",
    "nothing to improve",
    "no edit possible",
    "limit reached: rounds",
    "limit reached: calls",
    "limit reached: tokens",
    "limit reached: seconds",
    "limit reached: cost",
    "model failed",
    "revision lost a fact",
    "revision too long",
    "revision lost a criterion",
    "revision gained nothing",
]


class Classifier(Protocol):
    """Labels a conversation on the clinical dimensions."""

    def classify(self, conversation: Conversation) -> Scenario:
        """Return the scenario of a conversation."""
        ...


@dataclass(frozen=True)
class AgentContext:
    """What a run depends on; opened once, shared by all runs."""

    engine: Engine
    classifier: Classifier
    index: Index
    embedder: EmbeddingMemory
    limits: Limits = field(default_factory=Limits)
    k: int = DEFAULT_K
    uses_principles: bool = True
    """False: a rubric is written without them, to tell what they give."""
    seeds: Seeds = field(default_factory=NoSeeds)
    seed: int = 0
    """Of the order in which a judge sees draft and revision."""
    clock: Callable[[], float] = time.monotonic
    trace: Path | None = None
    """File to which a line per answer is appended."""
    trace_text: bool = False
    """Whether the line holds the texts too."""
    answer_id: str | None = None
    """Id of the trace's line, for a caller who refers to the answer later; None: a new one. Each run has its own."""
    tells_criteria: bool = False
    """Whether `agent.stream` tells the criteria while a model writes them, which costs the handling of every token."""
    cancelled: threading.Event | None = None
    """Set by a caller who no longer waits, to end the run; give each run a context with its own."""
    step_gate: Callable[[], AbstractContextManager[None]] = nullcontext
    """Held during every step, where runs that compute take turns; give each run a context with its own."""
    memory: CallMemory | None = None
    """Keeps the replies of a run that may have to be begun anew; each run has its own."""

    @property
    def rubrics_hash(self) -> str:
        """Hash of the kept rubrics that are looked through for seeds; empty where none are shown."""
        return self.seeds.content_hash if self.engine.weighs_principles else ""


def added(earlier: list[Any], new: list[Any] | None) -> list[Any]:
    """Return what a run has gathered so far; None begins anew, since a thread with a checkpointer runs the graph many times."""
    return [] if new is None else earlier + new


class AgentInput(TypedDict):
    """What the graph is called with."""

    conversation: list[Message]
    draft: NotRequired[str | None]


class AgentOutput(TypedDict):
    """The answer and how it came about; the keys of `clinalign revise --json`."""

    answer: str
    draft: Annotated[str, UntrackedValue]
    """Not kept in a thread: the draft of one question must not become the draft of the next."""
    accepted: bool
    stopped_because: StoppedBecause
    scenario: dict[str, Any]
    principles: list[dict[str, Any]]
    seeds: list[dict[str, Any]]
    """Which kept rubrics of similar conversations were shown to the writer of the rubric, and how much of each."""
    rubric: list[dict[str, Any]]
    critiques: list[list[dict[str, Any]]]
    edits: list[dict[str, Any]]
    patches: list[dict[str, Any]]
    """The whole way from `draft` to `answer` (agent/edit.py, Patch); the edits are counted through all rounds."""
    rounds: int
    usage: dict[str, Any]
    calls: Annotated[list[dict[str, Any]], added]
    """One record per model call, without text of the conversation."""
    engine: str
    models: dict[str, str]
    """Who wrote and who judged: {"writer", "judge"}."""
    library_hash: str
    rubrics_hash: str
    """Of the kept rubrics that are looked through for seeds; empty where none are shown."""
    warnings: Annotated[list[str], added]


class AgentState(AgentOutput):
    """Everything the nodes share; the keys below stay inside."""

    conversation: list[Message]
    started_at: float
    spent: Usage
    case: Case
    criteria: Rubric
    written: WrittenRubric
    original: str | None
    """The draft; None until one is written."""
    best: str
    """The best version so far: the draft until a revision is accepted."""
    verdicts: tuple[Verdict, ...]
    """Of the best version."""
    judged: Annotated[list[tuple[Verdict, ...]], added]
    """Of the draft and of every accepted version, in order; a refused revision leaves only its warning."""
    proposal: Revision
    applied: Annotated[list[Edit], added]
    """Edits that led from the draft to the best version."""
    way: Annotated[list[Patch], added]
    """What they did to the text, in order."""
