"""Text into HTML: everything that comes from outside goes through `escape` here or at its place of use."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from agent.review.turn import Turn


def tagged(tag: str, text: Any, look: str = "") -> str:
    """Return the escaped text in an element; nothing without a text."""
    shown = escape(str(text))
    attribute = f' class="{escape(look)}"' if look else ""
    return f"<{tag}{attribute}>{shown}</{tag}>" if shown else ""


def id_prefix(turn: Turn) -> str:
    """Return what every id of a turn's HTML begins with, so that two reports on a page don't clash."""
    return f"ca-{re.sub('[^A-Za-z0-9]', '', turn['id'])[:40]}"


def unseen(text: str) -> str:
    """Return text for screen readers alone."""
    return tagged("span", text, "unseen")
