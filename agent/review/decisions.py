"""What a person decides about edits, checked where it comes in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.errors import InputError
from agent.review.turn import Decision, Turn, edits, now

MAX_COMMENT = 10_000
"""Characters."""
_KEYS = {"edit", "decision", "comment", "by"}
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def read_decisions(given: object, turn: Turn | None) -> list[Decision]:
    """Return [{edit, decision, comment?, by?}] as decisions of this moment on a turn; raises InputError."""
    if turn is None or turn["output"] is None:
        raise InputError("there is no answer to decide on; ask a question first")
    if not edits(turn):
        raise InputError("the last answer has no edits to decide on: nothing was changed")
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise InputError("decisions are a list of {edit, decision, comment}, at least one")
    at = now()
    return [_decision(item, len(edits(turn)), at) for item in given]


def latest(turn: Turn) -> list[Decision]:
    """Return the decisions that were sent together last."""
    return [decision for decision in turn["decisions"] if decision["at"] == turn["decisions"][-1]["at"]]


def _decision(item: object, count: int, at: str) -> Decision:
    if not isinstance(item, Mapping):
        raise InputError(f"a decision is an object with edit and decision, found {type(item).__name__}")
    if unknown := sorted(set(item) - _KEYS, key=str):
        raise InputError(f"unknown key {unknown[0]!r} in a decision; it has {', '.join(sorted(_KEYS))}")
    edit, decision = item.get("edit"), item.get("decision")
    if not isinstance(edit, int) or isinstance(edit, bool) or not 0 <= edit < count:
        raise InputError(f"there is no edit {edit!r}; the last answer has edits 0 to {count - 1}")
    if decision not in ("accept", "reject"):
        raise InputError(f"decision {decision!r} on edit {edit} is neither accept nor reject")
    return {
        "edit": edit,
        "decision": decision,
        "comment": _text(item, "comment") or "",
        "at": at,
        "by": _text(item, "by"),
    }


def _text(item: Mapping[str, Any], key: str) -> str | None:
    text = item.get(key)
    if text is not None and not isinstance(text, str):
        raise InputError(f"the {key} of a decision must be text, found {type(text).__name__}")
    if text is not None and len(text) > MAX_COMMENT:
        raise InputError(f"the {key} of a decision has {len(text):,} characters, more than {MAX_COMMENT:,}; shorten it")
    if text is not None and _HALF_CHARACTER.search(text):
        raise InputError(f"the {key} of a decision has half a character in it; send it as UTF-8")
    return text
