"""What a model replies with when it writes a rubric: a strict shape, and the JSON schema that a server can decode by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from agent.engine import Case
from agent.llm_schemas import object_schema
from agent.seeds import MAX_FROM_SEEDS
from principles_store.principle import Axis
from principles_store.rubric_entry import TAGS, RubricCriterion
from training.rubric_checks import MAX_CRITERIA, MIN_CRITERIA

_CHARACTERS = 400
"""Of a criterion; a limit also for models that would never stop."""
_MOST_TAGS = 3
Shape = TypeVar("Shape", bound=RubricCriterion)


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
    item = object_schema(
        {
            "principle": {"type": "integer", "minimum": -seeds, "maximum": principles},
            "criterion": {"type": "string", "minLength": 1, "maxLength": _CHARACTERS},
            "points": {"type": "integer", "minimum": -10, "maximum": 10},
            "axis": {"type": "string", "enum": list(get_args(Axis))},
            "tags": {"type": "array", "items": {"type": "string", "enum": list(TAGS)}, "maxItems": _MOST_TAGS},
        }
    )
    return object_schema(
        {"criteria": {"type": "array", "items": item, "minItems": MIN_CRITERIA, "maxItems": MAX_CRITERIA}}
    )


def number_faults(reply: WrittenRubric, case: Case) -> Iterator[str]:
    """Yield what of a reply names nothing; criteria can be made of it only if all does."""
    for position, item in enumerate(reply.criteria, start=1):
        if not item.criterion.strip():
            yield f"criterion {position} is empty"
        if item.points == 0:
            yield f"criterion {position}: points must not be 0"
        if not -len(case.seeds) <= item.principle <= len(case.principles):
            yield f"criterion {position}: there is no {'principle' if item.principle > 0 else 'seed'} {abs(item.principle)}"
        if any(tag not in TAGS for tag in item.tags):
            yield f"criterion {position}: an unknown tag; known are {', '.join(TAGS)}"
    if (seeded := sum(item.principle < 0 for item in reply.criteria)) > MAX_FROM_SEEDS:
        yield f"{seeded} criteria come from seeds; at most {MAX_FROM_SEEDS} may"


def criteria_of(reply: WrittenRubric, case: Case, shape: type[Shape]) -> tuple[Shape, ...]:
    """Return the criteria of a reply in which every number and tag names something (`number_faults`)."""
    return tuple(
        shape(
            criterion=item.criterion,
            points=item.points,
            axis=item.axis,
            tags=tuple(dict.fromkeys(item.tags)),
            principle_id=case.source_of(item.principle),
        )
        for item in reply.criteria
    )
