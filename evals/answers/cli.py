"""The command `clinalign eval run`: read the options, answer, and say how it went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent.batch.cli_options import (
    Concurrency,
    Fresh,
    MaxCalls,
    MaxCost,
    MaxSeconds,
    MaxTokens,
    Processes,
    RetryErrors,
    SummaryJson,
)
from agent.cli_options import Judge, Library, Model, Principles, Redact, Rubrics, Seeds, Temperature
from evals.data.options import DataSet, Limit, SplitName, Tags, Themes

if TYPE_CHECKING:
    from agent.config import Settings
    from evals.answers.question import Question

Repeats = Annotated[int, typer.Option(help="Samples of each conversation, with ids PROMPT#1, PROMPT#2, …", min=1)]
IgnoreDrafts = Annotated[
    bool, typer.Option("--ignore-drafts", help="Have the model write a draft also where a row brings one.")
]
Seed = Annotated[
    int | None, typer.Option(help="Of the first sample; one more for each further.", envvar="CLINALIGN_SEED")
]


def run(  # noqa: PLR0913, PLR0917  # each is an option of the command
    data: DataSet,
    output: Annotated[Path, typer.Option("--output", "-o", help="JSONL of answers, which eval grade reads.")],
    agent: Annotated[
        bool, typer.Option("--agent/--model-only", help="The agent around the model, or the model by itself.")
    ] = True,
    engine: Annotated[
        Literal["auto", "embedded"], typer.Option(help="embedded: no model, also where CLINALIGN_MODEL names one.")
    ] = "auto",
    model: Model = None,
    judge: Judge = None,
    temperature: Temperature = None,
    seed: Seed = None,
    library: Library = None,
    rubrics: Rubrics = None,
    principles: Principles = None,
    seeds: Seeds = None,
    k: Annotated[int | None, typer.Option("-k", help="Principles to retrieve.")] = None,
    max_rounds: Annotated[int | None, typer.Option(help="Rounds of revision of an answer.")] = None,
    redact: Redact = None,
    repeats: Repeats = 1,
    ignore_drafts: IgnoreDrafts = False,
    limit: Limit = None,
    theme: Themes = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    split: SplitName = None,
    concurrency: Concurrency = 16,
    processes: Processes = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    retry_errors: RetryErrors = False,
    fresh: Fresh = False,
    as_json: SummaryJson = False,
) -> None:
    """Answer the conversations of a data set, by a model alone or by the agent around it; run it again to continue.

    The agent revises a row's own draft, else one that the model writes. Exit code 0: every row has an answer; 1: some are errors;
    3: some are not done yet; 130: interrupted.
    """
    from agent.batch.cli import checked_bounds, run_out
    from agent.batch.run import BatchRun
    from agent.batch.runners import make_runner
    from agent.config import load_settings
    from agent.telemetry import configure_telemetry
    from evals.answers.job import Answering, AnswerOpener, refuse_other_way
    from evals.answers.question import read_questions
    from evals.answers.ways import AgentAround, ModelAlone, model_of
    from evals.healthbench import resolve

    configure_telemetry()
    settings = load_settings(
        model=model,
        judge=judge,
        temperature=temperature,
        seed=seed,
        library=library,
        rubrics=rubrics,
        principles=principles,
        seeds=seeds,
        k=k,
        max_rounds=max_rounds,
        redact=redact,
    )
    if engine == "embedded":
        settings = settings.without_models()
    if not agent:
        model_of(settings)
    file = resolve(data)
    chosen: dict[str, Any] = {"split": split, "themes": list(theme), "tags": list(tag)}
    questions = read_questions(file, repeats=repeats, ignore_drafts=ignore_drafts, limit=limit, **chosen)
    _tell(questions, settings, repeats, is_agent=agent)
    way = AgentAround() if agent else ModelAlone()
    if not fresh:
        refuse_other_way(output, way)
    work = {**chosen, "ignore drafts": ignore_drafts, "several samples": repeats > 1}
    batch = BatchRun(
        Answering(file, questions, settings, way, work),
        make_runner(AnswerOpener(settings, way), concurrency=concurrency, processes=processes),
        output=output,
        limit=len(questions),
        bounds=checked_bounds(settings, max_calls, max_tokens, max_cost, max_seconds),
        fresh=fresh,
        retry_errors=retry_errors,
    )
    run_out(batch, as_json=as_json, then=f"grade them: clinalign eval grade {output} -o GRADED")


def _tell(questions: list[Question], settings: Settings, repeats: int, *, is_agent: bool) -> None:
    """Say what a reader of the answers should know of how they came about."""
    from evals.answers.ways import without_drafts

    lacking = without_drafts(questions)
    if is_agent and settings.model is None and lacking:
        typer.echo(
            f"clinalign: {lacking:,} of {len(questions):,} rows bring no draft and no model is named: their answers are composed "
            "from principles alone, which says little of any model",
            err=True,
        )
    if repeats > 1 and settings.temperature == 0:
        typer.echo("clinalign: at temperature 0 the samples of a conversation will hardly differ", err=True)
    if not all(question.rubric for question in questions):
        typer.echo("clinalign: rows without rubrics are answered, but can't be graded", err=True)
