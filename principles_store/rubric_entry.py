"""A rubric as it is kept: the criteria for one conversation, with their sources, where they come from, and who verified them.

The shape of one entry of a YAML file; reading files is `rubric_set.py`'s job, quality `rubric_lint.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from principles_store.conversation import ConversationError, Message, parse_conversation
from principles_store.principle import Axis, Source, Text

Origin = Literal["synthetic", "clinician", "unknown"]

TAGS: Mapping[str, str] = {
    "gravity-first": "how grave it is, said up front",
    "red-flag": "a sign that changes what to do, by its name",
    "course": "what to expect, and how long it lasts",
    "self-care": "what to do oneself, in concrete steps",
    "non-drug": "the option beside a medicine",
    "history": "a fact to ask for, by its name",
    "follow-up": "when to be seen or tested again, in days or weeks",
    "complication": "what may come of it, early or late",
    "contagion": "how it spreads, and until when",
    "prevention": "how not to get it, or not again",
    "availability": "what depends on the place: access, cost, law",
    "guideline": "a guideline by its name",
    "medicine": "a medicine, its dose, its caution or its interaction",
    "interpretation": "what a result or a finding means",
    "diagnosis": "what it is, or what else it may be",
    "uncertainty": "what is not known, said as such",
    "direct-answer": "the question that was asked, answered",
    "form": "the form or the length that was asked for",
    "register": "words that fit the reader",
    "data": "what was given: kept, not invented",
    "support": "help and people to turn to",
}
"""What a criterion is about, and what that means."""


def _known_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [tag for tag in tags if tag not in TAGS]:
        raise ValueError(f"unknown tag {unknown[0]!r}; known: {', '.join(TAGS)}")
    return tags


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class RubricCriterion(_Entry):
    """One atomic, Boolean, observable statement about an answer to this conversation."""

    criterion: Text
    points: Annotated[int, Field(ge=-10, le=10)]
    """Negative: a penalty if the statement holds. Never 0."""
    axis: Axis
    tags: Annotated[tuple[str, ...], AfterValidator(_known_tags)] = ()
    principle_id: str | None = None
    """Of the principle that it comes from, if it comes from one."""

    @field_validator("points")
    @classmethod
    def _not_zero(cls, points: int) -> int:
        if points == 0:
            raise ValueError("points must not be 0")
        return points


class RubricEntry(_Entry):
    """The rubric of one conversation."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+([-_.:][A-Za-z0-9]+)*$", max_length=120)]
    theme: Text
    conversation: tuple[Message, ...]
    """Ends with a user turn; a YAML file may give `question` instead of one of length 1."""
    rubric: Annotated[tuple[RubricCriterion, ...], Field(min_length=1)]
    sources: tuple[Source, ...] = ()
    origin: Origin
    verified_by: tuple[Text, ...] = ()
    """Clinicians who checked it; empty: not clinician-verified."""

    @property
    def is_verified(self) -> bool:
        return bool(self.verified_by)

    @model_validator(mode="before")
    @classmethod
    def _one_conversation(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        if ("question" in data) == ("conversation" in data):
            raise ValueError("give either question or conversation")
        given = data["question"] if "question" in data else data["conversation"]
        rest = {name: value for name, value in data.items() if name not in ("question", "conversation")}
        try:
            return rest | {"conversation": tuple(parse_conversation(given))}
        except ConversationError as error:
            raise ValueError(str(error)) from error

    @field_validator("rubric")
    @classmethod
    def _each_once(cls, rubric: tuple[RubricCriterion, ...]) -> tuple[RubricCriterion, ...]:
        texts = [item.criterion for item in rubric]
        if twice := [text for number, text in enumerate(texts) if text in texts[:number]]:
            raise ValueError(f"the criterion {twice[0]!r} is given twice")
        return rubric
