"""The places where an edit was taken back, put right: gaps, items left empty, doubled lines, numbers of lists. All else stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from agent.edit import Patch
from agent.pieces import DRAFT_SOURCE, Owner, Piece, standing_text, weave_in
from agent.tidying import DOUBLED_RULE, LIST_NUMBER, numbered_lists

_EMPTY_ITEM = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,2}[.)]|#{1,6}|>)[ \t]*(?:\*\*|__)?[ \t]*$", re.MULTILINE)
_LINE_BEGINS = re.compile(r"(?:[-*+•]|\d{1,2}[.)]|#{1,6})[ \t]|\||```|-{3,}\s")
"""Nothing of which is what it was in the middle of a line."""
_GAP_AT_EDGE = re.compile(r"^\s+|\s+$")

_Mender = Callable[[Sequence[Piece], frozenset[Owner]], Iterable[Patch]]
"""Finds what is out of order where these were taken back: patches of the text that stands, apart from each other."""


def mended(pieces: Sequence[Piece], left_out: Collection[int]) -> tuple[Piece, ...]:
    """Return the pieces with the seams put right that the edits left out, and the tidying undone with them, have left."""
    menders: tuple[_Mender, ...] = (_empty_items, _doubled_rules, _gaps, _numbers)
    pieces = tuple(pieces)
    for mender in menders:
        patches = sorted(
            mender(pieces, frozenset(left_out)), key=lambda patch: -patch.start
        )  # keeps earlier places valid
        for patch in patches:
            source = 1 + max(piece.source for piece in pieces)
            pieces = weave_in(pieces, patch, source=source).pieces
    return pieces


def _empty_items(pieces: Sequence[Piece], left_out: frozenset[Owner]) -> Iterator[Patch]:
    """Yield the removal of lines of which only the bullet is left."""
    text, seams = standing_text(pieces), _seams(pieces, left_out)
    for line in _EMPTY_ITEM.finditer(text):
        if _is_touched(seams, line.start(), line.end()):
            after_gap = int(text.endswith("\n\n", 0, line.start()) or line.start() == 0)
            yield Patch(line.start() - 1 + after_gap, min(line.end() + after_gap, len(text)), "")


def _doubled_rules(pieces: Sequence[Piece], left_out: frozenset[Owner]) -> Iterator[Patch]:
    """Yield the removal of the second of two lines between which nothing stands any more."""
    seams = _seams(pieces, left_out | {"tidying"})
    for rule in DOUBLED_RULE.finditer(standing_text(pieces)):
        if _is_touched(seams, rule.start(), rule.end()):
            yield Patch(rule.end(1), rule.end(), "")


def _numbers(pieces: Sequence[Piece], left_out: frozenset[Owner]) -> Iterator[Patch]:
    """Yield the numbers of the lists that lost or gained an item, or had been counted anew."""
    seams = _seams(pieces, left_out, only=LIST_NUMBER) | _seams(pieces, {"tidying"})
    for numbers in numbered_lists(standing_text(pieces)):
        if _is_touched(seams, numbers[0].start, numbers[-1].end):
            yield from (Patch(n.start, n.end, n.right) for n in numbers if n.given != n.right)


def _gaps(pieces: Sequence[Piece], left_out: frozenset[Owner]) -> Iterator[Patch]:
    """Yield one gap for each that is made of two, or that two words lack between them."""
    text, origins = standing_text(pieces), _origins(pieces)
    gaps = [match.span() for match in re.finditer(r"\s+", text)]
    seams = _seams(pieces, left_out)
    for start, end in {next((gap for gap in gaps if gap[0] <= seam <= gap[1]), (seam, seam)) for seam in seams}:
        breaks = [place for place in range(start, end + 1) if not _is_continuous(origins, place)]
        if not breaks:
            continue
        inner = [place for place in breaks if start < place < end]
        parts = [text[a:b] for a, b in zip([start, *inner], [*inner, end], strict=True)]
        hidden = _hidden_gaps(pieces, start, end, but_of=left_out if start < end else ())
        right = _one_gap(parts, hidden=hidden) if start > 0 and end < len(text) else ""
        if right and "\n" not in right and _LINE_BEGINS.match(text, end):
            right = "\n\n"
        if text[start:end] != right:
            yield Patch(start, end, right)


def _one_gap(parts: Sequence[str], *, hidden: Sequence[str]) -> str:
    """Return the widest of several gaps, between what ends the line before it and what indents the line after it."""
    widest = max([*hidden, *reversed(parts)], key=lambda part: (part.count("\n"), bool(part)))
    if "\n" not in widest:
        return widest or "\n\n"  # nothing tells which gap they need; this one breaks no list and no table
    first, last = (part if "\n" in part else widest for part in (parts[0], parts[-1]))
    return first.partition("\n")[0] + "\n" * widest.count("\n") + last.rpartition("\n")[2]


def _hidden_gaps(pieces: Sequence[Piece], start: int, end: int, *, but_of: Collection[Owner]) -> list[str]:
    """Return the gaps before and after what is missing from a stretch of the text."""
    gaps, place = list[str](), 0
    for piece in pieces:
        if piece.stands:
            place += len(piece.text)
        elif start <= place <= end and piece.owner not in but_of:
            gaps += _GAP_AT_EDGE.findall(piece.text)
    return gaps


def _seams(pieces: Sequence[Piece], undone: Collection[Owner], *, only: re.Pattern[str] | None = None) -> set[int]:
    """Return where in the text something is missing, or stands again, because of what was undone."""
    seams, place = set(), 0
    for piece in pieces:
        end = place + (len(piece.text) if piece.stands else 0)
        is_undone = any(owner in undone for owner in piece.restored_from) if piece.stands else piece.owner in undone
        if is_undone and (only is None or only.search(piece.text)):
            seams |= {place, end}
        place = end
    return seams


def _is_touched(seams: Collection[int], start: int, end: int) -> bool:
    return any(start <= seam <= end for seam in seams)


def _origins(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Return for each character its source and where it stands there, between those of the ends of the draft."""
    length = max((piece.end for piece in pieces if piece.source == DRAFT_SOURCE), default=0)
    inner = [(piece.source, piece.at + n) for piece in pieces if piece.stands for n in range(len(piece.text))]
    return [(DRAFT_SOURCE, -1), *inner, (DRAFT_SOURCE, length)]


def _is_continuous(origins: Sequence[tuple[int, int]], place: int) -> bool:
    """Tell whether the characters before and after a place also stand side by side where they come from."""
    (source, at), after = origins[place], origins[place + 1]
    return after == (source, at + 1)
