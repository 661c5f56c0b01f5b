"""An edit, and a revision made of edits: what changed, and which principle and criterion asked for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

EditOp = Literal["ADD", "REMOVE", "MODIFY"]


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
class Revision:
    """A proposed text and the edits that lead to it; no edits: the reviser sees nothing it can do."""

    text: str
    edits: tuple[Edit, ...] = ()
    notes: tuple[str, ...] = ()
    """What the caller should know, such as why nothing could be done."""
