"""Commands that other modules and packages bring along, found by their entry points."""

from __future__ import annotations

from importlib.metadata import entry_points

import typer


def add_commands(app: typer.Typer, group: str, *, panel: str | None = None) -> None:
    """Add what the entry points of `group` name, each a group of commands or one command; `panel`: its heading in the help."""
    for entry in entry_points(group=group):
        loaded = entry.load()
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=entry.name, rich_help_panel=panel)
        else:
            app.command(entry.name, rich_help_panel=panel)(loaded)
