"""What an ablation runs, one batch after the other: the drafts, each arm's answers to them, and everybody's grades.

Every stage is a run of its own on the batch, with its file in `FOLDER/arms`, so killing and starting again loses nothing and pays
nothing twice. The drafts are written once, and all arms are given the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agent.batch.job import Job, Opener, Outcome, Work
from agent.batch.rows import BadRow, Survey
from agent.call_memory import CallMemory
from agent.config import Settings
from agent.ledger import Usage
from agent.state import AgentContext
from evals.ablation.arms import BASE, Arm
from evals.answers.job import Answering, AnswerOpener
from evals.answers.question import Question
from evals.answers.ways import ModelAlone, model_of
from evals.dataset import file_hash, read_rows
from evals.graded import GradedAnswer
from evals.grading.answers import Answers
from evals.grading.grader import Grader, check_specs, parts_of
from evals.grading.job import GraderOpener, Grading, Judging

GRADE_LABELS = {"graded": "graded", "same": "same text as the draft"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Ablation:
    """What is to be run, on what, by whom, and where it is kept."""

    data: Path
    questions: Sequence[Question]
    settings: Settings
    arms: Sequence[Arm]
    judging: Judging
    folder: Path
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """How the questions were chosen from the data, as far as a continued run must have it the same."""
    context: AgentContext | None = None
    """An agent of the caller's own, in this process; None: the one that the settings describe."""
    grader: Grader | None = None
    """The same of the grader."""

    @property
    def base(self) -> ModelAlone:
        """Return the way in which drafts are had."""
        return ModelAlone(keeps_drafts=True, name=BASE)

    @property
    def names(self) -> tuple[str, ...]:
        """Return all arms by name, the base first."""
        return (BASE, *(arm.name for arm in self.arms))

    def answers(self, arm: str) -> Path:
        """Return the file of an arm's answers."""
        return self.folder / "arms" / f"{arm}.answers.jsonl"

    def graded(self, arm: str) -> Path:
        """Return the file of an arm's grades."""
        return self.folder / "arms" / f"{arm}.graded.jsonl"

    def check(self) -> None:
        """Raise the ClinAlignError of whatever would keep an arm from running, before anything is paid."""
        model_of(self.settings)
        if self.grader is None:
            check_specs(self.judging.specs)
        for arm in self.arms:
            arm.open(self.settings, self.context)

    @property
    def warnings(self) -> list[str]:
        """Return what makes the result weaker than it looks."""
        own = self.settings.judges.parts or (self.settings.model,)
        if shared := [name for name in own if name in parts_of(self.judging.specs)]:
            return [
                f"the grader {shared[0]} is also the judge by which the agent accepts its revisions: an arm that pleases it gains "
                "by that; grade with another model"
            ]
        return []


@dataclass(frozen=True)
class Stage:
    """One batch of the ablation."""

    arm: str
    step: Literal["answers", "grades"]
    job: Job
    opener: Opener
    output: Path
    rows: int


def stages(ablation: Ablation) -> Iterator[Stage]:
    """Yield the stages in their order; each must be done before the next is asked for."""
    yield _answering(ablation, ablation.base, ablation.questions)
    drafted = with_drafts(ablation)
    for arm in ablation.arms:
        yield _answering(ablation, arm, drafted)
    for name in ablation.names:
        yield _grading(ablation, name)


def with_drafts(ablation: Ablation) -> list[Question]:
    """Return the questions with the drafts that the base has for them; those whose draft failed are left out."""
    drafts = {str(row["id"]): row["response"] for row in answered(ablation.answers(BASE))}
    return [replace(asked, draft=drafts[asked.id]) for asked in ablation.questions if asked.id in drafts]


def answered(file: Path) -> Iterator[Row]:
    """Yield the rows of an answers file that are no errors."""
    if file.exists() and file.stat().st_size:
        yield from (dict(row) for _, row in read_rows(file) if "error" not in row)


def _answering(ablation: Ablation, way: Arm | ModelAlone, questions: Sequence[Question]) -> Stage:
    job = Answering(ablation.data, questions, ablation.settings, way, ablation.chosen)
    opener = AnswerOpener(ablation.settings, way, ablation.context)
    return Stage(way.name, "answers", job, opener, ablation.answers(way.name), len(questions))


def _grading(ablation: Ablation, name: str) -> Stage:
    ids = frozenset(question.id for question in ablation.questions)
    made_of = file_hash(ablation.data)
    answers = SettledAnswers(ablation.answers(name), made_of=made_of, ids=ids)
    known = None if name == BASE else ablation.graded(BASE)
    return Stage(
        name,
        "grades",
        Grading(answers, ablation.settings, ablation.judging, labels=GRADE_LABELS),
        SharedGradeOpener(ablation.settings, ablation.judging, ablation.grader, known),
        ablation.graded(name),
        sum(1 for _ in answers.rows()),
    )


@dataclass(frozen=True)
class SettledAnswers(Answers):
    """The answers of an arm that are asked for and are no errors; the file may grow as errors are done again."""

    made_of: str = ""
    """Hash of the data; the file's own changes when an error is done again, and no answer that is graded does."""
    ids: frozenset[str] = frozenset()

    def survey(self) -> Survey:
        return Survey(sum(1 for _ in self.rows()), 0, self.made_of, ())

    def rows(self) -> Iterator[GradedAnswer | BadRow]:
        for answer in super().rows():
            if isinstance(answer, GradedAnswer) and answer.error is None and answer.id in self.ids:
                yield answer


@dataclass(frozen=True)
class SharedGradeOpener(GraderOpener):
    """Opens the judges, and the grades of the drafts: an arm that left a draft alone has the draft's grade, not another throw."""

    known: Path | None = None
    """Grades that are had already."""

    def open(self) -> Work:
        work = super().open()
        rows = answered(self.known) if self.known else iter(())
        return SharedGradeWork(work, {(str(row["prompt_id"]), row["response"]): row for row in rows})


@dataclass(frozen=True)
class SharedGradeWork:
    """Grades one answer, or gives it the grade that the same text has."""

    work: Work
    known: Mapping[tuple[str, str], Row]

    def __call__(self, row: GradedAnswer, memory: CallMemory) -> Outcome:
        same = self.known.get((row.prompt_id, row.response))
        if same is None:
            return self.work(row, memory)
        data = {key: value for key, value in same.items() if key != "id"}
        return Outcome(data | {"graded_as": same["id"], "usage": Usage().as_dict()}, "same")

    def beside_error(self, row: GradedAnswer) -> Mapping[str, Any]:
        return self.work.beside_error(row)
