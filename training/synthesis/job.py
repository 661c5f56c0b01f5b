"""The job of `clinalign rubrics synthesize`: a rubric for each conversation of a file, on the batch, which makes it durable.

scenario → principles → seeds → one call that makes them specific to the conversation → checks → asked again once, or an error row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.batch.job import Outcome
from agent.batch.plan import Plan, make_plan, unbounded
from agent.batch.revising import OverConversations
from agent.batch.rows import Row, Survey
from agent.call_memory import CallMemory
from agent.config import Settings
from agent.engine import Case
from agent.ledger import Ledger
from agent.state import AgentContext
from training.rubric_checks import MAX_CRITERIA, MIN_CRITERIA
from training.rubric_material import case_of
from training.synthesis.writers import ModelWriter, TemplateWriter, Writer, Written

LABELS: Mapping[str, str] = {
    "passed": "rubrics",
    "mended": "rubrics, after the model was asked again",
    "templated": "rubrics of the principles' own criteria",
}


class Synthesizing(OverConversations):
    """Write a rubric for the conversations of a file or a list."""

    @property
    def labels(self) -> Mapping[str, str]:
        return LABELS

    def plan(self, found: Survey) -> Plan:
        from training.synthesis.asking import STEP, prompt_hash

        work = {"command": "rubrics synthesize", "criteria": f"{MIN_CRITERIA} to {MAX_CRITERIA}"}
        plan = make_plan(self.settings, self.source, found.sha256, work=work)
        prompts = {STEP: prompt_hash()} if self.settings.model else {}  # no other is asked with
        return replace(unbounded(plan), prompts=prompts)


@dataclass(frozen=True)
class SynthesisOpener:
    """Opens library, seeds and model, or takes a context of the caller's own."""

    settings: Settings
    context: AgentContext | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.settings.model,) if self.settings.model else ()

    @property
    def is_local(self) -> bool:
        return self.context is not None

    def open(self) -> Synthesis:
        from agent.context import load_context
        from agent.llm import ModelDrafter

        settings = self.settings.model_copy(update={"judge": None})  # nothing is judged, so no judge is opened
        context = self.context or load_context(settings)
        drafter = context.engine.drafter
        if isinstance(drafter, ModelDrafter):
            return Synthesis(context, ModelWriter(drafter.client, context.embedder))
        return Synthesis(context, TemplateWriter(context.embedder))


@dataclass(frozen=True)
class Synthesis:
    """Writes the rubric of one conversation."""

    context: AgentContext
    writer: Writer

    def __call__(self, row: Row, memory: CallMemory) -> Outcome:
        ledger = Ledger(self.context.limits, memory=memory)
        case, warning = case_of(row.conversation, self.context)
        written = self.writer(case, ledger=ledger)
        label = "templated" if written.is_templated else "mended" if written.problems else "passed"
        return Outcome(self._data(row, case, written, ledger, warning), label)

    def beside_error(self, row: Row) -> Mapping[str, Any]:
        return {"conversation": row.conversation}

    def _data(self, row: Row, case: Case, written: Written, ledger: Ledger, warning: str | None) -> dict[str, Any]:
        waited = sum(call.seconds for call in ledger.calls)  # a continued run has not waited for all
        return {
            "conversation": row.conversation,
            "scenario": case.scenario.as_dict(),
            "principles": [found.principle.id for found in case.principles],
            "seeds": list(dict.fromkeys(seed.rubric_id for seed in case.seeds)),
            "rubric": [item.model_dump(mode="json") for item in written.criteria],
            "templated": written.is_templated,
            "library_hash": self.context.index.library.content_hash,
            "rubrics_hash": self.context.rubrics_hash,
            "models": {"writer": self.context.engine.model_name},
            "prompt_hashes": {call.prompt: call.prompt_hash for call in ledger.calls},
            "usage": ledger.spent.as_dict() | {"seconds": round(max(ledger.seconds, waited), 3)},
            "problems": list(written.problems),
            "warnings": [warning] if warning else [],
        }
