"""A text cut into numbered segments, so that a model can point at a place by its number, and edits of such places.

A model that quotes misquotes; a number is exact. Every edit therefore names its span word for word, and what no edit names stays
byte for byte, but for the numbers of a list that lost or gained an item, and for a line drawn twice. Segments are the sentences of
`sentences.py`, whole rows of tables, and the lines it leaves out (code fences).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.edit import EditOp, Patch, patch_between, patched
from agent.sentences import Span, replace_span, split
from agent.tidying import tidying

Shape = Literal["sentence", "paragraph", "list item"]

_LINE_LEAD = re.compile(r"[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t]+")


@dataclass(frozen=True)
class SegmentEdit:
    """One edit by segment numbers, 1-based."""

    op: EditOp
    first: int
    """ADD: the text comes after this segment, 0 for the start."""
    last: int
    """ADD: without meaning, whatever a model writes here."""
    text: str
    shape: Shape = "sentence"


@lru_cache(maxsize=512)  # a run asks some thirty times for the same two texts
def segments(text: str) -> tuple[Span, ...]:
    """Return the spans of a text in order; together they hold every letter and digit of it."""
    spans: list[Span] = []
    end = 0
    sentences = [_whole_row(text, sentence.span) for sentence in split(text)]
    for span in [*sentences, Span(len(text), len(text))]:
        for line in re.finditer(r"[^\n]+", text[end : span.start]):
            if re.search(r"\w", _LINE_LEAD.sub("", line.group())) and "\n" in text[end : span.start]:
                spans.append(Span(end + line.start(), end + line.end()))
        if end <= span.start < span.end:
            spans.append(span)
        end = max(end, span.end)
    return tuple(spans)


def numbered(text: str) -> str:
    """Return the text with the number of each segment before it."""
    pieces: list[str] = []
    end = 0
    for number, span in enumerate(segments(text), start=1):
        pieces += [text[end : span.start], f"[{number}] ", text[span.start : span.end]]
        end = span.end
    return "".join([*pieces, text[end:]])


def quote(text: str, numbers: Sequence[int]) -> str:
    """Return the segments with these numbers, word for word, joined by an ellipsis; numbers that don't exist are left out."""
    spans = segments(text)
    return " … ".join(text[spans[n - 1].start : spans[n - 1].end] for n in sorted(set(numbers)) if 1 <= n <= len(spans))


def check_edits(text: str, edits: Sequence[SegmentEdit]) -> None:
    """Raise ValueError, in words that a model can act on, if edits name segments that don't exist or touch the same one twice."""
    count = len(segments(text))
    taken: dict[int, int] = {}
    for position, edit in enumerate(edits, start=1):
        if edit.op == "ADD":
            if not 0 <= edit.first <= count:
                raise ValueError(f"edit {position}: ADD after segment {edit.first}, but there are only 0 to {count}")
        elif not 1 <= edit.first <= edit.last <= count:
            raise ValueError(f"edit {position}: segments {edit.first} to {edit.last}, but there are only 1 to {count}")
        if edit.op != "REMOVE" and not edit.text.strip():
            raise ValueError(f"edit {position}: {edit.op} without a text")
        for number in range(edit.first, edit.last + 1) if edit.op != "ADD" else ():
            if number in taken:
                raise ValueError(f"edits {taken[number]} and {position} both change segment {number}; make them one")
            taken[number] = position


def apply_edits(text: str, edits: Sequence[SegmentEdit]) -> str:
    """Return the text with all edits carried out; they must have passed `check_edits`."""
    return patched(text, edit_patches(text, edits))


def edit_patches(text: str, edits: Sequence[SegmentEdit]) -> tuple[Patch, ...]:
    """Return what carrying out the edits does to the text, one after another, and what tidying up after them does."""
    spans, patches = segments(text), []
    # From the end, so that earlier places stay valid. An addition at the end of a segment comes before that segment's own edit,
    # and of several additions at one place the last is put in first.
    ends = [_end(edit, edits) for edit in edits]
    order = sorted(range(len(edits)), key=lambda n: (ends[n], edits[n].op == "ADD", n), reverse=True)
    for position in order:
        edit, end = edits[position], ends[position]
        if edit.op == "ADD":
            after = _added(text, spans[end - 1] if end else None, edit)
        else:
            span = Span(spans[edit.first - 1].start, spans[edit.last - 1].end)
            after = replace_span(text, span, _without_doubled_marker(text, span, edit.text.strip()))
        patch = patch_between(text, after, position)
        patches += [patch] if patch else []
        text = after
    return (*patches, *tidying(text))


def before(text: str, edit: SegmentEdit) -> str:
    """Return what an edit takes out, word for word; empty for ADD."""
    if edit.op == "ADD":
        return ""
    spans = segments(text)
    return text[spans[edit.first - 1].start : spans[edit.last - 1].end]


def _end(edit: SegmentEdit, edits: Sequence[SegmentEdit]) -> int:
    """Return the last segment that an edit changes, or after which it adds: behind a range that another edit changes whole."""
    if edit.op != "ADD":
        return edit.last
    ranges = (other for other in edits if other.op != "ADD" and other.first <= edit.first <= other.last)
    return next((other.last for other in ranges), edit.first)


def _added(text: str, after: Span | None, edit: SegmentEdit) -> str:
    new = edit.text.strip()
    if after is None:
        gap = " " if edit.shape == "sentence" and not _LINE_LEAD.match(text) else "\n\n"
        return f"{new}{gap}{text.lstrip()}" if text.strip() else new
    head, tail = text[: after.end], text[after.end :]
    line = head.rpartition("\n")[2]
    lead = _LINE_LEAD.match(line)
    if line.lstrip().startswith("|") and new.startswith("|"):
        return f"{head}\n{new}{tail}"
    if edit.shape == "list item" or (edit.shape == "sentence" and _LINE_LEAD.match(new)):
        marker = "" if _LINE_LEAD.match(new) else _next_marker(lead.group() if lead else "- ")
        gap = "\n" if lead else "\n\n"
        rest_of_line, newline, rest = tail.partition("\n")
        return f"{head}{rest_of_line}{gap}{marker}{new}{newline}{rest}"
    if edit.shape == "sentence":
        return f"{head} {new}{tail}"
    rest_of_line, _, rest = tail.partition("\n")
    rest = rest.lstrip("\n")
    return f"{head}{rest_of_line}\n\n{new}" + (f"\n\n{rest}" if rest.strip() else "")


def _whole_row(text: str, span: Span) -> Span:
    """Return the whole line where a span lies in a row of a table: a bar more or less would break it."""
    start = text.rfind("\n", 0, span.start) + 1
    line = text[start:].partition("\n")[0]
    if not line.lstrip().startswith("|"):
        return span
    return Span(start + len(line) - len(line.lstrip()), start + len(line.rstrip()))


def _next_marker(lead: str) -> str:
    number = re.search(r"\d+", lead)
    return lead if number is None else lead.replace(number.group(), str(int(number.group()) + 1), 1)


def _without_doubled_marker(text: str, span: Span, new: str) -> str:
    """Return the new text without a list marker that stands before its place already."""
    line = text[: span.start].rpartition("\n")[2]
    marker = _LINE_LEAD.match(new)
    return new[marker.end() :] if marker and _LINE_LEAD.fullmatch(line) else new
