"""A text as pieces that know who put them in and who took them out: nothing that ever stood in it is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent.edit import Patch

Owner = int | Literal["draft", "tidying"]
"""An edit by its position, the draft, or a list counted anew."""
DRAFT_SOURCE = -1


@dataclass(frozen=True)
class Piece:
    """Text that came in at one time and is gone, or not, as a whole."""

    text: str
    owner: Owner
    source: int
    """Number of the patch that put it in."""
    at: int
    """Where in the text of its source it begins."""
    removed_by: tuple[Owner, ...] = ()
    """In the order of removal; a piece can be taken out twice only where tidying was the first to do so."""
    restored_from: tuple[Owner, ...] = ()
    """Who had taken it out, where that was undone."""

    @property
    def stands(self) -> bool:
        return not self.removed_by

    @property
    def end(self) -> int:
        """Where in the text of its source it ends."""
        return self.at + len(self.text)

    def without(self, owner: Owner) -> Piece:
        """Return the piece as taken out by somebody."""
        return replace(self, removed_by=(*self.removed_by, owner))

    def undoing(self, undone: Collection[Owner]) -> Piece:
        """Return it as it is without what some have done; what they put in themselves is then taken out by them."""
        removed_by = tuple(owner for owner in self.removed_by if owner not in undone)
        own = (self.owner,) if self.owner in undone else ()
        restored_from = tuple(owner for owner in self.removed_by if owner in undone)
        return replace(self, removed_by=(*removed_by, *own), restored_from=restored_from)

    def cut(self, place: int) -> tuple[Piece, Piece]:
        """Return it in two, the second beginning at `place` of its text."""
        return replace(self, text=self.text[:place]), replace(self, text=self.text[place:], at=self.at + place)


@dataclass(frozen=True)
class Woven:
    """Pieces after a patch, and the edits whose text it changed."""

    pieces: tuple[Piece, ...]
    rests_on: frozenset[int] = frozenset()


def standing_text(pieces: Iterable[Piece]) -> str:
    """Return the text that the pieces make now."""
    return "".join(piece.text for piece in pieces if piece.stands)


def draft_pieces(draft: str) -> tuple[Piece, ...]:
    """Return a draft as its only piece, or none."""
    return (Piece(draft, "draft", DRAFT_SOURCE, 0),) if draft else ()


def weave_in(pieces: Sequence[Piece], patch: Patch, *, source: int) -> Woven:
    """Return the pieces after a patch; raises ValueError if it doesn't fit the text that stands."""
    length = sum(len(piece.text) for piece in pieces if piece.stands)
    if not 0 <= patch.start <= patch.end <= length:
        raise ValueError(f"patch {source} is for {patch.start} to {patch.end}, but the text has {length} characters")
    owner: Owner = "tidying" if patch.edit is None else patch.edit
    if owner != "tidying":
        patch = _around_numbers(pieces, patch)
    left, rest = _divided(pieces, patch.start)
    middle, right = _divided(rest, patch.end - patch.start)
    changed = _owners(middle, owner) | _owners_around(left, right, owner)
    middle = [_taken(piece, owner) for piece in middle]
    if not middle and patch.text.startswith("\n"):  # after what stood on the line, should that come back
        count = _line_rest(right)
        middle, right = right[:count], right[count:]
    new = [Piece(patch.text, owner, source, 0)] if patch.text else []
    return Woven((*left, *middle, *new, *right), frozenset(changed))


def _divided(pieces: Sequence[Piece], place: int) -> tuple[list[Piece], list[Piece]]:
    """Return the pieces before and after a place of the standing text; what stood between goes with those after."""
    before: list[Piece] = []
    for position, piece in enumerate(pieces):
        if place == 0:
            return before, list(pieces[position:])
        if piece.stands and len(piece.text) > place:
            first, second = piece.cut(place)
            return [*before, first], [second, *pieces[position + 1 :]]
        place -= len(piece.text) if piece.stands else 0
        before.append(piece)
    return before, []


def _around_numbers(pieces: Sequence[Piece], patch: Patch) -> Patch:
    """Return the patch widened to the whole of a number it changes in part, so that none is half somebody's."""
    place = 0
    for piece in pieces:
        if not piece.stands:
            continue
        end = place + len(piece.text)
        cuts_it = place < patch.start < end or place < patch.end < end
        if piece.owner == "tidying" and cuts_it:
            head, tail = (
                piece.text[: max(0, patch.start - place)],
                piece.text[len(piece.text) - max(0, end - patch.end) :],
            )
            patch = Patch(min(place, patch.start), max(end, patch.end), head + patch.text + tail, patch.edit)
        place = end
    return patch


def _owners(pieces: Sequence[Piece], owner: Owner) -> set[int]:
    """Return the other edits that put in words of these pieces; a gap is nobody's."""
    return {
        piece.owner
        for piece in pieces
        if _is_alive(piece) and isinstance(piece.owner, int) and piece.owner != owner and piece.text.strip()
    }


def _owners_around(left: Sequence[Piece], right: Sequence[Piece], owner: Owner) -> set[int]:
    """Return the edit in the middle of whose words a patch is."""
    before = next((piece for piece in reversed(left) if piece.stands), None)
    after = next((piece for piece in right if piece.stands), None)
    if before is None or after is None or before.source != after.source or not after.text.strip():
        return set()
    return _owners([before], owner)


def _taken(piece: Piece, owner: Owner) -> Piece:
    return piece.without(owner) if _is_alive(piece) else piece


def _is_alive(piece: Piece) -> bool:
    """Tell whether nothing but tidying has taken it out, so that it may stand again without any edit being taken back."""
    return all(remover == "tidying" for remover in piece.removed_by)


def _line_rest(pieces: Sequence[Piece]) -> int:
    """Return how many of the first pieces no longer stand and were of the line before, or of the text's end."""
    dead = next((n for n, piece in enumerate(pieces) if piece.stands), None)
    if dead is None:
        return len(pieces)
    return next((n for n, piece in enumerate(pieces[:dead]) if piece.text.startswith("\n")), dead)
