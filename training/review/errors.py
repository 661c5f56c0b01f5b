"""What can go wrong in a review, beyond bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import InputError
from principles_store.errors import ClinAlignError

if TYPE_CHECKING:
    from training.review.sheet import Sheet


class ReviewStoreError(ClinAlignError):
    """The database refused, or has gone; nothing of what was asked for has been stored."""


class StaleSheetError(InputError):
    """A sheet has been changed since it was read, and both changes can't stand; nothing was stored.

    `mine` is what was refused: show it beside `theirs`, so that nobody types it again.
    """

    def __init__(self, conflicts: tuple[str, ...], *, base: Sheet, theirs: Sheet, mine: Sheet) -> None:
        told = "; ".join(conflicts)
        super().__init__(
            f"{theirs.record.id}: changed since you read version {base.version} (now {theirs.version}): {told}; "
            "nothing was saved; take over what you want of both, and save again"
        )
        self.conflicts, self.base, self.theirs, self.mine = conflicts, base, theirs, mine
