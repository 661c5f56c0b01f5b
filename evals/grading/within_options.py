"""Options of the commands that have answers judged first and then measure the verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

KeptVerdicts = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where the verdicts are kept, to be continued from.")
]
FirstAnswers = Annotated[int | None, typer.Option("--limit", help="Only the first answers of the file.", min=1)]
AsOneObject = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Seed = Annotated[int, typer.Option(help="Of whatever is drawn by lot: the bootstrap, the changes.", min=0)]
Samples = Annotated[int, typer.Option(help="Bootstrap samples.", min=100)]
