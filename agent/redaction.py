"""Obvious identifiers out of what leaves the machine, and back into what returns: `[NAME-1]`, `[PHONE-1]`, `[DATE-OF-BIRTH-1]` …

What is found stands in `identifiers.py` and `personal_names.py`; what is missed in docs/privacy.md. Nothing is kept beyond the
Redactor, which belongs to one call or one run. What looks like a placeholder already is replaced too, so that
`restore(redact(text)) == text` for every text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import cast, get_args

from agent.identifiers import Identifier, Kind, identifiers
from agent.personal_names import is_telling, name_spans, repeated_spans

_PLACEHOLDER = re.compile(rf"\[({'|'.join(get_args(Kind))})[- ]?([0-9]{{1,6}})\]", re.IGNORECASE)
_MAY_BECOME_PLACEHOLDER = re.compile(r"\[[A-Za-z -]{0,16}[0-9]{0,6}\Z")


class Redactor:
    """Replaces identifiers by placeholders, the same one for the same words, and knows the way back."""

    def __init__(self) -> None:
        self._placeholders: dict[tuple[str, str], str] = {}
        self._originals: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._names: set[str] = set()

    def redact(self, text: str) -> str:
        """Return the text with placeholders for what is found in it."""
        return self.redact_all([text])[0]

    def redact_all(self, texts: Sequence[str]) -> list[str]:
        """Return the texts of one request with placeholders; a name found in one of them is replaced in all."""
        named = [list(name_spans(text)) for text in texts]
        words = {text[start:end] for text, spans in zip(texts, named, strict=True) for start, end in spans}
        self._names |= {word for word in words if is_telling(word)}
        return [self._replace(text, spans) for text, spans in zip(texts, named, strict=True)]

    def restore(self, text: str) -> str:
        """Return the text with every placeholder given out turned back; others stay."""
        return _PLACEHOLDER.sub(lambda match: self._originals.get(_normal(match), match[0]), text)

    def _replace(self, text: str, names: Sequence[tuple[int, int]]) -> str:
        found = [Identifier(*match.span(), cast(Kind, match[1].upper())) for match in _PLACEHOLDER.finditer(text)]
        found += identifiers(text)
        found += [Identifier(start, end, "NAME") for start, end in [*names, *repeated_spans(text, self._names)]]
        parts, done = [], 0
        for start, end, kind in _without_overlaps(found, len(text)):
            parts += [text[done:start], self._placeholder(kind, text[start:end])]
            done = end
        return "".join([*parts, text[done:]])

    def _placeholder(self, kind: str, original: str) -> str:
        if (kind, original) not in self._placeholders:
            self._counts[kind] += 1
            placeholder = f"[{kind}-{self._counts[kind]}]"
            self._placeholders[kind, original] = placeholder
            self._originals[placeholder] = original
        return self._placeholders[kind, original]


class StreamRestorer:
    """Restores a reply that comes in pieces; a new one for every attempt."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece and return what is certain by now, restored; possibly nothing."""
        text = self._held + piece
        half = _MAY_BECOME_PLACEHOLDER.search(text)
        cut = half.start() if half else len(text)
        self._held = text[cut:]
        return self._redactor.restore(text[:cut])

    def finish(self) -> str:
        """Return what was held back."""
        rest, self._held = self._held, ""
        return self._redactor.restore(rest)


def _normal(match: re.Match[str]) -> str:
    return f"[{match[1].upper()}-{int(match[2])}]"


def _without_overlaps(found: Iterable[Identifier], length: int) -> list[Identifier]:
    """Return what doesn't overlap anything before it, in the order of the text."""
    taken = bytearray(length)
    kept = []
    for identifier in found:
        if not any(taken[identifier.start : identifier.end]):
            taken[identifier.start : identifier.end] = b"\1" * (identifier.end - identifier.start)
            kept.append(identifier)
    return sorted(kept)
