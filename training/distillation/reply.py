"""A model's reply when it makes a principle of a cluster: a strict shape, its JSON schema, and what a schema can't say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from principles_store.library import Library
from principles_store.lint import MIN_SITUATIONS, lint_library
from principles_store.principle import DIMENSION_OF, SCENARIO_VALUES, Dimension, Principle, Severity
from principles_store.rubric_lint import UNOBSERVABLE
from training.distillation.candidates import common_fields, principle_id
from training.distillation.material import Material

Outcome = Literal["principle", "too mixed"]
MOST_CRITERIA = 3
MOST_SITUATIONS = 8
EXEMPLARS = 2
"""Sentences that meet a criterion, and as many that don't."""
_CHARACTERS = 500
"""Of a text; a limit also for models that would never stop."""
_Text = Annotated[str, Field(max_length=_CHARACTERS)]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class WordedCriterion(_Reply):
    """One criterion of a principle."""

    text: _Text
    points: Annotated[int, Field(ge=-10, le=10)]
    paraphrase: _Text
    meets: list[_Text]
    breaks: list[_Text]


class WordedPrinciple(_Reply):
    """The whole reply; where the criteria are too mixed, only `reason` counts."""

    reason: _Text
    outcome: Outcome
    title: _Text
    statement: _Text
    dimension: Dimension
    scenarios: list[str]
    severity: Severity
    situations: list[_Text]
    criteria: list[WordedCriterion]
    guidance: _Text


def entry_of(reply: WordedPrinciple, material: Material) -> dict[str, Any]:
    """Return the reply as an entry of a library."""
    return {
        **common_fields(material),
        "id": principle_id(reply.title, material),
        "dimension": reply.dimension,
        "scenarios": reply.scenarios,
        "severity": reply.severity,
        "title": reply.title,
        "statement": reply.statement,
        "applies_when": {"situations": reply.situations},
        "criteria": [
            {**criterion.model_dump(), "detect": {"any": [{"meaning": True}]}} for criterion in reply.criteria
        ],
        "guidance": {"text": reply.guidance, "edit": "advise"},
    }


def check_reply(reply: WordedPrinciple, material: Material) -> None:
    """Raise ValueError, in words of which none are the reply's own, unless its principle can stand in a library."""
    if reply.outcome == "too mixed":
        if not reply.reason.strip():
            raise ValueError("reason: say what keeps the criteria from being one rule")
        return
    if unknown := sum(value not in DIMENSION_OF for value in reply.scenarios):
        raise ValueError(f"scenarios: {unknown} of them are no scenario values; choose among those listed")
    for number, criterion in enumerate(reply.criteria):
        _check_criterion(criterion, number)
    if copied := [n for n, situation in enumerate(reply.situations) if situation in material.questions]:
        raise ValueError(f"situations.{copied[0]}: a user's own words; write what another user would say")
    if len(reply.situations) < MIN_SITUATIONS:  # a note in one's own library, but a model can write more
        raise ValueError(f"situations: {len(reply.situations)} of at least {MIN_SITUATIONS}")
    principle = Principle.model_validate(entry_of(reply, material))
    faults = lint_library(Library((principle,), "reply"))
    if found := next((fault for fault in faults if fault.entry and fault.level == "fault"), None):
        raise ValueError(f"{found.field}: {found.message}")


def _check_criterion(criterion: WordedCriterion, number: int) -> None:
    if criterion.points < 0 and UNOBSERVABLE.search(criterion.text):
        raise ValueError(f"criteria.{number}.text: a penalty names a mistake that can be seen, not what is missing")
    for name, sentences in (("meets", criterion.meets), ("breaks", criterion.breaks)):
        if len(sentences) < EXEMPLARS or not all(sentence.strip() for sentence in sentences):
            raise ValueError(f"criteria.{number}.{name}: {EXEMPLARS} sentences are wanted, none of them empty")


def reply_schema() -> dict[str, Any]:
    """Return the JSON schema of a reply, the reason before what it is the reason for."""
    values = [value for each in SCENARIO_VALUES.values() for value in each]
    exemplars = {"type": "array", "items": _text(), "minItems": EXEMPLARS, "maxItems": EXEMPLARS}
    criterion = _object(
        {
            "text": _text(),
            "points": {"type": "integer", "minimum": -10, "maximum": 10},
            "paraphrase": _text(),
            "meets": exemplars,
            "breaks": exemplars,
        }
    )
    return _object(
        {
            "reason": _text(),
            "outcome": _one_of(get_args(Outcome)),
            "title": _text(),
            "statement": _text(),
            "dimension": _one_of(get_args(Dimension)),
            "scenarios": {"type": "array", "items": _one_of(values), "maxItems": len(values)},
            "severity": _one_of(get_args(Severity)),
            "situations": {"type": "array", "items": _text(), "maxItems": MOST_SITUATIONS},
            "criteria": {"type": "array", "items": criterion, "maxItems": MOST_CRITERIA},
            "guidance": _text(),
        }
    )


def _text() -> dict[str, Any]:
    return {"type": "string", "maxLength": _CHARACTERS}


def _one_of(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
