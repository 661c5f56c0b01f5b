"""A critique told while the model writes it: each criterion as soon as its object is whole; nothing of it is checked yet.

A reply that can't be used later voids what was told of it. Read object by object, so that no part of the reply is read twice
and no half verdict is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from agent.events import CriteriaVoid, CriterionSeen, DraftToken
from agent.llm_schemas import JudgedCriterion

_LIST_BEGINS = re.compile(r'"criteria"\s*:\s*\[')
_BETWEEN_ITEMS = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder(strict=False)


class CriteriaReader:
    """Takes the pieces of a reply and tells its criteria."""

    def __init__(self, tell: Callable[[CriterionSeen | CriteriaVoid], None]) -> None:
        self._tell = tell
        self._begin()

    def __call__(self, token: DraftToken) -> None:
        """Take the next piece."""
        if token.restart:
            if self._has_told:
                self._tell(CriteriaVoid())
            self._begin()
        self._text += token.text
        if "}" in token.text:
            self._read()

    def _begin(self) -> None:
        self._text = ""
        self._place = 0
        """Where in the text the next criterion begins; 0: their list has not begun."""
        self._has_told = False

    def _read(self) -> None:
        if not self._place:
            begins = _LIST_BEGINS.search(self._text)
            self._place = begins.end() if begins else 0
        while self._place:
            gap = _BETWEEN_ITEMS.match(self._text, self._place)
            try:
                item, end = _DECODER.raw_decode(self._text, gap.end() if gap else self._place)
                seen = JudgedCriterion.model_validate(item)
            except (ValueError, RecursionError):  # not whole yet, or the reply won't be used
                return
            self._place, self._has_told = end, True
            self._tell(CriterionSeen({"criterion": seen.criterion, "points": seen.points, "verdict": seen.verdict}))
