"""The lists of the review page: records, disputes, agreement, a record's history, and how far the review is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from agent.page.markup import tagged
from agent.page.wording import counted
from training.review.kept import Change
from training.review.listing import ListedRecord, Listing, Progress
from training.review.page_frame import button, of

PAGE = 50
"""Records of a list shown at once."""
_STATE_WORDS = {"open": "open", "accepted": "accepted", "rejected": "rejected", "deferred": "put off"}


def progress_html(progress: Progress, by: str) -> str:
    """Return one line: how far this reviewer is, and the review."""
    own = progress.reviewers.get(by)
    mine = own.accepted + own.rejected if own else 0
    final = progress.accepted + progress.rejected
    later = f", {own.deferred:,} put off" if own and own.deferred else ""
    disputes = f", {counted(progress.disputes, 'dispute')}" if progress.disputes else ""
    bar = f'<progress max="{max(progress.records, 1)}" value="{mine}" aria-label="Decided by you"></progress>'
    return (
        f'<p class="progress">{bar} <span>You: {of(mine, progress.records, "record")} decided{later}.</span> '
        f'<span class="quiet">Everyone: {final:,} final{disputes}.</span></p>'
    )


def list_html(listing: Listing, *, words: str, state: str, offset: int) -> str:
    """Return the records with their filters, a page of them."""
    states = {"": "Any state", **{name: shown.capitalize() for name, shown in _STATE_WORDS.items()}}
    options = "".join(
        f'<option value="{name}"{" selected" if name == state else ""}>{shown}</option>'
        for name, shown in states.items()
    )
    filters = (
        f'<div class="filters"><label>Words <input class="words" type="search" data-key="words" value="{escape(words)}"></label>'
        f'<label>Your state <select class="state" data-key="state">{options}</select></label>'
        f"{button('Search', 'view', view='list')}</div>"
    )
    rows = "".join(_row(row) for row in listing.rows)
    shown = (
        '<table class="records"><caption class="unseen">Records</caption><thead><tr><th scope="col">Record</th>'
        f'<th scope="col">You</th><th scope="col">Decided</th></tr></thead><tbody>{rows}</tbody></table>'
        if rows
        else "<p>No record matches. Use other words or fewer, or another state.</p>"
    )
    first, last = offset + 1, offset + len(listing.rows)
    total = f"{'' if listing.is_counted else 'more than '}{counted(listing.total, 'record')}"
    count = f"{first:,} to {last:,} of {total}" if rows else total
    return f'<h2 tabindex="-1">Records</h2>{filters}<p class="count" role="status">{count}</p>{shown}{_pages(listing, offset)}'


def disputes_html(ids: Sequence[str]) -> str:
    """Return the records that wait for an adjudicator."""
    items = "".join(f"<li>{button(escape(id), 'view', look='link', view='dispute', record=id)}</li>" for id in ids)
    shown = (
        f'<ul class="disputes">{items}</ul>'
        if items
        else "<p>Reviewers agree wherever enough of them have decided.</p>"
    )
    about = "Records whose reviewers decided differently. Whoever reviewed one can't settle it."
    return f'<h2 tabindex="-1">Disputes</h2><p class="quiet">{about}</p>{shown}'


def history_html(record_id: str, changes: Sequence[Change]) -> str:
    """Return every change that this reviewer may see, the last first."""
    items = "".join(_change(change) for change in reversed(changes))
    shown = f'<ol class="history" reversed>{items}</ol>' if items else "<p>You have saved nothing of it yet.</p>"
    back = button("← Back to the record", "view", view="record", record=record_id)
    about = "Others' changes are shown once enough reviewers have decided."
    return f'<h2 tabindex="-1">History of {escape(record_id)}</h2><p class="quiet">{about}</p>{shown}<p>{back}</p>'


def all_done_html(progress: Progress) -> str:
    """Return what is shown when nothing is left for this reviewer."""
    if not progress.records:
        return (
            '<h2 tabindex="-1">No records yet</h2><p>Add some with '
            "<code>clinalign rubrics review add FILE</code>, then reload this page.</p>"
        )
    return (
        '<h2 tabindex="-1">All done</h2><p>You have decided every record. Under Records each can be opened again.</p>'
    )


def _row(row: ListedRecord) -> str:
    opened = button(escape(row.theme or row.id), "view", look="link", view="record", record=row.id)
    record_state = f", {escape(row.outcome or row.record_state)}" if row.record_state != "open" else ""
    return (
        f'<tr><th scope="row">{opened}<p class="quiet" dir="auto">{escape(row.question)}</p></th>'
        f'<td data-label="You"><span class="state {row.state}">{_STATE_WORDS[row.state]}</span></td>'
        f'<td data-label="Decided">{row.decided} of {row.needed}{record_state}</td></tr>'
    )


def _pages(listing: Listing, offset: int) -> str:
    back = button("← Earlier", "view", view="list", offset=max(offset - PAGE, 0)) if offset else ""
    more = button("More →", "view", view="list", offset=offset + PAGE) if offset + PAGE < listing.total else ""
    return f'<div class="steps">{back}{more}</div>' if back or more else ""


def _change(change: Change) -> str:
    before, after = ({row.key: row for row in side.criteria} for side in (change.before, change.after))
    lines = [f"added: {after[key].criterion}" for key in after if key not in before]
    lines += [f"deleted: {before[key].criterion}" for key in before if key not in after]
    for key in after:
        if key in before and after[key] != before[key]:
            lines += _differences(before[key], after[key])
    told = "".join(tagged("li", line) for line in lines)
    what = _STATE_WORDS.get(change.kind, change.kind)
    when = escape(f"{change.at[:16].replace('T', ' ')} UTC")
    head = f"{tagged('strong', change.reviewer)} {escape(what)} <span class='quiet'>{when}</span>"
    return f"<li><p>{head}</p><ul>{told}</ul></li>"


def _differences(before: object, after: object) -> list[str]:
    fields = {"criterion": "text", "points": "points", "axis": "axis", "tags": "tags", "verdicts": "verdicts"}
    return [
        f"{name}: {_value(getattr(before, field))} → {_value(getattr(after, field))}"
        for field, name in fields.items()
        if getattr(before, field) != getattr(after, field)
    ]


def _value(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
