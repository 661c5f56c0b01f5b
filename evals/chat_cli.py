"""`clinalign eval chat-load`: many people at once on the page of `app.py`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evals.chat_browser import Visible
    from evals.chat_load import ChatLoad


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
    browser: Annotated[
        int,
        typer.Option(help="Look through a real browser as well: so many times alone, and as often in a crowd.", min=0),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have many people ask on the chat's page at once: how soon each sees something, and whether all get their own answers."""
    from dataclasses import asdict

    from agent.config import load_settings
    from agent.context import load_context
    from evals.batch.case_rows import read_pairs
    from evals.chat_browser import measure_visible
    from evals.chat_load import measure_chat

    pairs = read_pairs(file, example)
    found = measure_chat(pairs, load_context(load_settings()), app=app, users=users, alone=alone)
    seen = measure_visible(pairs, app=app, users=users, times=browser) if browser else None
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"browser": seen and asdict(seen)}, indent=2))
    else:
        typer.echo(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}")
        for line in (*_over_the_line(found), *(_in_a_browser(seen, users) if seen else ())):
            typer.echo(line)
        typer.echo(f"{len(found.faults)} faults in {1 + alone + users} answers: errors, wrong answers, texts of others")
    for fault in found.faults:
        typer.echo(fault, err=True)
    if found.faults:
        raise typer.Exit(1)


def _over_the_line(found: ChatLoad) -> Iterator[str]:
    for what, waits in (("stages on the screen", found.stages), ("first stage finished", found.step)):
        if waits.alone and waits.together:
            yield (
                "{what}: {alone_ms:.0f} ms for one person (median of {alone}); for {users} at once {together_ms:.0f} ms "
                "(median), {together_last_ms:.0f} (last), {ratio:.1f} and {ratio_last:.1f} times as long".format(
                    what=what, alone=len(waits.alone), users=len(waits.together), **waits.summary()
                )
            )


def _in_a_browser(seen: Visible, users: int) -> Iterator[str]:
    alone, among = seen.alone, seen.among
    yield (
        f"first step on the screen of a browser: {median(alone):.0f} ms alone [{alone[0]:.0f}, {alone[-1]:.0f}]; among {users} "
        f"{median(among):.0f} ms [{among[0]:.0f}, {among[-1]:.0f}], {seen.ratio:.1f} times as long (medians of {len(among)})"
    )
