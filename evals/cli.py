"""`clinalign eval …`: every figure that the README states is printed by one of these commands."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.entry_commands import add_commands
from evals.ablation.cli import ablate
from evals.agreement.cli import agreement
from evals.answers.cli import run
from evals.batch.cli import app as batch_app
from evals.chat_cli import chat_load
from evals.comparison.cli import compare
from evals.cost_cli import load, overhead, prefix
from evals.data.cli import app as data_app
from evals.grading.bench_cli import grading
from evals.grading.cli import grade
from evals.grading.small_bench_cli import small_judge
from evals.reports.cli import report
from evals.robustness.cli import robustness

if TYPE_CHECKING:
    from agent.state import AgentContext
    from evals.speed import Timing

app = typer.Typer(help="Evaluate answers, and measure the agent and its parts.", no_args_is_help=True)
_ANSWERS = "Evaluate answers"
_SOFTWARE = "Measure the software"
_JUDGES = "Make a judge"
app.add_typer(data_app, name="data", rich_help_panel=_ANSWERS)
for _command in (run, grade, report, compare, agreement, robustness, ablate):
    app.command(rich_help_panel=_ANSWERS)(_command)
for _measurement in (grading, small_judge, overhead, load, chat_load, prefix):
    app.command(rich_help_panel=_SOFTWARE)(_measurement)
app.add_typer(batch_app, name="batch", rich_help_panel=_SOFTWARE)
add_commands(app, "clinalign.eval_commands", panel=_JUDGES)

Rows = Annotated[Path, typer.Argument(help="JSONL file of conversations, plain or .gz.")]
Limit = Annotated[int | None, typer.Option(help="Rows to read.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LibraryPath = Annotated[Path | None, typer.Option("--library", envvar="CLINALIGN_LIBRARY", help="Another library.")]


@app.command(rich_help_panel=_SOFTWARE)
def scenario(file: Rows, limit: Limit = None, as_json: AsJson = False) -> None:
    """Measure the scenario classifier on conversations with HealthBench's tags."""
    from dataclasses import asdict

    from evals.dataset import read_examples
    from evals.scenario import measure_scenarios

    figures = measure_scenarios(read_examples(file, limit=limit), _context().classifier)
    if as_json:
        _print_json(asdict(figures))
        return
    for facet in figures.facets:
        typer.echo(f"{facet.facet}: n {facet.n}, accuracy {facet.accuracy:.3f}, macro-F1 {facet.macro_f1:.3f}")
    recall, precision = _figure(figures.emergent_recall), _figure(figures.emergent_precision)
    typer.echo(f"emergent: n {figures.emergent_n}, recall {recall}, precision {precision}")
    typer.echo(f"called emergent among other themes: {_figure(figures.emergent_share_elsewhere)}")


@app.command(rich_help_panel=_SOFTWARE)
def firing(file: Rows, limit: Limit = None, library: LibraryPath = None, as_json: AsJson = False) -> None:
    """Print how often each principle is retrieved; fails if one is too broad without saying why."""
    from evals.dataset import read_examples
    from evals.firing import MOST, firing_rates

    rates = firing_rates(read_examples(file, limit=limit), _context(library))
    if as_json:
        _print_json([{"id": item.principle.id, "rate": item.rate, "too_broad": item.too_broad} for item in rates])
    else:
        for item in rates:
            broad = f"  broad: {item.principle.applies_when.broad}" if item.principle.applies_when.broad else ""
            typer.echo(f"{item.rate:6.1%}  {item.principle.id}{'  TOO BROAD' if item.too_broad else broad}")
        never = sum(item.rate == 0 for item in rates)
        typer.echo(
            f"{len(rates)} principles, {never} never retrieved, {sum(item.rate > MOST for item in rates)} above {MOST:.0%}"
        )
    if any(item.too_broad for item in rates):
        raise typer.Exit(1)


