"""The verdicts on draft, revision and the person's own version: how many criteria each satisfies, and a table with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from agent.page.answered import Answered
from agent.page.markup import tagged, unseen
from agent.page.wording import OUTCOMES, VERDICTS, Outcome, counted, outcome, sentence

_OUTCOME_WORDS: dict[Outcome, str] = {"wanted": "as wanted", "unwanted": "not as wanted", "unknown": "unknown"}
_NOTE = (
    "✓ as wanted, ✗ not as wanted, ? could not be judged. A criterion marked “fault” names something an answer should not do: "
    "there, “not met” is as wanted."
)
_ORDER: dict[tuple[Outcome, Outcome], int] = {
    ("wanted", "unwanted"): 0,
    ("wanted", "unknown"): 0,
    ("unwanted", "wanted"): 1,
    ("unknown", "wanted"): 1,
    ("unwanted", "unwanted"): 2,
    ("unwanted", "unknown"): 2,
    ("unknown", "unwanted"): 2,
    ("unknown", "unknown"): 3,
    ("wanted", "wanted"): 4,
}
"""What deserves a look first: lost, gained, still failing, unknown; by the draft's outcome and the revision's."""


class Line(NamedTuple):
    """One criterion with a verdict per version; `number` is its place in the rubric."""

    number: int
    criterion: dict[str, Any]
    rows: tuple[dict[str, Any], ...]

    def outcome(self, version: int) -> Outcome:
        return outcome(self.criterion["points"], self.rows[version]["verdict"])


def scores_html(shown: Answered) -> str:
    """Return for each version how many criteria it satisfies, with a mark per criterion."""
    names, lines = _versions(shown), _lines(shown)
    if not lines:
        return ""
    items = [_score(name, [line.outcome(place) for line in lines]) for place, name in enumerate(names)]
    return f'<dl class="scores">{"".join(items)}</dl>'


def verdicts_html(shown: Answered) -> str:
    """Return the table, each criterion opening to evidence and reason; what every version satisfies stands folded below."""
    lines = _lines(shown)
    if not lines:
        return ""
    names = list(_versions(shown))
    calm = [line for line in lines if all(line.outcome(place) == "wanted" for place in range(len(names)))]
    rest = [line for line in lines if line not in calm]
    tables = _table(rest or calm, names, "Verdicts", shown)
    if rest and calm:
        everywhere = " in every version" if len(names) > 1 else ""
        folded = f"{counted(len(calm), 'criterion')} satisfied{everywhere}"
        tables += (
            f'<details class="calm" data-key="{shown.prefix}-calm"><summary>{folded}</summary>'
            f"{_table(calm, names, folded, shown)}</details>"
        )
    return f'<h3>Verdicts</h3>{tables}<p class="quiet">{_NOTE}</p>'


def _table(lines: Sequence[Line], names: Sequence[str], caption: str, shown: Answered) -> str:
    head = '<th scope="col">Criterion</th>' + "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(_row(line, names, f"{shown.prefix}-criterion-{line.number}") for line in lines)
    return (
        f'<table class="verdicts"><caption class="unseen">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _versions(shown: Answered) -> dict[str, Sequence[dict[str, Any]]]:
    """Return the verdicts on draft, revision and the person's own version, as far as there are any."""
    critiques = shown.output["critiques"]
    found = {
        "Draft": critiques[0] if critiques else None,
        "Revision": critiques[-1] if len(critiques) > 1 else None,
        "Yours": shown.turn["verdicts"],
    }
    return {name: rows for name, rows in found.items() if rows is not None}


def _lines(shown: Answered) -> list[Line]:
    """Return the criteria in the order of what deserves a look; the person's own version moves none of them."""
    versions = _versions(shown)
    if not versions or not shown.output["rubric"]:
        return []
    rows = zip(*versions.values(), strict=True)
    pairs = zip(shown.output["rubric"], rows, strict=True)
    lines = [Line(number, criterion, found) for number, (criterion, found) in enumerate(pairs)]
    after = min(1, len(shown.output["critiques"]) - 1)
    return sorted(lines, key=lambda line: _ORDER[line.outcome(0), line.outcome(after)])


def _score(name: str, outcomes: Sequence[Outcome]) -> str:
    marks = "".join(f'<span class="{OUTCOMES[found][0]}">{OUTCOMES[found][1]}</span>' for found in outcomes)
    count = Counter(outcomes)
    unknown = f", {count['unknown']} unknown" if count["unknown"] else ""
    return (
        f"<div><dt>{name}</dt><dd><strong>{count['wanted']} of {len(outcomes)}</strong> satisfied{unknown} "
        f'<span class="marks" aria-hidden="true">{marks}</span></dd></div>'
    )


def _row(line: Line, names: Sequence[str], key: str) -> str:
    points = line.criterion["points"]
    weight = f"Fault, −{counted(-points, 'point')}" if points < 0 else f"+{counted(points, 'point')}"
    about = "".join(_about(name, row) for name, row in zip(names, line.rows, strict=True))
    criterion = escape(line.criterion["criterion"])
    told = f'<span dir="auto">{criterion}</span> <span class="quiet weight">{weight}</span>'
    cells = "".join(_cell(line, place, name) for place, name in enumerate(names))
    changed = len({line.outcome(place) for place in range(len(names))}) > 1
    look = ' class="moved"' if changed else ""
    folded = f'<details data-key="{key}"><summary>{told}</summary>{about}</details>'
    return f'<tr{look}><th scope="row" aria-label="{criterion}">{folded}</th>{cells}</tr>'


def _cell(line: Line, place: int, name: str) -> str:
    found = line.outcome(place)
    look, mark = OUTCOMES[found]
    word = escape(VERDICTS.get(line.rows[place]["verdict"], line.rows[place]["verdict"]))
    aside = unseen(f", {_OUTCOME_WORDS[found]}") if found != "unknown" else ""
    return f'<td class="{look}" data-version="{name}"><span aria-hidden="true">{mark}</span> {word}{aside}</td>'


def _about(name: str, row: dict[str, Any]) -> str:
    reason = sentence(row["reason"]) if row["reason"].strip() else "No reason was given."
    quoted = f'<q dir="auto">{escape(row["evidence"])}</q>' if row["evidence"].strip() else ""
    return f'<p class="about">{tagged("strong", f"{name}:")} {escape(reason)} {quoted}</p>'
