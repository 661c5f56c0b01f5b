"""HealthBench, or any set of conversations with rubrics, as a task of inspect_ai: our agent answers, our scorer grades.

    inspect eval evals/inspect_task.py --model openai/gpt-4.1-mini --model-role grader=openai/gpt-4.1 -T data=hard
    inspect eval clinalign/healthbench …        (the same, where clinalign[inspect] is installed)

Only the task stands here, since inspect runs this file by its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from inspect_ai import Task, task
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import HeadlineMetric
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageUser
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver
from rich.markup import escape

from agent.errors import ClinAlignError, ConfigError
from evals.dataset import Example, read_examples
from evals.figures import PENALTIES
from evals.grading.grader import check_specs
from evals.healthbench import resolve
from evals.inspect_model import has_role
from evals.inspect_rows import sample_metadata
from evals.inspect_scorer import GRADER, metrics_of, rubric
from evals.inspect_solvers import agent, embedded, named_by_us

_TURNS: dict[str, Callable[..., ChatMessage]] = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
}


@task(name="clinalign/healthbench")
@named_by_us
def healthbench(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    data: str = "main",
    solver: str = "agent",
    grader: str | Sequence[str] | None = None,
    per_criterion: bool = False,
    split: str | None = None,
    theme: str | Sequence[str] = (),
    tag: str | Sequence[str] = (),
    max_rounds: int | None = None,
    k: int | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Task:
    """Answer the conversations of `data` and grade the answers on their rubrics.

    Args:
        data: A file of rows, or the name of an official one (docs/evaluation.md).
        solver: agent (the agent around the model), model (the model by itself), or embedded (the model drafts, the engine that
            needs no model revises).
        grader: As `clinalign eval grade --judge`, several with commas, a cascade in brackets and quotes; left out, the model of
            --model-role grader=….
        per_criterion: One criterion per call, as in HealthBench itself, in place of all in one.
        split: Only this part: dev, test, or NAME:PART=PERCENT,….
        theme: Only conversations of these themes.
        tag: Only conversations with one of these tags.
        max_rounds: Of the agent's revision.
        k: Principles that the agent retrieves.
        bootstrap: Resampled sets of prompts, for standard error and interval.
        seed: Of the resampling.
    """
    with refusals():
        if grader is not None:
            check_specs(_list(grader))
        file = resolve(data)
        examples = read_examples(
            file, split=split, themes=_list(theme), tags=_list(tag), needs_rubric=True, unique=True
        )
        answering = _solver(solver, max_rounds, k)
    return Task(
        dataset=MemoryDataset([_sample(example) for example in examples], name=data, location=str(file)),
        setup=needs_grader() if grader is None else None,
        solver=answering,
        scorer=rubric(grader=grader, per_criterion=per_criterion),
        metrics=metrics_of(samples=bootstrap, seed=seed, penalty=data if data in PENALTIES else "main"),
        headline_metric=HeadlineMetric(scorer="rubric", metric="score"),
        version=1,
        metadata={"canary": sorted({example.canary for example in examples if example.canary})},
    )


@contextmanager
def refusals() -> Iterator[None]:
    """Have inspect tell what was refused in one line, without a traceback."""
    try:
        yield
    except ClinAlignError as error:
        raise PrerequisiteError(escape(f"clinalign: {error}")) from error


@solver(name="clinalign/needs_grader")
@named_by_us
def needs_grader() -> Solver:
    """Answer nothing that nobody is there to grade: the model under test is not asked to mark its own answers instead."""

    async def check(state: TaskState, generate: Generate) -> TaskState:
        if not has_role(GRADER):
            raise PrerequisiteError(
                "clinalign: nobody is there to grade: give --model-role grader=PROVIDER/NAME, or -T grader=… as eval grade "
                "takes --judge"
            )
        return state

    return check


def _solver(name: str, max_rounds: int | None, k: int | None) -> Solver:
    solvers: Mapping[str, Callable[[], Solver]] = {
        "agent": lambda: agent(max_rounds=max_rounds, k=k),
        "model": generate,
        "embedded": lambda: embedded(max_rounds=max_rounds, k=k),
    }
    if name not in solvers:
        raise ConfigError(f"solver {name!r} is none of {', '.join(solvers)}")
    return solvers[name]()


def _sample(example: Example) -> Sample:
    turns: list[Any] = [_TURNS[turn["role"]](content=turn["content"]) for turn in example.conversation]
    return Sample(id=example.id, input=turns, metadata=sample_metadata(example))


def _list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
