"""An edit, and a revision made of edits: what changed, where, and which principle and criterion asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

EditOp = Literal["ADD", "REMOVE", "MODIFY"]

_TOKEN = re.compile(r"\s+|\S+")


@dataclass(frozen=True)
class Edit:
    """One change of a span of the draft."""

    op: EditOp
    before: str
    """Verbatim from the draft; empty for ADD."""
    after: str
    """Empty for REMOVE."""
    principle_id: str
    criterion: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return the object of the JSON contract."""
        return asdict(self)


@dataclass(frozen=True)
class Patch:
    """What one edit did to the text: text[start:end] became `text`, on the text as the patches before it had left it."""

    start: int
    end: int
    text: str
    edit: int | None = None
    """Position of the edit that asked for it; None: no edit did, as where the numbers of a list are counted anew."""

    def applied(self, before: str) -> str:
        """Return the text after it."""
        return before[: self.start] + self.text + before[self.end :]

    def after_edits(self, count: int) -> Patch:
        """Return the patch for a run in which so many edits came before those of this revision."""
        return self if self.edit is None else replace(self, edit=self.edit + count)

    def as_dict(self) -> dict[str, Any]:
        """Return the object of the JSON contract."""
        return asdict(self)


@dataclass(frozen=True)
class Revision:
    """A proposed text and the edits that lead to it; no edits: the reviser sees nothing it can do."""

    text: str
    edits: tuple[Edit, ...] = ()
    notes: tuple[str, ...] = ()
    """What the caller should know, such as why nothing could be done."""
    patches: tuple[Patch, ...] = ()
    """The way from the text before to `text`, in order; an edit without one can't be taken back by itself."""

    def way_from(self, before: str) -> tuple[Patch, ...]:
        """Return the patches, or the change as a whole where a reviser gave none that lead to its text."""
        if patched(before, self.patches) == self.text:
            return self.patches
        whole = patch_between(before, self.text, 0 if len(self.edits) == 1 else None)
        return (whole,) if whole else ()


def patched(text: str, patches: Iterable[Patch]) -> str:
    """Return the text after the patches, one after another."""
    for patch in patches:
        text = patch.applied(text)
    return text


def patch_between(before: str, after: str, edit: int | None) -> Patch | None:
    """Return the shortest stretch of whole words and gaps whose exchange makes `before` into `after`; None if they are equal.

    Where there is a choice, the stretch stands as far to the front as it can, so that a passage that was added or removed has
    the gap before it, not the one behind, and several at one place don't share a gap.
    """
    if before == after:
        return None
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    tail = _shared(old[::-1], new[::-1])
    head = _shared(old[: len(old) - tail], new[: len(new) - tail])
    start = sum(map(len, old[:head]))
    kept = sum(map(len, old[len(old) - tail :]))
    return Patch(start, len(before) - kept, after[start : len(after) - kept], edit)


def _shared(old: list[str], new: list[str]) -> int:
    """Return how many tokens two lists begin with alike."""
    count = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        count += 1
    return count
