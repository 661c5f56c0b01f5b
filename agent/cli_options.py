"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Library = Annotated[
    Path | None, typer.Option(help="Folder of principle files, or a JSON list.", envvar="CLINALIGN_LIBRARY")
]
Rubrics = Annotated[
    Path | None,
    typer.Option(
        help="Folder or file of rubrics that seeds come from; none: the shipped ones.", envvar="CLINALIGN_RUBRICS"
    ),
]
Principles = Annotated[
    bool | None,
    typer.Option("--principles/--no-principles", help="Whether a model's rubric is written with principles."),
]
Seeds = Annotated[
    bool | None,
    typer.Option("--seeds/--no-seeds", help="Whether a model sees criteria of rubrics for similar conversations."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="provider:name of the model that writes, such as openai:gpt-5 or hf:FOLDER; none: no LLM.",
        envvar="CLINALIGN_MODEL",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        help="The same of the model that judges, small:FOLDER (a small judge), or both, small:FOLDER,provider:name; "
        "none: the writer.",
        envvar="CLINALIGN_JUDGE",
    ),
]
Temperature = Annotated[float | None, typer.Option(help="Of the model's sampling; none: the provider's own.")]
Redact = Annotated[
    bool | None, typer.Option("--redact/--no-redact", help="Take obvious identifiers out of what a model is sent.")
]
Trace = Annotated[
    Path | None, typer.Option(help="File to which a line per answer is appended: prompts, models, tokens; no text.")
]
