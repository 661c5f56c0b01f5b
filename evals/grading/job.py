"""The job of `clinalign eval grade`: every answer of a file past the judges, on the batch, which makes it durable.

A row's calls are made one after the other, so as many are in flight as rows are, whatever the protocol and however many judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.batch.job import Outcome, Work
from agent.batch.plan import Plan, make_plan, make_plan_without_agent
from agent.batch.rows import BadRow, Survey
from agent.call_memory import CallMemory
from agent.config import Settings
from agent.errors import JudgeError
from agent.judge_spec import EMBEDDED, judge_name
from agent.ledger import Ledger, Limits
from evals.dataset import file_hash
from evals.graded import Grade, GradedAnswer, graded_row
from evals.grading.answers import Answers
from evals.grading.asking import UNUSABLE
from evals.grading.cascade import CascadeGrader
from evals.grading.grader import (
    ATTEMPTS,
    CascadeGrade,
    FailedGrade,
    Grader,
    PanelGrade,
    failures,
    models_of,
    open_graders,
    parts_of,
    recordings_of,
)
from evals.grading.panel import Panel

LABELS: Mapping[str, str] = {"graded": "graded"}
_COMPARED = ("temperature", "seed", "max_output_tokens", "thinking_tokens", "context_tokens", "redact")
_NO_LIMITS = Limits(max_calls=None, max_tokens=None, max_seconds=None)
"""Of a row, whose calls are bounded by its criteria; the bounds of the run hold."""


@dataclass(frozen=True)
class Judging:
    """Who judges, and how they are asked."""

    specs: tuple[str, ...]
    """As `open_graders` takes them."""
    per_criterion: bool = False
    attempts: int = ATTEMPTS

    def as_work(self) -> dict[str, Any]:
        """Return what a continued run is compared by."""
        recordings = {f"recorded {file.name}": file_hash(file) for file in recordings_of(self.specs)}
        shared = {"judges": [judge_name(spec) for spec in self.specs], "attempts": self.attempts, **recordings}
        return {
            "command": "eval grade",
            "protocol": "per criterion" if self.per_criterion else "all criteria",
            **shared,
        }

    def prompts(self) -> dict[str, str]:
        """Return the hash of the prompt that models are asked with."""
        task = "one_criterion" if self.per_criterion else "all_criteria"
        return {name: found for name, found in self.all_prompts().items() if name == task}

    def all_prompts(self) -> dict[str, str]:
        """Return the hashes of both protocols' prompts: a run that is continued by the other has no changed prompt."""
        from evals.grading.shown import TASKS, prompt_hash

        return {task: prompt_hash(task) for task in TASKS} if models_of(self.specs) else {}


@dataclass(frozen=True)
class Grading:
    """Grade a file of answers."""

    answers: Answers
    settings: Settings
    judging: Judging
    labels: Mapping[str, str] = field(default_factory=lambda: LABELS)

    @property
    def source(self) -> Path:
        return self.answers.file

    def survey(self) -> Survey:
        return self.answers.survey()

    def rows(self) -> Iterator[GradedAnswer | BadRow]:
        return self.answers.rows()

    def plan(self, found: Survey) -> Plan:
        data = {"data": file_hash(self.answers.data)} if self.answers.data else {}
        work, prompts = self.judging.as_work() | data, self.judging.all_prompts()
        if EMBEDDED in parts_of(self.judging.specs):  # its verdicts are the library's
            settings = self.settings.model_copy(update={"model": None, "judge": None})
            return make_plan(settings, self.source, found.sha256, work=work, prompts=prompts)
        return make_plan_without_agent(
            self.settings, self.source, found.sha256, compared=_COMPARED, work=work, prompts=prompts
        )


@dataclass(frozen=True)
class GraderOpener:
    """Opens the judges."""

    settings: Settings
    judging: Judging
    grader: Grader | None = None
    """A judge of the caller's own, in this process."""

    @property
    def models(self) -> tuple[str, ...]:
        return models_of(self.judging.specs)

    @property
    def is_local(self) -> bool:
        return self.grader is not None

    def open(self) -> Work:
        judging = self.judging
        grader = self.grader or open_graders(
            judging.specs, self.settings, per_criterion=judging.per_criterion, attempts=judging.attempts
        )
        return GradeWork(grader, judging.prompts())


@dataclass(frozen=True)
class GradeWork:
    """Grades one answer."""

    grader: Grader
    prompts: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, row: GradedAnswer, memory: CallMemory) -> Outcome:
        if row.error is not None:  # no answer was given; its criteria stay unknown
            kind, _, message = row.error.partition(": ")
            return Outcome(self._data(row, Ledger(_NO_LIMITS)), "graded", error=(kind, message))
        ledger = Ledger(_NO_LIMITS, memory=memory)
        grades = self.grader.grade(
            row.conversation, row.response, row.rubric, ledger=ledger, ids=(row.id, row.prompt_id)
        )
        if len(grades) != len(row.rubric):
            raise JudgeError(f"judge {self.grader.name!r} gave {len(grades)} grades for {len(row.rubric)} criteria")
        data = self._data(replace(row, grades=tuple(grades), judges=self._by_judge(grades)), ledger)
        failed = failures(grades)
        if not failed:
            return Outcome(data, "graded")
        cause = _first_cause(failed)
        return Outcome(
            data,
            "graded",
            error=("ModelError", _told(grades, cause)),
            fault=cause.fault,
            is_in_vain=_is_in_vain(grades, cause),
        )

    def beside_error(self, row: GradedAnswer) -> Mapping[str, Any]:
        return self._data(row, Ledger(_NO_LIMITS))

    def _data(self, answer: GradedAnswer, ledger: Ledger) -> dict[str, Any]:
        row = graded_row(replace(answer, judge=self.grader.name, protocol=self.grader.protocol, error=None))
        del row["id"]
        return row | {"prompt_hashes": dict(self.prompts), "usage": ledger.spent.as_dict()}

    def _by_judge(self, grades: Sequence[Grade]) -> dict[str, tuple[Grade, ...]]:
        if not isinstance(self.grader, Panel | CascadeGrader):
            return {}
        votes = [grade.votes for grade in grades if isinstance(grade, PanelGrade | CascadeGrade)]
        return {judge.name: given for judge, given in zip(self.grader.judges, zip(*votes, strict=True), strict=True)}


def _first_cause(failed: Sequence[FailedGrade]) -> FailedGrade:
    """Return a failure of the server, if there is one, since every row would meet it; else the first."""
    return next((grade for grade in failed if grade.fault not in UNUSABLE), failed[0])


def _is_in_vain(grades: Sequence[Grade], cause: FailedGrade) -> bool:
    """Tell whether no judge gave one verdict, since no reply could be used: so it may go on with every other answer."""
    return cause.fault in UNUSABLE and all(vote.met is None for grade in grades for vote in _asked_for(grade))


def _asked_for(grade: Grade) -> Sequence[Grade]:
    """Return the verdicts that were asked for; what a cascade's small judge gives says nothing of the other's replies."""
    if isinstance(grade, CascadeGrade):
        return grade.votes[-1:] if grade.is_asked else ()
    if isinstance(grade, PanelGrade):
        return [asked for vote in grade.votes for asked in _asked_for(vote)]
    return [grade]


def _told(grades: Sequence[Grade], cause: FailedGrade) -> str:
    lost = sum(bool(failures([grade])) for grade in grades)
    of = "" if lost == len(grades) else f"{lost} of {len(grades)} criteria: "
    return f"{of}{cause.explanation}"
