"""Takes the thinking out of what a model says, also while it streams; what is left is what may be shown.

Thinking that comes in blocks or fields of its own never gets here: message text alone does. It leaves out formats with roles
of their own inside the text (gpt-oss' raw channels): servers that speak them part them already.
"""

from __future__ import annotations

import re
from typing import Literal

from agent.events import DraftToken

_NAMES = ("think", "thinking", "thought", "reasoning", "seed:think")
_OPENINGS = (*(f"<{name}>" for name in _NAMES), "[think]", "◁think▷")
_CLOSINGS = (*(f"</{name}>" for name in _NAMES), "[/think]", "◁/think▷")
_LONGEST = max(map(len, _CLOSINGS))
_BEGINNINGS = frozenset(tag[:size] for tag in _OPENINGS + _CLOSINGS for size in range(1, len(tag)))


def _any_of(tags: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, tags)), re.IGNORECASE)


_OPENING, _CLOSING, _TAG = _any_of(_OPENINGS), _any_of(_CLOSINGS), _any_of(_OPENINGS + _CLOSINGS)


class ThinkingFilter:
    """Lets the visible part of a reply through, piece by piece.

    Text before a closing tag that was never opened is thinking too: many chat templates put the opening tag into the prompt.
    Since it was passed on by then, the next token says `restart`. What is not closed stays hidden. A reply that begins as JSON
    is data from there on: a tag inside it is a quotation.
    """

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["start", "thinking", "prose", "data"] = "start"
        self._has_thought = False
        self._is_shown = False

    def feed(self, piece: str) -> DraftToken | None:
        """Return what has become visible by this piece, or None."""
        self._held += piece
        return self._advance(is_last=False)

    def finish(self) -> DraftToken | None:
        """Return what was held back because it might have become a tag, or None."""
        return self._advance(is_last=True)

    def _advance(self, *, is_last: bool) -> DraftToken | None:
        visible, is_void = "", False
        while True:
            before = (self._state, self._held)
            if self._state == "start":
                self._begin(is_last)
            elif self._state == "thinking":
                self._skip(is_last)
            else:
                shown, restart = self._show(is_last)
                is_void |= restart
                visible = shown if restart else visible + shown
            if (self._state, self._held) == before:
                break
        restart = is_void and self._is_shown
        if visible or restart:
            self._is_shown = True
            return DraftToken(visible, restart)
        return None

    def _begin(self, is_last: bool) -> None:
        self._held = self._held.lstrip()
        if not self._held or (_may_become_tag(self._held) and not is_last):
            return
        if opening := _OPENING.match(self._held):
            self._think_from(opening.end())
        else:
            self._state = "data" if self._held[0] in "{[`" and not _CLOSING.match(self._held) else "prose"

    def _skip(self, is_last: bool) -> None:
        if closing := _CLOSING.search(self._held):
            self._held = self._held[closing.end() :]
            self._state = "start"
        else:
            self._held = "" if is_last else self._held[-_LONGEST:]

    def _show(self, is_last: bool) -> tuple[str, bool]:
        """Return the text up to the next tag, and whether a closing tag has voided all text before."""
        tag = _TAG.search(self._held) if self._state == "prose" else None
        if tag is None:
            tail = 0 if is_last or self._state == "data" else _tail_of_tag(self._held)
            shown, self._held = self._held[: len(self._held) - tail], self._held[len(self._held) - tail :]
            return shown, False
        shown = self._held[: tag.start()]
        if _OPENING.match(tag.group()):
            self._think_from(tag.end())
            return shown, False
        self._held = self._held[tag.end() :]
        if self._has_thought:
            return shown, False
        self._has_thought, self._state = True, "start"
        return "", True

    def _think_from(self, position: int) -> None:
        self._held, self._state, self._has_thought = self._held[position:], "thinking", True


def _may_become_tag(text: str) -> bool:
    return text.lower() in _BEGINNINGS


def _tail_of_tag(text: str) -> int:
    """Return the length of the end of the text that may be the beginning of a tag."""
    start = max(map(text.rfind, "<[◁"))
    return len(text) - start if start >= 0 and _may_become_tag(text[start:]) else 0
