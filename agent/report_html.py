"""A finished run as a piece of a web page: what changed, why, and the verdicts before and after. All text is escaped."""

from __future__ import annotations

from html import escape

from agent.rubric import OWN_KNOWLEDGE
from agent.state import AgentOutput, StoppedBecause
from agent.word_diff import word_diff

WHY_UNCHANGED: dict[StoppedBecause, str] = {
    "no principle applies": "no principle of the library applies here",
    "nothing to improve": "the draft fails none of the criteria that could be judged",
    "no edit possible": "the draft fails some criteria, but no edit mends them without spoiling something else",
    "revision lost a fact": "the revision would have lost a fact of the draft",
    "revision too long": "the revision would have become too long",
    "revision lost a criterion": "the revision would have failed a criterion that the draft satisfies",
    "model failed": "the model failed on the way, so the draft is not revised, or not checked to the end",
    "revision gained nothing": "the revision would have satisfied no further criterion",
}
"""Limits speak for themselves."""
_TAGS = {"same": "span", "removed": "del", "added": "ins"}
STYLE = """
.report { color-scheme: light; overflow-wrap: break-word } .dark .report { color-scheme: dark }
.report h3 { margin: 1.2em 0 .4em } .report ol, .report ul { padding-left: 1.3em } .report li { margin: .5em 0 }
.report ins, .report .good { color: light-dark(#14632d, #8fe0a8) }
.report del, .report .bad { color: light-dark(#9b1c1c, #ffadad) }
.report ins { background: light-dark(#d9f5e0, #143d22); text-decoration: none }
.report del { background: light-dark(#fde3e3, #4a1a1a) }
.report .quiet { color: light-dark(#57606a, #a6adb8); font-size: .9em }
.report .diff { white-space: pre-wrap; border: 1px solid light-dark(#d0d7de, #444c56); border-radius: 8px; padding: .8em }
.report table { width: 100%; border-collapse: collapse; font-size: .9em }
.report table, .report tr, .report th, .report td { border: 0 }
.report th, .report td { text-align: left; vertical-align: top; padding: .4em .8em .4em 0 }
.report td { border-top: 1px solid light-dark(#d0d7de, #444c56) }
.report td + td { white-space: nowrap }
.report td.quiet { font-size: 1em }
"""
"""For the page that shows a report; an ancestor of class `dark` makes it dark."""


def report_html(output: AgentOutput) -> str:
    """Return the whole report."""
    notes = "".join(f"<p class='quiet'>{escape(warning)}</p>" for warning in output["warnings"])
    usage = f"{output['engine']}; principles {output['library_hash'][:12]}; {output['usage']['calls']} model calls"
    parts = [_statement(output), notes, _diff(output), _edits(output), _verdicts(output), _principles(output)]
    return f"<div class='report'>{''.join(parts)}<p class='quiet'>{escape(usage)}</p></div>"


def _statement(output: AgentOutput) -> str:
    why = WHY_UNCHANGED.get(output["stopped_because"], output["stopped_because"])
    text = f"Edits to the draft: {len(output['edits'])}" if output["accepted"] else f"Nothing was changed: {why}"
    return f"<p><strong>{escape(text)}.</strong></p>"


def _diff(output: AgentOutput) -> str:
    runs = word_diff(output["draft"], output["answer"])
    return f"<div class='diff'>{''.join(_tagged(_TAGS[kind], run) for kind, run in runs)}</div>"


def _edits(output: AgentOutput) -> str:
    titles = {principle["id"]: principle["title"] for principle in output["principles"]}
    titles[OWN_KNOWLEDGE] = "the model's own medical knowledge"
    items = []
    for edit in output["edits"]:
        title = titles.get(edit["principle_id"], edit["principle_id"])
        reason = edit["criterion"] if edit["reason"] == title else edit["reason"]
        changed = " ".join([_tagged("del", edit["before"]), _tagged("ins", edit["after"])])
        why = f"<div class='quiet'>{escape(reason)}</div>"
        items.append(f"<li>{escape(edit['op'])}: <strong>{escape(title)}</strong><br>{changed}{why}</li>")
    return f"<h3>Edits</h3><ol>{''.join(items)}</ol>" if items else ""


def _verdicts(output: AgentOutput) -> str:
    """Return the verdicts on the draft and, where a revision was accepted, on the answer."""
    if not output["critiques"]:
        return ""
    judged = [output["critiques"][0], *output["critiques"][1:][-1:]]
    names = ["Criterion and points", "Draft", "Revision"]
    head = "".join(_tagged("th", name) for name in names[: 1 + len(judged)])
    rows = []
    for criterion, *found in zip(output["rubric"], *judged, strict=True):
        points = criterion["points"]
        cells = "".join(_verdict(points, row["verdict"]) for row in found)
        rows.append(f"<tr><td>{escape(criterion['criterion'])} ({points:+d})</td>{cells}</tr>")
    note = "<p class='quiet'>✓ as wanted, ✗ not. Negative points are a penalty: there, unmet is as wanted.</p>"
    return f"<h3>Verdicts</h3><table><tr>{head}</tr>{''.join(rows)}</table>{note}"


def _verdict(points: int, value: str) -> str:
    good = (value == "met") == (points > 0)
    look, mark = ("quiet", "?") if value == "unknown" else ("good", "✓") if good else ("bad", "✗")
    return f"<td class='{look}'>{mark} {escape(value)}</td>"


def _principles(output: AgentOutput) -> str:
    items = [
        f"<li>{escape(principle['title'])}<div class='quiet'>{escape('; '.join(principle['why']))}</div></li>"
        for principle in output["principles"]
    ]
    return f"<h3>Principles found</h3><ul>{''.join(items)}</ul>" if items else ""


def _tagged(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>" if text else ""
