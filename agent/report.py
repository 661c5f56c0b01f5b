"""A finished run for a person at a terminal: what changed, why, and the verdicts before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.state import DISCLAIMER, AgentOutput
from agent.word_diff import word_diff

_STYLES = {"same": "", "removed": "red strike", "added": "green bold"}
_MARKS = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
_VERDICT_STYLES = {"good": "green", "bad": "red", "unknown": "dim"}


def print_report(output: AgentOutput, console: Console) -> None:
    """Print the whole report; without colour the diff is marked as in `git diff --word-diff`."""
    console.print(_headline(output))
    console.print(Panel(_diff(output["draft"], output["answer"], console), title="draft → answer", title_align="left"))
    if output["edits"]:
        console.print(_edits(output))
    if output["critiques"]:
        console.print(_verdicts(output))
    console.print(_footer(output))


def _headline(output: AgentOutput) -> RenderableType:
    scenario = output["scenario"]
    labels = ", ".join(
        f"{name.replace('_', ' ')}: {scenario[name]}" for name in ("urgency", "uncertainty", "expertise", "task_type")
    )
    verb = "revised" if output["accepted"] else "left as it was"
    return Group(Text(labels, style="dim"), Text(f"The draft was {verb} ({output['stopped_because']}).", style="bold"))


def _diff(before: str, after: str, console: Console) -> Text:
    text = Text()
    for kind, run in word_diff(before, after):
        opening, closing = ("", "") if console.color_system else _MARKS[kind]
        text.append(f"{opening}{run}{closing}", style=_STYLES[kind])
    return text


def _edits(output: AgentOutput) -> Table:
    table = Table(title="Edits", title_justify="left", show_lines=True, expand=True)
    for name, ratio in (("", 1), ("what", 5), ("why", 4)):
        table.add_column(name, ratio=ratio)
    for edit in output["edits"]:
        what = Text()
        if edit["before"]:
            what.append(edit["before"], style=_STYLES["removed"])
        if edit["before"] and edit["after"]:
            what.append("\n→ ")
        what.append(edit["after"], style=_STYLES["added"])
        table.add_row(edit["op"], what, Text(f"{edit['reason']}\n({edit['principle_id']})"))
    return table


def _verdicts(output: AgentOutput) -> Table:
    before, after = output["critiques"][0], output["critiques"][-1]
    table = Table(title="Verdicts", title_justify="left", expand=True)
    table.add_column("criterion", ratio=6)
    table.add_column("points", justify="right")
    table.add_column("draft")
    if len(output["critiques"]) > 1:
        table.add_column("revision")
    for criterion, old, new in zip(output["rubric"], before, after, strict=True):
        cells = [_verdict(criterion, old)] + ([_verdict(criterion, new)] if len(output["critiques"]) > 1 else [])
        table.add_row(Text(criterion["criterion"]), f"{criterion['points']:+d}", *cells)
    return table


def _verdict(criterion: Mapping[str, Any], verdict: Mapping[str, Any]) -> Text:
    value = verdict["verdict"]
    quality = "unknown" if value == "unknown" else "good" if (value == "met") == (criterion["points"] > 0) else "bad"
    return Text(value, style=_VERDICT_STYLES[quality])


def _footer(output: AgentOutput) -> RenderableType:
    usage = output["usage"]
    similar = len(output["seeds"])
    lines: Sequence[str] = [
        *(f"warning: {warning}" for warning in output["warnings"]),
        f"{output['engine']}, principles {output['library_hash'][:12]}, {usage['calls']} model calls, "
        f"{usage['input_tokens'] + usage['output_tokens']} tokens, {usage['seconds']:.2f} s",
        *(
            [f"seeds from {similar} rubrics of similar conversations ({output['rubrics_hash'][:12]})"]
            if similar
            else []
        ),
        DISCLAIMER,
    ]
    return Text("\n".join(lines), style="dim")
