"""What a model replies with, call by call: strict shapes, and the JSON schema that a server can decode by.

The schema sent is narrowed to the case (how many principles, segments, criteria there are), so that a number that doesn't exist
can't be decoded; what comes back is checked again all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.edit import EditOp
from agent.rubric import VerdictValue
from agent.segments import Shape

MAX_CRITERIA = 12
MAX_OWN_CRITERIA = 6
"""Of those, criteria that rest on no principle: the library, not the model, is to decide what counts."""
MAX_EDITS = 20
_SENTENCE = 400
"""Characters of a reason; a limit also for models that would never stop."""
Sentence = Annotated[str, Field(max_length=_SENTENCE)]
Numbers = Annotated[list[int], Field(max_length=8)]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class JudgedCriterion(_Reply):
    """A criterion with the verdict on the draft."""

    principle: int
    """Number of the principle it comes from, minus the number of the seed, 0 for the model's own knowledge."""
    criterion: Annotated[str, Field(min_length=1, max_length=_SENTENCE)]
    points: Annotated[int, Field(ge=-10, le=10)]
    reason: Sentence
    evidence: Numbers
    verdict: VerdictValue
    fix: Sentence


class Critique(_Reply):
    """The rubric, the judgement of the draft on it, and the edit plan."""

    criteria: Annotated[list[JudgedCriterion], Field(max_length=MAX_CRITERIA)]


class ProposedEdit(_Reply):
    """One edit of a revision."""

    criterion: int
    op: EditOp
    first: int
    last: int
    shape: Shape
    text: Annotated[str, Field(max_length=4000)]
    why: Sentence


class Edits(_Reply):
    """A revision."""

    edits: Annotated[list[ProposedEdit], Field(max_length=MAX_EDITS)]


class AnswerVerdict(_Reply):
    """The verdict on one answer."""

    reason: Sentence
    evidence: Numbers
    verdict: VerdictValue


Label = Literal["A", "B", "C", "D"]
LABELS: tuple[Label, ...] = ("A", "B", "C", "D")


class CriterionVerdicts(_Reply):
    """The verdicts of all answers on one criterion."""

    criterion: int
    answers: dict[Label, AnswerVerdict]


class Judgement(_Reply):
    """All verdicts."""

    verdicts: list[CriterionVerdicts]


def critique_schema(principles: int, seeds: int, segments: int, *, most: int = MAX_CRITERIA) -> dict[str, Any]:
    """Return the JSON schema of a `Critique` for a case."""
    item = object_schema(
        {
            "principle": {"type": "integer", "minimum": -seeds, "maximum": principles},
            "criterion": _text(1),
            "points": {"type": "integer", "minimum": -10, "maximum": 10},
            **_verdict_fields(segments),
            "fix": _text(),
        }
    )
    return object_schema({"criteria": {"type": "array", "items": item, "maxItems": most}})


def edits_schema(criteria: Sequence[int], segments: int) -> dict[str, Any]:
    """Return the JSON schema of `Edits` that carry out fixes of these criteria."""
    item = object_schema(
        {
            "criterion": {"type": "integer", "enum": list(criteria)},
            "op": {"type": "string", "enum": ["ADD", "REMOVE", "MODIFY"]},
            "first": {"type": "integer", "minimum": 0, "maximum": segments},
            "last": {"type": "integer", "minimum": 0, "maximum": segments},
            "shape": {"type": "string", "enum": ["sentence", "paragraph", "list item"]},
            "text": {"type": "string", "maxLength": 4000},
            "why": _text(),
        }
    )
    return object_schema({"edits": {"type": "array", "items": item, "maxItems": MAX_EDITS}})


def judgement_schema(criteria: int, segments: Sequence[int]) -> dict[str, Any]:
    """Return the JSON schema of a `Judgement` of answers with so many segments each."""
    answers: dict[str, Any] = {
        label: object_schema(_verdict_fields(count))
        for label, count in zip(LABELS[: len(segments)], segments, strict=True)
    }
    item = object_schema(
        {"criterion": {"type": "integer", "minimum": 1, "maximum": criteria}, "answers": object_schema(answers)}
    )
    return object_schema({"verdicts": {"type": "array", "items": item, "minItems": criteria, "maxItems": criteria}})


def _verdict_fields(segments: int) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1, "maximum": max(segments, 1)}
    return {
        "reason": _text(),
        "evidence": {"type": "array", "items": number, "maxItems": 8},
        "verdict": {"type": "string", "enum": ["met", "unmet", "unknown"]},
    }


def _text(least: int = 0) -> dict[str, Any]:
    return {"type": "string", "maxLength": _SENTENCE} | ({"minLength": least} if least else {})


def object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has these properties, all of them, and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
