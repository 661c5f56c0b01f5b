"""The commands `clinalign rubrics …`: preferences to rubrics, their review, principles out of them, rubrics for new questions.

Only puts together what the packages bring; nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import typer

from training.distillation.cli import distill
from training.drafting.cli import check, draft
from training.review.cli import app as review
from training.review.cli import export
from training.seeds_cli import coverage, lint
from training.selection.cli import leaks, select
from training.synthesis.cli import copies, synthesize

app = typer.Typer(help="Draft, review, distil, synthesize and select rubrics.", no_args_is_help=True)
for command in (draft, check, export, distill, synthesize, copies, select, leaks, lint, coverage):
    app.command()(command)
app.add_typer(review, name="review")
