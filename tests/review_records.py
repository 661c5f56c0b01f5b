"""Records for the tests of the review: a cough, two responses, seven criteria of which none is at odds with another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from training.preferences import HealthRubric
from training.review.sheet import Sheet, SheetCriterion

CRITERIA = {
    "Names chest pain at rest as a reason to call an ambulance.": 8,
    "States that an ordinary cough lasts about three weeks.": 5,
    "Suggests honey or warm drinks before bed.": 4,
    "Says to be seen again after ten days with fever.": 6,
    "Asks how long the fever has lasted.": 3,
    "Calls antibiotics the first thing to take.": -7,
    "Tells the reader to stop all medicines at once.": -5,
}


def record(id: str = "cough", **changed: Any) -> HealthRubric:
    """Return a drafted record whose first response is preferred."""
    draft = [
        {"criterion": text, "points": points, "axis": "accuracy", "verdicts": ["met", "unmet"]}
        for text, points in CRITERIA.items()
    ]
    data = {
        "id": id,
        "conversation": [{"role": "user", "content": f"I have had a cough for a week ({id})."}],
        "responses": [{"text": "Rest and drink."}, {"text": "Take antibiotics."}],
        "preferred": 0,
        "draft": draft,
        "status": "drafted",
        "provenance": {
            "origin": "synthetic",
            "drafted_by": "fake:drafter",
            "judged_by": "fake:judge",
            "prompt_hashes": {"draft": "ab12"},
            "rubrics_hash": "cd34",
        },
    }
    return HealthRubric.model_validate_json(HealthRubric.model_validate(data | changed).model_dump_json())


def changed(sheet: Sheet, key: str, /, **fields: Any) -> tuple[SheetCriterion, ...]:
    """Return a sheet's criteria, one of them changed."""
    return tuple(replace(item, **fields) if item.key == key else item for item in sheet.criteria)


def without(sheet: Sheet, key: str) -> tuple[SheetCriterion, ...]:
    """Return a sheet's criteria less one."""
    return tuple(item for item in sheet.criteria if item.key != key)


def added(
    sheet: Sheet, text: str = "Mentions that smoke makes a cough worse.", points: int = 2
) -> tuple[SheetCriterion, ...]:
    """Return a sheet's criteria and a new one."""
    return (*sheet.criteria, SheetCriterion("", text, points, "completeness"))
