"""The types of the graph: what goes in, what its nodes pass on, and what comes out (the JSON contract).

Only types. Input and output keys are what other programs rely on (docs/architecture.md).
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from agent.edit import Edit, Revision
from agent.engine import Case, Engine
from agent.ledger import Limits, Usage
from agent.rubric import Rubric, Verdict
from principles_store.conversation import Message
from principles_store.embedding import Embedder
from principles_store.index import DEFAULT_K, Index
from principles_store.scenario import ScenarioClassifier

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
    "revision lost a fact",
    "revision too long",
    "revision lost a criterion",
    "revision gained nothing",
]


@dataclass(frozen=True)
class AgentContext:
    """What a run depends on; opened once, shared by all runs."""

    engine: Engine
    classifier: ScenarioClassifier
    index: Index
    embedder: Embedder
    limits: Limits = field(default_factory=Limits)
    k: int = DEFAULT_K
    seed: int = 0
    """Of the order in which a judge sees draft and revision."""
    clock: Callable[[], float] = time.monotonic


class AgentInput(TypedDict):
    """What the graph is called with."""

    conversation: list[Message]
    draft: NotRequired[str | None]


class AgentOutput(TypedDict):
    """The answer and how it came about; the keys of `clinalign revise --json`."""

    answer: str
    draft: str
    accepted: bool
    stopped_because: StoppedBecause
    scenario: dict[str, Any]
    principles: list[dict[str, Any]]
    rubric: list[dict[str, Any]]
    critiques: list[list[dict[str, Any]]]
    edits: list[dict[str, Any]]
    rounds: int
    usage: dict[str, Any]
    engine: str
    library_hash: str
    warnings: Annotated[list[str], operator.add]


class AgentState(AgentOutput):
    """Everything the nodes share; the keys below stay inside."""

    conversation: list[Message]
    started_at: float
    spent: Usage
    case: Case
    criteria: Rubric
    best: str
    """The best version so far: the draft until a revision is accepted."""
    verdicts: tuple[Verdict, ...]
    """Of the best version."""
    judged: Annotated[list[tuple[Verdict, ...]], operator.add]
    """Of every version judged, in order."""
    proposal: Revision
    applied: Annotated[list[Edit], operator.add]
    """Edits that led from the draft to the best version."""