@app.command(rich_help_panel=_SOFTWARE)
def critic(file: Rows, limit: Limit = None, as_json: AsJson = False) -> None:
    """Compare the embedded critic with the verdicts of graded rows, where the library knows the criterion."""
    from dataclasses import asdict

    from evals.critic import measure_critic
    from evals.dataset import read_examples

    figures = measure_critic(read_examples(file, limit=limit), _context())
    if as_json:
        _print_json([asdict(group) for group in figures])
        return
    for group in figures:
        known = f"{group.known / group.mapped:.2f}" if group.mapped else "-"
        typer.echo(
            f"{group.group}: {group.criteria} criteria, mapped {group.mapped}, known {known} of them, "
            f"kappa {_figure(group.kappa)}, macro-F1 {_figure(group.macro_f1)}"
        )


@app.command(rich_help_panel=_SOFTWARE)
def drafts(
    file: Rows,
    limit: Limit = None,
    reference: Annotated[bool, typer.Option(help="Revise the physicians' answers instead of the drafts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Revise real drafts: what is changed, how long they get, what is lost (nothing may be)."""
    from evals.dataset import DatasetError, read_examples
    from evals.drafts import measure_drafts

    examples = read_examples(file, limit=limit)
    pairs = [(e, text) for e in examples if (text := e.reference if reference else e.draft)]
    if not pairs:
        raise DatasetError(f"{file}: no row has a {'physician_ideal' if reference else 'draft'}")
    figures = measure_drafts(pairs, _context())
    summary = {
        "n": figures.n,
        "accepted": figures.accepted,
        "stopped_because": dict(figures.stopped),
        "median_length_ratio": round(figures.median_length_ratio, 3),
        "max_length_ratio": round(max(figures.length_ratios), 3),
        "lost_facts": figures.lost_facts,
        "lost_criteria": figures.lost_criteria,
        "gained_criteria": figures.gained_criteria,
        "edits": dict(figures.edits.most_common()),
    }
    if as_json:
        _print_json(summary)
    else:
        for name, value in summary.items():
            typer.echo(f"{name.replace('_', ' ')}: {value}")
    if figures.lost_facts or figures.lost_criteria:
        raise typer.Exit(1)


@app.command(rich_help_panel=_SOFTWARE)
def speed(
    file: Annotated[
        Path | None, typer.Argument(help="JSONL of drafts; without it the shipped sample is revised.")
    ] = None,
    example: Annotated[Path, typer.Option(help="The sample for cold starts.")] = Path("examples/chest_pressure.json"),
    runs: Annotated[int, typer.Option(help="Cold starts.", min=1)] = 5,
    large: Annotated[int, typer.Option(help="Size of the large library.", min=1)] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Time revision, cold start, index build and search; ratios are of pairs in this one run."""
    from dataclasses import asdict

    from agent.retrieval import case_query
    from evals.dataset import read_examples
    from evals.speed import enlarged, enlarged_index, time_build, time_cold_start, time_revision, time_search
    from principles_store.conversation import parse_conversation

    sample = json.loads(example.read_text(encoding="utf-8"))
    rows = [(e.conversation[-1]["content"], e.draft) for e in read_examples(file) if e.draft] if file else []
    context = _context()
    conversation = parse_conversation(sample["question"])
    query = case_query(conversation, context.classifier.classify(conversation), context.embedder, draft=None)
    timings = [
        time_revision(rows or [(sample["question"], sample["draft"])], context),
        time_cold_start(example, runs=runs),
        time_search(context.index, query),
        time_search(enlarged_index(enlarged(context.index.library, large), context.embedder.encode), query, runs=50),
    ]
    built, opened = time_build(context.index.library, context.embedder)
    if as_json:
        _print_json({"timings": [asdict(t) for t in timings], "build_seconds": built, "open_seconds": opened})
        return
    typer.echo(f"{platform.machine()}, {_cores()} cores, Python {platform.python_version()}")
    for timing in timings:
        typer.echo(_timing_line(timing))
    typer.echo(
        f"index of {len(context.index.library)} principles: built in {built:.2f} s (encoding included), opened in {opened:.3f} s"
    )


def _context(library: Path | None = None) -> AgentContext:
    from agent.config import load_settings
    from agent.context import load_context

    return load_context(load_settings(library=library))


def _timing_line(timing: Timing) -> str:
    return (
        f"{timing.what}: {timing.seconds * 1e3:.3f} ms / {timing.floor * 1e3:.3f} ms, "
        f"ratio {timing.ratio:.2f} [{timing.spread[0]:.2f}, {timing.spread[1]:.2f}], n {timing.n}"
    )


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
