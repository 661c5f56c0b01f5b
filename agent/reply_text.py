"""Tokens that come one by one, to text that can be shown: whole characters alone, and nothing from a stop string on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_HALF_CHARACTER = "\ufffd"
_LONGEST_CHARACTER = 4
"""In bytes, of which a token has at least one; after as many tokens it is no half character but a broken one."""
_CONTEXT_TOKENS = 6
"""Tokens decoded again with each new one: some tokenizers write a token differently after another."""


class Detokenizer:
    """Turns a growing list of tokens into pieces of text without reading all of it each time."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._context: list[int] = []
        self._waiting: list[int] = []

    def feed(self, token: int) -> str:
        """Return the text that this token completes; empty while a character is half there."""
        self._waiting.append(token)
        return self._advance(is_last=False)

    def finish(self) -> str:
        """Return what is left, half characters included."""
        return self._advance(is_last=True)

    def _advance(self, *, is_last: bool) -> str:
        before, after = self._decode(self._context), self._decode(self._context + self._waiting)
        if not is_last and after.endswith(_HALF_CHARACTER) and len(self._waiting) < _LONGEST_CHARACTER:
            return ""
        self._context = (self._context + self._waiting)[-_CONTEXT_TOKENS:]
        self._waiting = []
        return after[len(before) :]

    def _decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)) if tokens else ""


class StopCutter:
    """Lets text through up to the first stop string; holds back what may become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.has_stopped = False

    def feed(self, text: str) -> str:
        """Return what may be shown now."""
        if self.has_stopped:
            return ""
        self._held += text
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.has_stopped = True
            shown, self._held = self._held[: min(found)], ""
            return shown
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def finish(self) -> str:
        """Return what was held back after all."""
        shown, self._held = self._held, ""
        return shown


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of the text begin the stop string."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
