"""Two saves of one sheet: what was merged, and where both changed the same, what stands saved beside what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from training.review.errors import StaleSheetError
from training.review.page_frame import button
from training.review.page_sheet import as_taken, row_text
from training.review.sheet import Sheet, SheetCriterion


def merged_html(merged: Sequence[str]) -> str:
    """Return what another save of the same sheet had changed and this one keeps."""
    if not merged:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in merged)
    return f'<div class="waiting" role="status"><p>Saved together with changes made elsewhere meanwhile:</p><ul>{items}</ul></div>'


def conflict_html(error: StaleSheetError) -> str:
    """Return the rows that were changed on both sides, each with what stands saved."""
    base, saved, own = (_rows(sheet) for sheet in (error.base, error.theirs, error.mine))
    keys = [
        key for key in dict.fromkeys([*saved, *own, *base]) if _differs(base.get(key), saved.get(key), own.get(key))
    ]
    items = "".join(f"<li>{_clash(key, saved.get(key), own.get(key))}</li>" for key in keys)
    told = "".join(f"<li>{escape(conflict)}</li>" for conflict in error.conflicts)
    return (
        '<div class="warning conflict" role="alert"><p><strong>Not saved: this sheet was changed elsewhere meanwhile.</strong> '
        "Nothing is overwritten. Yours stands in the table below, with all that was changed elsewhere only; save once more to "
        f"keep it so.</p><ul>{told}</ul><ul>{items}</ul></div>"
    )


def _rows(sheet: Sheet) -> dict[str, SheetCriterion]:
    return {row.key: replace(row, judged_by=()) for row in sheet.criteria}


def _differs(base: SheetCriterion | None, saved: SheetCriterion | None, own: SheetCriterion | None) -> bool:
    return base not in (saved, own) and saved != own


def _clash(key: str, saved: SheetCriterion | None, own: SheetCriterion | None) -> str:
    take = button("Take the saved one", "take", take=as_taken(key, saved))
    return f"<p>Saved: {row_text(saved)}</p><p>Yours: {row_text(own)}</p>{take}"
