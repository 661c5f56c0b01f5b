"""Preferences and HealthRubrics: a conversation, two responses, which one a clinician preferred, and the rubric that says why.

One record follows a rubric all its way: drafted by a model, refined by clinicians, exported, distilled. Reading files is
`preference_files.py`'s job. The field layout of ClinAlign's own HealthRubrics (arXiv 2602.09653) is not public; this one is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.rubric import Criterion, VerdictValue
from principles_store.conversation import ConversationError, Message, parse_conversation
from principles_store.principle import Source, Text
from principles_store.rubric_entry import Origin, RubricCriterion

SCHEMA_VERSION: Literal[1] = 1
"""Of the records' fields; a record of a later version is refused, not guessed at."""
Status = Literal["new", "drafted", "set aside", "accepted", "rejected"]
"""`set aside`: no usable draft could be had; `status_reason` says why."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(_Record):
    """One of the two answers."""

    text: Text
    source: str = ""
    """Model or person that wrote it, if known."""


class RecordCriterion(RubricCriterion):
    """A criterion of a record, with whether its statement holds for each response."""

    verdicts: tuple[VerdictValue, ...] = ()
    """One per response, in their order; empty where nobody has judged them."""

    def as_criterion(self) -> Criterion:
        """Return it as the agent, the evaluation and the reward take it."""
        return Criterion(self.criterion, self.points, self.principle_id)


class Provenance(_Record):
    """Where a record comes from."""

    source: str = ""
    """File, data set or study."""
    licence: str = ""
    origin: Origin = "unknown"
    """`synthetic`: conversation, responses and preference were made up or made by a model."""
    drafted_by: str = ""
    """provider:name of the model that drafted the rubric."""
    judged_by: str = ""
    """The same of the model that gave the draft's verdicts."""
    prompt_hashes: Mapping[str, str] = {}
    library_hash: str = ""
    rubrics_hash: str = ""
    """Of the kept rubrics that seeds came from; empty without seeds."""


class HealthRubric(_Record):
    """One preference with its rubric."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: Annotated[str, Field(min_length=1, max_length=200)]
    theme: str = ""
    conversation: tuple[Message, ...]
    """Ends with a user turn."""
    responses: Annotated[tuple[Response, ...], Field(max_length=2)] = ()
    """Two, or none for a rubric that came without any."""
    preferred: Literal[0, 1] | None = None
    """Position of the response that was preferred; None: a tie, or nobody has said."""
    preferred_by: str = ""
    """Clinician, panel or model that said so."""
    preference_reason: str = ""
    draft: tuple[RecordCriterion, ...] = ()
    refined: tuple[RecordCriterion, ...] = ()
    """As the clinicians left it; empty until they have."""
    status: Status = "new"
    status_reason: str = ""
    reviewers: tuple[str, ...] = ()
    """Clinicians who refined or confirmed it."""
    sources: tuple[Source, ...] = ()
    provenance: Provenance = Provenance()

    @property
    def rubric(self) -> tuple[RecordCriterion, ...]:
        """The refined rubric where there is one, else the draft."""
        return self.refined or self.draft

    @property
    def chosen(self) -> Response | None:
        """The preferred response."""
        return None if self.preferred is None else self.responses[self.preferred]

    @property
    def rejected(self) -> Response | None:
        """The other one."""
        return None if self.preferred is None else self.responses[1 - self.preferred]

    @field_validator("conversation", mode="before")
    @classmethod
    def _valid_conversation(cls, value: Any) -> Any:
        try:
            return tuple(parse_conversation(list(value) if isinstance(value, tuple) else value))
        except ConversationError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _consistent(self) -> HealthRubric:
        if len(self.responses) == 1:
            raise ValueError("a preference needs two responses; a rubric by itself needs none")
        if self.preferred is not None and not self.responses:
            raise ValueError("preferred names a response, but there are none")
        for name, criteria in (("draft", self.draft), ("refined", self.refined)):
            texts = [item.criterion for item in criteria]
            if twice := [text for number, text in enumerate(texts) if text in texts[:number]]:
                raise ValueError(f"{name}: the criterion {twice[0]!r} is given twice")
            if any(item.verdicts and len(item.verdicts) != len(self.responses) for item in criteria):
                raise ValueError(f"{name}: a criterion needs one verdict per response, or none")
        return self
