"""An answer cut into sentences that keep their place, so that an edit touches one and leaves all else byte for byte.

Markdown is respected: a heading, a list item or a table row ends a sentence; code fences are left whole. What is compared is
`plain`, the sentence without its markup. Splitters on PyPI lose offsets or cut list items, hence these few lines of our own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_LINE = re.compile(r"[^\n]+")
_MARKUP = re.compile(r"^\s*(?:[-*+•]\s+|\d{1,2}[.)]\s+|#{1,6}\s+|>\s*|\|)*")
_EMPHASIS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_BOUNDARY = re.compile(r"(?<=[.!?…])[\"')\]*_”]*\s+(?=[\"'(\[*_“]*[A-ZÀ-ÞŁŚŻ0-9¿¡])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e|approx|No|Fig|Inc|Jr|Sr|cf|resp|p\.o|b\.i\.d|t\.i\.d|a\.m|p\.m)|\b[A-Z])\.$"
)


@dataclass(frozen=True)
class Sentence:
    """One sentence of a text."""

    start: int
    end: int
    """text[start:end] is the sentence with its markup; bullets and heading marks before it stay outside."""
    plain: str
    is_list_item: bool
    is_heading: bool


@lru_cache(maxsize=512)
def split(text: str) -> tuple[Sentence, ...]:
    """Return the sentences of `text` in order."""
    sentences: list[Sentence] = []
    fenced = False
    for line in _LINE.finditer(text):
        if line.group().lstrip().startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            continue
        prefix = _MARKUP.match(line.group())
        lead = prefix.group() if prefix else ""
        body_start = line.start() + len(lead)
        for start, end in _spans(text, body_start, line.end()):
            plain = plain_text(text[start:end])
            if any(character.isalnum() for character in plain):
                item = bool(re.search(r"[-*+•]\s|\d[.)]\s|\|", lead))
                sentences.append(Sentence(start, end, plain, item, "#" in lead))
    return tuple(sentences)


def plain_text(text: str) -> str:
    """Return `text` without Markdown marks, on one line."""
    return re.sub(r"\s+", " ", _EMPHASIS.sub("", text)).strip(" |")


def count_words(text: str) -> int:
    """Return the number of white-space separated words."""
    return len(text.split())


def _spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    begin = start
    for boundary in _BOUNDARY.finditer(text, start, end):
        if _ABBREVIATION.search(text[begin : boundary.start()]):
            continue
        spans.append((begin, boundary.start() + len(boundary.group().rstrip())))
        begin = boundary.end()
    spans.append((begin, end))
    return [(a, b - (len(text[a:b]) - len(text[a:b].rstrip()))) for a, b in spans if text[a:b].strip()]
