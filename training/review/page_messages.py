"""What the review page sends, checked: who asks for what, with the rows of the sheet as the browser holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import InputError
from training.preferences import RecordCriterion
from training.review.sheet import MAX_COMMENT, MAX_CRITERIA, SheetCriterion

View = Literal["record", "list", "disputes", "dispute", "agreement", "history", "name"]


class SentCriterion(RecordCriterion):
    """A row of the table; its verdicts are checked against the record's responses by the store."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    judged_by: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=2)] = ()

    def as_row(self) -> SheetCriterion:
        """Return it as the store takes it."""
        return SheetCriterion(**{name: getattr(self, name) for name in type(self).model_fields})


class Asked(BaseModel):
    """One request of the page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: Annotated[int, Field(ge=0)]
    """Counted by the page, which takes an answer for that of its last request only."""
    by: Annotated[str, Field(max_length=80)] = ""
    """The reviewer's name where nobody logs in."""
    action: Literal["view", "save", "decide", "adjudicate", "judge"]
    view: View = "record"
    record: Annotated[str, Field(max_length=200)] = ""
    after: Annotated[str, Field(max_length=200)] = ""
    """Record after which the next one is wanted."""
    version: Annotated[int, Field(ge=0)] = 0
    """That the edits were made on."""
    criteria: Annotated[tuple[SentCriterion, ...], Field(max_length=MAX_CRITERIA)] = ()
    comment: Annotated[str, Field(max_length=MAX_COMMENT)] = ""
    decision: Literal["accept", "reject", "defer", "reopen"] | None = None
    words: Annotated[str, Field(max_length=200)] = ""
    state: Annotated[str, Field(max_length=20)] = ""
    offset: Annotated[int, Field(ge=0)] = 0

    @property
    def rows(self) -> tuple[SheetCriterion, ...]:
        return tuple(item.as_row() for item in self.criteria)


def parse(message: Any) -> Asked:
    """Return the request; raises InputError that names the criterion, counted from 1, and the field."""
    try:
        return Asked.model_validate(message)
    except ValidationError as error:
        raise InputError(_told(error)) from error


def number_of(message: Any) -> int:
    """Return the number of a request that may be anything else than valid; 0 where it has none."""
    n = message.get("n") if isinstance(message, Mapping) else None
    return n if isinstance(n, int) and n >= 0 else 0


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place, what = list(first["loc"]), first["msg"].removeprefix("Value error, ")
    if place[:1] == ["criteria"] and len(place) > 1:
        field = f", {place[2]}" if len(place) > 2 else ""
        return f"criterion {int(place[1]) + 1}{field}: {what}"
    return f"{'.'.join(map(str, place))}: {what}"
