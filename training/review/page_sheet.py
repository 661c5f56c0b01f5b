"""One record to review: question, both responses, the criteria in a table that the script fills, scores, and the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any, Literal

from agent.page.markup import tagged
from training.preferences import HealthRubric
from training.review.page_frame import button
from training.review.sheet import Sheet, SheetCriterion

Kind = Literal["sheet", "dispute"]
STATES = {"open": "Open", "accepted": "You accepted it", "rejected": "You rejected it", "deferred": "You put it off"}
_SPEAKERS = {"user": "Asked", "assistant": "Answered", "system": "Instruction"}


def sheet_data(
    sheet: Sheet, scores: Sequence[Mapping[str, float] | None], margin: tuple[float, float] | None, kind: Kind, by: str
) -> dict[str, Any]:
    """Return what the script needs of a sheet; scores and margin are the server's own, `by` gives verdicts on it."""
    record = sheet.record
    return {
        "kind": kind,
        "record": record.id,
        "reviewer": sheet.reviewer,
        "judges_as": by,
        "version": sheet.version,
        "state": sheet.state,
        "comment": sheet.comment,
        "responses": len(record.responses),
        "preferred": record.preferred,
        "criteria": [asdict(row) for row in sheet.criteria],
        "scores": list(scores),
        "margin": None if margin is None else {"low": margin[0], "high": margin[1]},
    }


def sheet_html(sheet: Sheet, *, progress: str, has_judge: bool, above: str = "") -> str:
    """Return a reviewer's own sheet; `above` comes first: a refusal, or what two saves made of each other."""
    record = sheet.record
    steps = button("← Previous <kbd>k</kbd>", "previous") + button("Next <kbd>j</kbd> →", "next")
    head = (
        f'<div class="record-head"><div><h2 tabindex="-1" data-key="head">{escape(record.theme or record.id)}</h2>'
        f'<p class="quiet">{escape(record.id)} · <span class="state">{STATES[sheet.state]}</span></p></div>'
        f'<div class="steps">{steps}</div></div>'
    )
    decisions = "".join(
        button(words, "decide", look=look, decision=decision) for words, decision, look in _decisions(sheet.state)
    )
    return (
        f"{progress}{above}{head}{matter(record)}<h3>Criteria</h3>{table(record, has_judge=has_judge)}"
        f"{remark('Comment')}{bar(record, button('Save <kbd>Ctrl+S</kbd>', 'save') + decisions)}"
        f'<p class="below">{button("History of this record", "view", look="plain", view="history", record=record.id)}</p>'
    )


def matter(record: HealthRubric) -> str:
    """Return the conversation and the responses, with which one was preferred, by whom and why."""
    return f"{_conversation(record)}{_responses(record)}"


def table(record: HealthRubric, *, has_judge: bool) -> str:
    """Return the empty table, its rows are the script's."""
    verdicts = "".join(
        f'<th scope="col" data-response="{place}">Response {place + 1} <kbd>{place + 1}</kbd></th>'
        for place in range(len(record.responses))
    )
    judge = button("Judge again", "judge") if has_judge and record.responses else ""
    return (
        '<table class="criteria"><caption class="unseen">Criteria, with their verdicts on each response</caption><thead><tr>'
        '<th scope="col"><span class="unseen">Number</span></th><th scope="col">Criterion</th><th scope="col">Points</th>'
        f'<th scope="col">Axis and tags</th>{verdicts}<th scope="col"><span class="unseen">Delete</span></th></tr></thead>'
        '<tbody class="rows"></tbody></table>'
        f'<div class="under">{button("Add a criterion <kbd>a</kbd>", "add")}{judge}<span class="quiet unjudged"></span></div>'
    )


def remark(label: str) -> str:
    field = '<textarea class="remark" data-key="remark" rows="2" maxlength="10000"></textarea>'
    return f'<label class="remark-label">{label}{field}</label>'


def bar(record: HealthRubric, buttons: str) -> str:
    """Return the scores and what can be done, which stay in view."""
    scores = "".join(
        f'<div><dt>Response {place + 1}{" ★" if place == record.preferred else ""}</dt><dd data-score="{place}"></dd></div>'
        for place in range(len(record.responses))
    )
    ahead = (
        '<div><dt>Margin</dt><dd><span data-margin role="status"></span></dd></div>'
        if record.preferred is not None
        else ""
    )
    shown = f'<dl class="figures">{scores}{ahead}</dl>' if record.responses else ""
    return f'<div class="bar">{shown}<span class="unsaved"></span><div class="acts">{buttons}</div></div>'


def as_taken(key: str, row: SheetCriterion | None) -> str:
    """Return the value of a button that takes a row into the table."""
    from json import dumps

    return dumps([asdict(row) if row else {"key": key, "gone": True}])


def row_text(row: SheetCriterion | None) -> str:
    """Return a criterion in one line, with its points."""
    if row is None:
        return '<em class="quiet">deleted</em>'
    return f'{tagged("span", row.criterion)} <span class="weight">({row.points:+d})</span>'.replace("(-", "(−")


def _decisions(state: str) -> list[tuple[str, str, str]]:
    if state in ("accepted", "rejected"):
        return [("Open it again", "reopen", "")]
    return [("Defer", "defer", ""), ("Reject", "reject", ""), ("Accept", "accept", "main")]


def _conversation(record: HealthRubric) -> str:
    *before, last = record.conversation
    turns = "".join(_message(message["role"], message["content"]) for message in before)
    folded = (
        f'<details class="before"><summary>What was said before ({len(before)})</summary>{turns}</details>'
        if before
        else ""
    )
    return f'<section class="question" aria-label="Conversation">{folded}{_message(last["role"], last["content"])}</section>'


def _message(role: str, text: str) -> str:
    return f'<p class="speaker">{_SPEAKERS[role]}</p><div class="said" dir="auto">{escape(text)}</div>'


def _responses(record: HealthRubric) -> str:
    if not record.responses:
        return '<p class="quiet">This rubric came without responses.</p>'
    shown = "".join(
        f'<article class="response{" preferred" if place == record.preferred else ""}"><h3>Response {place + 1}'
        f"{_badge(record, place)}</h3><div class='said' dir='auto'>{escape(response.text)}</div></article>"
        for place, response in enumerate(record.responses)
    )
    by = f" by {escape(record.preferred_by)}" if record.preferred_by else ""
    reason = f": {tagged('q', record.preference_reason)}" if record.preference_reason else ""
    which = "Neither is preferred" if record.preferred is None else f"Response {record.preferred + 1} is preferred"
    return f'<section class="responses" aria-label="Responses">{shown}</section><p class="why-preferred">{which}{by}{reason}</p>'


def _badge(record: HealthRubric, place: int) -> str:
    return ' <span class="badge">★ preferred</span>' if place == record.preferred else ""
