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


_CLOSING_RULE = re.compile(r"\n+\s*(?:-{3,}|\*{3,}|_{3,})\s*$")


@dataclass(frozen=True)
class Span:
    """A place in a text, text[start:end]."""

    start: int
    end: int


@dataclass(frozen=True)
class Sentence:
    """One sentence of a text."""

    start: int
    end: int
    """text[start:end] is the sentence with its markup; bullets and heading marks before it stay outside."""
    plain: str
    is_list_item: bool
    is_heading: bool

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


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


def replace_span(text: str, span: Span, after: str) -> str:
    """Return the text with a span exchanged; one that goes takes its gap, and an emptied line, with it."""
    head, tail = text[: span.start], text[span.end :]
    if after:
        return head + after + tail
    line_head, line_tail = head.rpartition("\n")[2], tail.partition("\n")[0]
    if line_tail.strip(" *_") or not re.fullmatch(r"[\s\-*+•>#\d.)]*", line_head):
        return head.rstrip(" ") + (" " if line_head.strip() and line_tail.strip() else "") + tail.lstrip(" ")
    before, after_line = head[: len(head) - len(line_head)], tail[len(line_tail) :]
    gap = "\n\n" if before.endswith("\n\n") or after_line.startswith("\n\n") else "\n"
    kept, rest = before.rstrip("\n"), after_line.lstrip("\n")
    if not rest:
        kept = _CLOSING_RULE.sub("", kept)  # a line drawn above a last paragraph that is gone
    return f"{kept}{gap}{rest}" if kept and rest else kept + rest


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
