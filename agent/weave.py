"""Draft and edits woven together, so that any edit can be taken back without a model, and each change shows whose it is.

All edits kept, it is the answer; none kept, the draft byte for byte. An edit that changed what another had put in can't stand
without it. What is shown was checked by nobody where some are taken back: it has to be judged anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from agent.edit import Patch
from agent.mending import mended
from agent.pieces import Owner, Piece, draft_pieces, standing_text, weave_in
from agent.word_diff import word_diff

RunKind = Literal["same", "removed", "added"]


@dataclass(frozen=True)
class Run:
    """A stretch of text that was kept, taken out or put in."""

    kind: RunKind
    text: str
    edit: int | None = None
    """Position of the edit that did it; None: kept, or done by no edit, as where a list is counted anew."""


@dataclass(frozen=True)
class Weave:
    """A draft and everything that was done to it."""

    _pieces: tuple[Piece, ...]
    _rests_on: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """By edit, those whose text it changed."""

    @classmethod
    def of(cls, draft: str, patches: Iterable[Mapping[str, Any] | Patch]) -> Weave:
        """Return the weave of a draft and the `patches` of its answer; raises ValueError if one doesn't fit."""
        pieces, rests_on = draft_pieces(draft), dict[int, frozenset[int]]()
        for source, given in enumerate(patches):
            patch = given if isinstance(given, Patch) else _patch(given)
            woven = weave_in(pieces, patch, source=source)
            pieces = woven.pieces
            if patch.edit is not None:
                rests_on[patch.edit] = rests_on.get(patch.edit, frozenset()) | woven.rests_on
        return cls(pieces, rests_on)

    def left_out(self, rejected: Collection[int]) -> frozenset[int]:
        """Return the rejected edits, and those that rest on one of them."""
        out = frozenset(rejected)
        while more := {edit for edit, below in self._rests_on.items() if below & out} - out:
            out |= more
        return out

    def text(self, rejected: Collection[int] = ()) -> str:
        """Return the text without the rejected edits and what rests on them, its seams put right and its lists counted."""
        return standing_text(self._without(rejected))

    def runs(self, rejected: Collection[int] = ()) -> list[Run]:
        """Return the changes in reading order; all but the added make up the draft, all but the removed `text(rejected)`.

        Inside one edit only the words that differ are removed or added.
        """
        steps = [run for run in map(_run, self._without(rejected)) if run]
        runs = [
            found
            for (is_same, edit), group in groupby(steps, key=lambda run: (run.kind == "same", run.edit))
            for found in (group if is_same else _word_runs(list(group), edit))
        ]
        return list(_merged(runs))

    def _without(self, rejected: Collection[int]) -> tuple[Piece, ...]:
        """Return the pieces as they stand without the rejected edits."""
        out = self.left_out(rejected) & set(self._rests_on)
        if not out:
            return self._pieces
        undone: set[Owner] = {*out, "tidying"}
        pieces = tuple(piece.undoing(undone) for piece in self._pieces)
        return pieces if out == set(self._rests_on) else mended(pieces, out)


def _patch(given: Mapping[str, Any]) -> Patch:
    try:
        return Patch(given["start"], given["end"], given["text"], given["edit"])
    except KeyError as missing:
        raise ValueError(f"a patch without {missing}") from None


def _run(piece: Piece) -> Run | None:
    """Return what a piece is to a reader; None for what was put in and taken out again."""
    if piece.owner == "draft":
        if piece.stands:
            return Run("same", piece.text)
        return Run("removed", piece.text, _edit(piece.removed_by[-1]))
    return Run("added", piece.text, _edit(piece.owner)) if piece.stands else None


def _edit(owner: Owner) -> int | None:
    return owner if isinstance(owner, int) else None


def _word_runs(changes: Sequence[Run], edit: int | None) -> Iterator[Run]:
    """Yield the words that differ between what one change took out and what it put in, and those that don't."""
    before, after = ("".join(run.text for run in changes if run.kind == kind) for kind in ("removed", "added"))
    for kind, text in word_diff(before, after):
        yield Run(kind, text, None if kind == "same" else edit)


def _merged(runs: Iterable[Run]) -> Iterator[Run]:
    for (kind, edit), group in groupby(runs, key=lambda run: (run.kind, run.edit)):
        yield Run(kind, "".join(run.text for run in group), edit)
