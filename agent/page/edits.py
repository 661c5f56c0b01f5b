"""The edits one by one: what each changed and why, and the buttons with which a person accepts or rejects it."""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from typing import Literal

from agent.page.answered import Answered
from agent.page.markup import tagged, unseen
from agent.page.wording import OPS, capital, numbers, sentence
from agent.word_diff import word_diff

MAX_COMMENT = 2000
"""Characters; enough for a reason, too few for a record."""
_TAGS = {"removed": "del", "added": "ins"}
_DECISIONS: tuple[tuple[Literal["accept", "reject"], str], ...] = (("accept", "Accept"), ("reject", "Reject"))


def edits_html(shown: Answered) -> str:
    """Return a card per edit, and the buttons for all of them."""
    edits = range(len(shown.output["edits"]))
    if not edits:
        return ""
    cards = "".join(_card(edit, shown) for edit in edits)
    return f'<h3>Edits and reasons</h3>{_for_all(edits, shown)}<ol class="edits">{cards}</ol>'


def popovers_html(shown: Answered) -> str:
    """Return what the diff's numbered buttons open."""
    return "".join(_popover(edit, shown) for edit in range(len(shown.output["edits"])))


def _for_all(edits: Collection[int], shown: Answered) -> str:
    if not shown.is_open:
        return ""
    hint = "An edit stands unless you reject it. The answer is then put together without it, and judged again."
    buttons = ""
    if len(edits) > 1:
        buttons = "".join(
            f'<button type="button" data-edit="all" data-decision="{decision}" '
            f'data-key="{shown.prefix}-all-{decision}">{word} all</button>'
            for decision, word in _DECISIONS
        )
        buttons = f'<div class="decide" role="group" aria-label="All edits">{buttons}</div>'
    return f'<div class="for-all"><p class="quiet">{hint}</p>{buttons}</div>'


def _card(edit: int, shown: Answered) -> str:
    look = "edit refused" if edit in shown.left_out else "edit"
    changed = f'<p class="changed" dir="auto">{_changed(edit, shown)}</p>'
    return (
        f'<li class="{look}" data-card="{edit}">{_head(edit, shown)}'
        f"{changed}{_why(edit, shown)}{_resting(edit, shown)}{_decide(edit, shown, place='card')}{_comment(edit, shown)}</li>"
    )


def _head(edit: int, shown: Answered, *, id_: str = "") -> str:
    attribute = f' id="{id_}"' if id_ else ""
    standing = tagged("span", capital(shown.standing_words(edit)), "standing")
    return (
        f'<p class="edit-head"{attribute}><span class="number">{unseen("Edit ")}{edit + 1}</span> '
        f'<span class="op">{OPS[shown.edit(edit)["op"]]}</span> {standing}</p>'
    )


def _why(edit: int, shown: Answered) -> str:
    """Return what the edit rests on, the reason, and the criterion that asked for it."""
    reason = shown.reason(edit)
    given = f'<p class="reason" dir="auto">{escape(sentence(reason))}</p>' if reason.strip() else ""
    asked = f'<p class="quiet" dir="auto">{escape(sentence(shown.asked(edit)))}</p>'
    return tagged("p", shown.title(edit), "title") + given + asked


def _changed(edit: int, shown: Answered) -> str:
    found = shown.edit(edit)
    runs = word_diff(found["before"], found["after"])
    return "".join(tagged(_TAGS[kind], text) if kind != "same" else escape(text) for kind, text in runs)


def _resting(edit: int, shown: Answered) -> str:
    """Warn of edits that would go with this one."""
    others = shown.weave.left_out({edit}) - {edit}
    if not others or not shown.is_open or edit in shown.left_out:
        return ""
    verb = "rests" if len(others) == 1 else "rest"
    return f'<p class="quiet">{capital(numbers(others))} {verb} on this one: rejected together.</p>'


def _decide(edit: int, shown: Answered, *, place: Literal["card", "why"]) -> str:
    if not shown.is_open:
        return ""
    decision = shown.decisions.get(edit)
    chosen = decision["decision"] if decision else None
    buttons = "".join(
        f'<button type="button" data-edit="{edit}" data-decision="{name}" aria-pressed="{str(name == chosen).lower()}" '
        f'data-key="{shown.prefix}-{place}-{edit}-{name}">{word}{unseen(f" edit {edit + 1}")}</button>'
        for name, word in _DECISIONS
    )
    return f'<div class="decide">{buttons}</div>'


def _comment(edit: int, shown: Answered) -> str:
    """Return the field for a comment; where nothing can be decided any more, the comment that was given."""
    decision = shown.decisions.get(edit)
    comment = decision["comment"] if decision else ""
    if not shown.is_open:
        return f'<p class="comment">Your comment: <q dir="auto">{escape(comment)}</q></p>' if comment else ""
    key = f"{shown.prefix}-comment-{edit}"
    save = "Sent with your decision."
    button = ""
    if decision:
        save = ""
        button = (
            f'<button type="button" data-edit="{edit}" data-decision="{decision["decision"]}" data-key="{key}-save">'
            f"Save comment</button>"
        )
    return (
        f'<details class="comment" data-key="{key}-open"{" open" if comment else ""}><summary>Comment'
        f"{unseen(f' on edit {edit + 1}')}</summary>"
        f'<textarea id="{key}" data-key="{key}" data-comment="{edit}" rows="2" maxlength="{MAX_COMMENT}" dir="auto" '
        f'aria-label="Comment on edit {edit + 1}">{escape(comment)}</textarea>'
        f"{tagged('p', save, 'quiet')}{button}</details>"
    )


def _popover(edit: int, shown: Answered) -> str:
    title = f"{shown.prefix}-why-{edit}-title"
    return (
        f'<div popover class="why" id="{shown.prefix}-why-{edit}" role="dialog" aria-labelledby="{title}">'
        f"{_head(edit, shown, id_=title)}{_why(edit, shown)}{_decide(edit, shown, place='why')}</div>"
    )
