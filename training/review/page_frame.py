"""What every view of the review page has: who reviews, where one can go, what was just said, and the keys."""

from __future__ import annotations

import json
from html import escape
from typing import Any, get_args

from agent.page.wording import capital, counted
from principles_store.principle import Axis
from principles_store.rubric_entry import TAGS

LOADING = "<div class='clinalign review' data-n='0' data-view='start'><p class='quiet'>Opening the review …</p></div>"
AXES: dict[str, str] = {axis: capital(axis.replace("_", " ")) for axis in get_args(Axis)}
_WORDS = json.dumps({"axes": AXES, "tags": TAGS})
_VIEWS = {"record": "Review", "list": "Records", "disputes": "Disputes", "agreement": "Agreement"}
_BELONGS = {"dispute": "disputes", "history": "record"}
"""Views that are reached from another, and stand below its name."""
_KEYS = (
    ("j, k", "next record, the one before"),
    ("↓, ↑", "next criterion, the one before"),
    ("Enter or e", "write in the criterion; Escape leaves its field"),
    ("a", "add a criterion below"),
    ("Delete", "delete it, or restore it"),
    ("+, −", "a point more, a point less"),
    ("1, 2", "which response the next two keys speak of"),
    ("m, u", "met, not met; confirms another's verdict, takes back your own"),
    ("Ctrl+S", "save, in a field too"),
    ("Shift with A, R, D", "accept, reject, defer"),
    ("?", "this list"),
)


def page(content: str, *, n: int, view: str, by: str, has_login: bool = False, told: str = "", **data: Any) -> str:
    """Return the whole page; `data` goes along as JSON for the script."""
    carried = "".join(f' data-{name}="{in_attribute(value)}"' for name, value in data.items())
    name = "" if has_login else ' <button type="button" class="plain" data-do="rename">Change</button>'
    who = f'<p class="who">Reviewing as <strong>{escape(by)}</strong>{name}</p>' if by else ""
    places = _navigation(view) if by else ""
    return (
        f'<div class="clinalign review" data-n="{n}" data-view="{view}" data-by="{escape(by)}" '
        f'data-words="{escape(_WORDS)}"{carried}><div class="top">{places}{who}</div>'
        f'<p class="told" role="status">{escape(told)}</p>{content}{_keys()}</div>'
    )


def in_attribute(value: Any) -> str:
    """Return a value as JSON that can stand in an attribute."""
    return escape(json.dumps(value))


def button(words: str, do: str, *, look: str = "", **data: Any) -> str:
    """Return a button that the script knows by `data-do`."""
    carried = "".join(f' data-{name}="{escape(str(value))}"' for name, value in data.items())
    return f'<button type="button" data-do="{do}" data-key="{escape(_key(do, data))}" class="{look}"{carried}>{words}</button>'


def refusal(text: str) -> str:
    """Return why something was not done; what was edited stays in the browser."""
    return f'<p class="notice" role="alert">This was not done: {escape(text.rstrip("."))}.</p>'


def ask_name(*, n: int, told: str = "") -> str:
    """Return the view of somebody who has not said who they are."""
    content = (
        '<section class="ask-name"><h2 tabindex="-1">Rubric review</h2><p>Your name stands beside what you decide. Reviewers of '
        "one record do not see each other's work before they are done.</p>"
        '<label>Your name <input class="name" maxlength="80" autocomplete="name"></label> '
        f"{button('Begin', 'name', look='main')}</section>"
    )
    return page(content, n=n, view="name", by="", told=told)


def of(count: int, total: int, thing: str) -> str:
    """Return `3 of 24 records`."""
    return f"{count:,} of {counted(total, thing)}"


def _key(do: str, data: dict[str, Any]) -> str:
    return " ".join(["button", do, *(str(value)[:80] for value in data.values())])


def _navigation(view: str) -> str:
    here = _BELONGS.get(view, view)
    links = "".join(
        f'<button type="button" data-do="view" data-view="{name}" data-key="go {name}"'
        f"{' aria-current=page' if name == here else ''}>{words}</button>"
        for name, words in _VIEWS.items()
    )
    help_button = '<button type="button" data-do="help" data-key="help">Keys <kbd>?</kbd></button>'
    return f'<nav aria-label="Rubric review">{links}{help_button}</nav>'


def _keys() -> str:
    rows = "".join(f"<dt><kbd>{escape(keys)}</kbd></dt><dd>{escape(does)}</dd>" for keys, does in _KEYS)
    return (
        '<dialog aria-labelledby="review-keys"><h3 id="review-keys">Keys</h3>'
        f'<dl>{rows}</dl><label><input type="checkbox" class="keys" checked> Single keys do this</label> '
        '<button type="button" data-do="close">Close</button></dialog>'
    )
