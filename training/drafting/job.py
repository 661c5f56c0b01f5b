"""The job of `clinalign rubrics draft`: a rubric for each preference of a file, on the batch, which makes it durable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.batch.job import Outcome
from agent.batch.plan import Plan, make_plan, prompt_hashes, unbounded
from agent.batch.rows import BadRow, Survey
from agent.call_memory import CallMemory
from agent.config import Settings
from agent.errors import ConfigError, InputError
from agent.ledger import Ledger
from agent.llm import ModelDrafter
from agent.state import AgentContext
from training.drafting.asking import STEP, prompt_hash
from training.drafting.drafter import Drafted, Drafter
from training.preference_files import as_row, read_rows, survey_preferences
from training.preferences import HealthRubric
from training.rubric_checks import MAX_CRITERIA, MIN_CRITERIA
from training.rubric_material import case_of

LABELS: Mapping[str, str] = {
    "drafted": "drafted",
    "mended": "drafted, after the model was asked again",
    "set_aside": "set aside",
    "kept": "kept: they had a rubric",
}
_JUDGE_PROMPTS = ("judge", "system")
_REASON_CHARACTERS = 1_000


@dataclass(frozen=True)
class Drafting:
    """Draft a rubric for the records of a file."""

    source: Path
    settings: Settings

    @property
    def labels(self) -> Mapping[str, str]:
        return LABELS

    def survey(self) -> Survey:
        return survey_preferences(self.source)

    def rows(self) -> Iterator[HealthRubric | BadRow]:
        return read_rows(self.source)

    def plan(self, found: Survey) -> Plan:
        work = {"command": "rubrics draft", "criteria": f"{MIN_CRITERIA} to {MAX_CRITERIA}"}
        plan = make_plan(self.settings, self.source, found.sha256, work=work)
        return replace(unbounded(plan), prompts=_prompts())


@dataclass(frozen=True)
class DraftOpener:
    """Opens library, seeds, model and judge, or takes a context of the caller's own."""

    settings: Settings
    context: AgentContext | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return self.settings.models

    @property
    def is_local(self) -> bool:
        return self.context is not None

    def open(self) -> Drafts:
        from agent.context import load_context

        context = self.context or load_context(self.settings)
        writer = context.engine.drafter
        if not isinstance(writer, ModelDrafter):
            raise ConfigError("a rubric is drafted by a model; name one with --model provider:name or CLINALIGN_MODEL")
        return Drafts(context, Drafter(writer.client, context.engine.judge, context.embedder, context.seed))


@dataclass(frozen=True)
class Drafts:
    """Drafts the rubric of one record."""

    context: AgentContext
    drafter: Drafter

    def __call__(self, row: HealthRubric, memory: CallMemory) -> Outcome:
        if row.status != "set aside" and row.rubric:
            return Outcome(_data(row), "kept")
        if not row.responses:
            raise InputError("no responses to compare; rubrics synthesize writes a rubric for a conversation alone")
        longest = max((response.text for response in row.responses), key=len)
        case, _ = case_of(row.conversation, self.context, answer=longest)
        drafted = self.drafter(row, case, ledger=Ledger(self.context.limits, memory=memory))
        label = "set_aside" if drafted.problems else "mended" if drafted.was_asked_again else "drafted"
        return Outcome(_data(self._with_draft(row, drafted)), label)

    def beside_error(self, row: HealthRubric) -> Mapping[str, Any]:
        return _data(row)

    def _with_draft(self, record: HealthRubric, drafted: Drafted) -> HealthRubric:
        reason = "; ".join(str(problem) for problem in drafted.problems)[:_REASON_CHARACTERS]
        made = {
            "drafted_by": self.context.engine.model_name,
            "judged_by": self.drafter.judge.name if any(item.verdicts for item in drafted.criteria) else "",
            "prompt_hashes": _prompts(),
            "library_hash": self.context.index.library.content_hash,
            "rubrics_hash": self.context.rubrics_hash,
        }
        return record.model_copy(
            update={
                "draft": drafted.criteria,
                "status": "set aside" if drafted.problems else "drafted",
                "status_reason": reason,
                "provenance": record.provenance.model_copy(update=made),
            }
        )


def _data(record: HealthRubric) -> dict[str, Any]:
    row = as_row(record)
    del row["id"]
    return row


def _prompts() -> dict[str, str]:
    judging = prompt_hashes()
    return {STEP: prompt_hash(), **{name: judging[name] for name in _JUDGE_PROMPTS}}
