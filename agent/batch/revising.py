"""The job of `clinalign batch`: every conversation through the agent, with its own draft or one that the engine writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.batch.job import Outcome
from agent.batch.plan import Plan, make_plan
from agent.batch.rows import BadRow, Row, Source, Survey, read_rows, survey
from agent.call_memory import CallMemory
from agent.config import Settings
from agent.state import AgentContext

LABELS: Mapping[str, str] = {"accepted": "revised", "kept": "kept as they were"}


@dataclass(frozen=True)
class OverConversations:
    """The rows of a job over the conversations of a file or a list."""

    rows_of: Source
    settings: Settings

    @property
    def source(self) -> Path | None:
        return self.rows_of if isinstance(self.rows_of, Path) else None

    def survey(self) -> Survey:
        return survey(self.rows_of)

    def rows(self) -> Iterator[Row | BadRow]:
        return read_rows(self.rows_of)


class Revising(OverConversations):
    """Revise the rows of a file or a list."""

    @property
    def labels(self) -> Mapping[str, str]:
        return LABELS

    def plan(self, found: Survey) -> Plan:
        return make_plan(self.settings, self.source, found.sha256)


@dataclass(frozen=True)
class AgentOpener:
    """Opens the agent that the settings describe, or takes one of the caller's own."""

    settings: Settings
    context: AgentContext | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return self.settings.models

    @property
    def is_local(self) -> bool:
        return self.context is not None

    def open(self) -> Revise:
        from agent.context import load_context

        return Revise(self.context or load_context(self.settings))


@dataclass(frozen=True)
class Revise:
    """Runs the agent on a row."""

    context: AgentContext

    def __call__(self, row: Row, memory: CallMemory) -> Outcome:
        from agent.api import invoke

        given = {"conversation": row.conversation, "draft": row.draft}
        output = invoke(given, context=replace(self.context, memory=memory))
        return Outcome({**output}, "accepted" if output["accepted"] else "kept")

    def beside_error(self, row: Row) -> Mapping[str, Any]:
        return {}
