"""`clinalign eval chat-load`: many people at once on the page of `app.py`."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Annotated

import typer


def chat_load(
    file: Annotated[
        Path | None,
        typer.Argument(help="JSONL of drafts; without it the shipped sample is asked, each time otherwise."),
    ] = None,
    users: Annotated[int, typer.Option(help="People who ask at once.", min=1)] = 20,
    alone: Annotated[int, typer.Option(help="People who ask one after the other before them.", min=1)] = 9,
    app: Annotated[Path, typer.Option(help="The page's own file.")] = Path("app.py"),
    example: Annotated[Path, typer.Option(help="The sample used without a file.")] = Path(
        "examples/chest_pressure.json"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have many people ask on the chat's page at once: how soon each sees something, and whether all get their own answers."""
    from dataclasses import asdict

    from agent.config import load_settings
    from agent.context import load_context
    from evals.batch.case_rows import read_pairs
    from evals.chat_load import measure_chat

    found = measure_chat(read_pairs(file, example), load_context(load_settings()), app=app, users=users, alone=alone)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        typer.echo(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}")
        for what, waits in (("stages on the screen", found.stages), ("first stage finished", found.step)):
            if waits.alone and waits.together:
                typer.echo(
                    "{what}: {alone_ms:.0f} ms for one person (median of {alone}); for {users} at once {together_ms:.0f} ms "
                    "(median), {together_last_ms:.0f} (last), {ratio:.1f} and {ratio_last:.1f} times as long".format(
                        what=what, alone=len(waits.alone), users=len(waits.together), **waits.summary()
                    )
                )
        typer.echo(f"{len(found.faults)} faults in {1 + alone + users} answers: errors, wrong answers, texts of others")
    for fault in found.faults:
        typer.echo(fault, err=True)
    if found.faults:
        raise typer.Exit(1)
