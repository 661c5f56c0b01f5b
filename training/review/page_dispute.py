"""A dispute as its adjudicator sees it: all reviewers' versions side by side, rows to take from any, the common sheet below."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from json import dumps

from agent.page.markup import tagged, unseen
from training.review.closing import Dispute
from training.review.page_frame import button
from training.review.page_sheet import as_taken, bar, matter, remark, row_text, table
from training.review.sheet import Sheet, SheetCriterion

_DECIDED = {"accepted": "accepted it", "rejected": "rejected it"}


def dispute_html(dispute: Dispute, *, has_judge: bool, above: str = "") -> str:
    """Return the whole view of one dispute."""
    record = dispute.record
    settled = (
        ""
        if dispute.is_open
        else '<p class="waiting">This record is final; to decide again replaces what was decided.</p>'
    )
    head = (
        f'<h2 tabindex="-1" data-key="head">Dispute: {escape(record.theme or record.id)}</h2>'
        f'<p class="quiet">{escape(record.id)}</p>'
    )
    decisions = button("Reject", "decide", decision="reject") + button(
        "Accept", "decide", look="main", decision="accept"
    )
    return (
        f"{above}{settled}{head}{matter(record)}<h3>What the reviewers made of it</h3>{_said(dispute)}{_versions(dispute)}"
        f"<h3>What shall stand</h3>{table(record, has_judge=has_judge)}{remark('Your reason')}"
        f"{bar(record, button('Save <kbd>Ctrl+S</kbd>', 'save') + decisions)}"
    )


def _said(dispute: Dispute) -> str:
    items = "".join(
        f"<li>{tagged('strong', sheet.reviewer)} {_DECIDED[sheet.state]}{': ' if sheet.comment else '.'}"
        f"{tagged('q', sheet.comment)}</li>"
        for sheet in dispute.sheets
    )
    return f'<ul class="decided">{items}</ul>'


def _versions(dispute: Dispute) -> str:
    """Return a table of all criteria, what is disputed first; a cell per reviewer."""
    rows = {sheet.reviewer: {row.key: row for row in sheet.criteria} for sheet in dispute.sheets}
    keys = list(dict.fromkeys(row.key for sheet in dispute.sheets for row in sheet.criteria))
    disputed = {found.key for found in dispute.differences if found.key}
    head = "".join(f'<th scope="col">{escape(sheet.reviewer)}{_take_all(sheet)}</th>' for sheet in dispute.sheets)
    body = "".join(
        _line(number, key, rows, is_disputed=key in disputed)
        for number, key in enumerate(sorted(keys, key=lambda key: key not in disputed), start=1)
    )
    return (
        '<div class="versions" role="region" tabindex="0" aria-label="Versions of all reviewers"><table>'
        '<caption class="unseen">Each criterion as each reviewer has it</caption><thead><tr><th scope="col">'
        f'<span class="unseen">Number</span></th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _line(number: int, key: str, rows: dict[str, dict[str, SheetCriterion]], *, is_disputed: bool) -> str:
    cells = "".join(_cell(key, reviewer, own.get(key), number) for reviewer, own in rows.items())
    look = ' class="disputed"' if is_disputed else ""
    mark = '<span class="unseen">disputed</span>' if is_disputed else ""
    return f'<tr{look}><th scope="row">{number}{mark}</th>{cells}</tr>'


def _cell(key: str, reviewer: str, row: SheetCriterion | None, number: int) -> str:
    named = f'Take<span class="unseen"> criterion {number} of {escape(reviewer)}</span>'
    take = button(named, "take", look="plain", by=reviewer, take=as_taken(key, row))
    return f'<td data-label="{escape(reviewer)}"><p dir="auto">{row_text(row)}</p>{take}</td>'


def _take_all(sheet: Sheet) -> str:
    words = f"Take all{unseen(f' of {sheet.reviewer}')}"
    value = dumps([asdict(item) for item in sheet.criteria])
    return f" {button(words, 'take', look='plain', by=sheet.reviewer, whole=1, take=value)}"
