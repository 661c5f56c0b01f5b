"""The job of `clinalign rubrics distill`: a model words the principle behind each cluster, on the batch, which makes it durable.

A cluster is asked about once, and once more with the error if the reply can't stand in a library; what still can't is an error row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.batch.job import Outcome
from agent.batch.plan import Plan, make_plan_without_agent
from agent.batch.rows import Survey
from agent.call_memory import CallMemory
from agent.chat import ChatClient
from agent.config import Settings
from agent.ledger import Ledger, Limits
from principles_store.principle import Principle
from training.distillation.asking import STEP, principle_prompt, prompt_hash
from training.distillation.candidates import Candidate
from training.distillation.material import Material
from training.distillation.reply import WordedPrinciple, check_reply, entry_of, reply_schema

LABELS: Mapping[str, str] = {"principle": "principles", "too mixed": "too mixed for one principle"}
_COMPARED = (
    "model",
    "embedder",
    "temperature",
    "seed",
    "max_output_tokens",
    "thinking_tokens",
    "context_tokens",
    "redact",
)


@dataclass(frozen=True)
class Abstracting:
    """Word the principles behind clusters."""

    materials: Sequence[Material]
    content_hash: str
    """Of the criteria that were clustered."""
    settings: Settings
    work: Mapping[str, Any] = field(default_factory=dict)
    """What shapes the clusters, by name; compared when a run is continued."""
    labels: Mapping[str, str] = field(default_factory=lambda: LABELS)

    @property
    def source(self) -> Path | None:
        return None

    def survey(self) -> Survey:
        return Survey(len(self.materials), 0, self.content_hash, ())

    def rows(self) -> Iterator[Material]:
        return iter(self.materials)

    def plan(self, found: Survey) -> Plan:
        work = {"command": "rubrics distill", **self.work}
        return make_plan_without_agent(
            self.settings, None, found.sha256, compared=_COMPARED, work=work, prompts={STEP: prompt_hash()}
        )


@dataclass(frozen=True)
class AbstractionOpener:
    """Opens the model."""

    settings: Settings
    conversations: Mapping[str, int]
    """Of each material, by id."""
    client: ChatClient | None = None
    """A model of the caller's own, in this process."""

    @property
    def models(self) -> tuple[str, ...]:
        return (self.settings.model,) if self.settings.model else ()

    @property
    def is_local(self) -> bool:
        return self.client is not None

    def open(self) -> Abstraction:
        from agent.context import open_client

        client = self.client or open_client(self.settings, self.settings.model or "")
        return Abstraction(client, self.settings.limits(), self.conversations)


@dataclass(frozen=True)
class Abstraction:
    """Asks about one cluster."""

    client: ChatClient
    limits: Limits
    conversations: Mapping[str, int]

    def __call__(self, row: Material, memory: CallMemory) -> Outcome:
        ledger = Ledger(self.limits, memory=memory)
        reply = principle_prompt(row, self.conversations[row.id]).of(
            self.client,
            WordedPrinciple,
            schema=reply_schema(),
            check=lambda said: check_reply(said, row),
            ledger=ledger,
        )
        entry = entry_of(reply, row) if reply.outcome == "principle" else None
        data = {
            "outcome": reply.outcome,
            "reason": reply.reason,
            "principle": entry,
            "model": self.client.name,
            "prompt_hash": prompt_hash(),
            "usage": ledger.spent.as_dict(),
        }
        return Outcome(data, reply.outcome)

    def beside_error(self, row: Material) -> Mapping[str, Any]:
        return {"outcome": "error", "criteria": len(row.cluster.members)}


@dataclass(frozen=True)
class Worded:
    """What the model made of all clusters."""

    candidates: tuple[Candidate, ...]
    too_mixed: int
    errors: int


def read_worded(output: Path, materials: Sequence[Material]) -> Worded:
    """Return the principles of a finished batch, in the order of the clusters, whatever order they were done in."""
    rows = {row["id"]: row for row in map(json.loads, output.read_bytes().splitlines())}
    found = [(material, rows[material.id]) for material in materials if material.id in rows]
    candidates = tuple(
        Candidate(
            Principle.model_validate(row["principle"]),
            (material.number,),
            is_abstracted=True,
            reason=row["reason"],
            model=row["model"],
        )
        for material, row in found
        if row["outcome"] == "principle"
    )
    outcomes = [row["outcome"] for _, row in found]
    return Worded(candidates, outcomes.count("too mixed"), outcomes.count("error"))
