"""What a model replies with when it writes a rubric: a strict shape, and the JSON schema that a server can decode by."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from principles_store.principle import Axis
from principles_store.rubric_entry import TAGS
from training.rubric_checks import MAX_CRITERIA, MIN_CRITERIA

_CHARACTERS = 400
"""Of a criterion; a limit also for models that would never stop."""
_MOST_TAGS = 3


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class WrittenCriterion(_Reply):
    """One criterion as the model gives it."""

    principle: int
    """Number of the principle it comes from, minus the number of the seed, 0 for the model's own knowledge."""
    criterion: Annotated[str, Field(min_length=1, max_length=_CHARACTERS)]
    points: Annotated[int, Field(ge=-10, le=10)]
    axis: Axis
    tags: Annotated[list[str], Field(max_length=_MOST_TAGS)]


class WrittenRubric(_Reply):
    """The whole reply."""

    criteria: Annotated[list[WrittenCriterion], Field(max_length=2 * MAX_CRITERIA)]


def rubric_schema(principles: int, seeds: int) -> dict[str, Any]:
    """Return the JSON schema of a `WrittenRubric` for so many principles and seeds."""
    item = _object(
        {
            "principle": {"type": "integer", "minimum": -seeds, "maximum": principles},
            "criterion": {"type": "string", "minLength": 1, "maxLength": _CHARACTERS},
            "points": {"type": "integer", "minimum": -10, "maximum": 10},
            "axis": {"type": "string", "enum": list(get_args(Axis))},
            "tags": {"type": "array", "items": {"type": "string", "enum": list(TAGS)}, "maxItems": _MOST_TAGS},
        }
    )
    return _object({"criteria": {"type": "array", "items": item, "minItems": MIN_CRITERIA, "maxItems": MAX_CRITERIA}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
