"""The codes of the JSON contract in plain words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from agent.edit import EditOp
from agent.state import StoppedBecause

Outcome = Literal["wanted", "unwanted", "unknown"]

WHY_UNCHANGED: dict[StoppedBecause, str] = {
    "no principle applies": "no principle of the library applies here",
    "nothing to improve": "the draft fails none of the criteria that could be judged",
    "no edit possible": "the draft fails some criteria, but no edit mends them without spoiling something else",
    "revision lost a fact": "the revision would have lost a fact of the draft",
    "revision too long": "the revision would have become too long",
    "revision lost a criterion": "the revision would have failed a criterion that the draft satisfies",
    "revision gained nothing": "the revision would have satisfied no further criterion",
    "model failed": "the model failed on the way, so the draft is not revised, or not checked to the end",
    "limit reached: rounds": "the rounds allowed for one answer were used up",
    "limit reached: calls": "the model calls allowed for one answer were used up",
    "limit reached: tokens": "the tokens allowed for one answer were used up",
    "limit reached: seconds": "the time allowed for one answer was used up",
    "limit reached: cost": "the money allowed for one answer was used up",
}
"""Why the answer is the draft as it was."""
CUT_SHORT: frozenset[StoppedBecause] = frozenset(
    reason
    for reason in get_args(StoppedBecause)
    if reason == "model failed" or (reason.startswith("limit") and reason != "limit reached: rounds")
)
"""Ends of a run that would have gone on."""
OPS: dict[EditOp, str] = {"ADD": "Added", "REMOVE": "Removed", "MODIFY": "Reworded"}
OUTCOMES: dict[Outcome, tuple[str, str]] = {"wanted": ("good", "✓"), "unwanted": ("bad", "✗"), "unknown": ("open", "?")}
"""Class and mark, so that colour alone says nothing."""
VERDICTS = {"met": "Met", "unmet": "Not met", "unknown": "Unknown"}


def outcome(points: int, verdict: str) -> Outcome:
    """Tell whether the text is as the criterion wants it: one with negative points wants not to be met."""
    if verdict == "unknown":
        return "unknown"
    return "wanted" if (verdict == "met") == (points > 0) else "unwanted"


def sentence(text: str) -> str:
    """Return the text as a sentence: a capital first, a full stop last."""
    text = capital(text.strip())
    return text + ("" if text.endswith((".", "!", "?", ":", "”", '"')) else ".")


def capital(text: str) -> str:
    """Return the text with a capital first, unless it begins with a name such as openai:gpt-5."""
    return text if ":" in text.partition(" ")[0].rstrip(":") else text[:1].upper() + text[1:]


def counted(number: int, thing: str) -> str:
    """Return `1 edit`, `2 edits`, `3 criteria`."""
    many = "criteria" if thing == "criterion" else f"{thing}s"
    return f"{number:,} {thing if number == 1 else many}"


def numbers(edits: Collection[int]) -> str:
    """Return the edits as they are numbered on the page: `edit 2`, `edits 1, 2 and 4`."""
    shown = [str(edit + 1) for edit in sorted(edits)]
    if len(shown) == 1:
        return f"edit {shown[0]}"
    return f"edits {', '.join(shown[:-1])} and {shown[-1]}"
