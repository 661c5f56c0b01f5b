"""The shape of an entry: what is accepted, what is refused, and by which name the fault is called."""

from __future__ import annotations

from typing import Any

import pytest
from library_entry import changed, entry
from pydantic import ValidationError

from principles_store.principle import SCENARIO_VALUES, Detection, Detector, Guidance, Principle

PATTERN = {"pattern": "rash"}


def faults(raw: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Principle.model_validate(raw)
    return [(".".join(str(part) for part in error["loc"]), error["msg"]) for error in caught.value.errors()]


def test_a_sound_entry_survives_a_round_trip() -> None:
    principle = Principle.model_validate(entry())
    assert Principle.model_validate(principle.model_dump(mode="json")) == principle
    assert Principle.model_validate_json(principle.model_dump_json()) == principle


@pytest.mark.parametrize("values", SCENARIO_VALUES.values())
def test_every_scenario_value_is_accepted(values: tuple[str, ...]) -> None:
    dimension = next(name for name, known in SCENARIO_VALUES.items() if known == values)
    assert Principle.model_validate(entry(dimension=dimension, scenarios=list(values))).scenarios == values


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("id", "Tick Bite", "id", "pattern"),
        ("id", "x" * 61, "id", "at most 60"),
        ("dimension", "severity", "dimension", "'urgency'"),
        ("scenarios", [], "scenarios", "at least 1"),
        ("scenarios", ["non-emergent", "sometimes"], "", "unknown scenario value 'sometimes'; known: emergent"),
        ("scenarios", ["layperson"], "", "no value of its own dimension 'urgency'"),
        ("axis", "tone", "axis", "'accuracy'"),
        ("polarity", "dont", "polarity", "'do' or 'avoid'"),
        ("severity", "high", "severity", "'critical'"),
        ("title", "  ", "title", "at least 1 character"),
        ("statement", None, "statement", "valid string"),
        ("applies_when.situations", [], "applies_when.situations", "at least 1"),
        ("applies_when.topic", "tick(", "applies_when.topic", "not a regular expression"),
        ("applies_when.sometimes", "x", "applies_when.sometimes", "Extra inputs"),
        ("criteria", [], "criteria", "at least 1"),
        ("criteria", entry()["criteria"] * 5, "criteria", "at most 4"),
        ("criteria.0.points", 0, "criteria.0", "points must not be 0"),
        ("criteria.0.points", 11, "criteria.0.points", "less than or equal to 10"),
        ("criteria.0.points", -11, "criteria.0.points", "greater than or equal to -10"),
        ("criteria.0.points", 2.5, "criteria.0.points", "integer"),
        ("criteria.0.detect.any.0.pattern", "[", "criteria.0.detect.any.0.pattern", "not a regular expression"),
        ("guidance.edit", "delete", "guidance.edit", "'add'"),
        ("guidance.wording", {}, "guidance", "needs wording.lay or wording.professional"),
        ("guidance.rewrites", [{"find": "a", "replace": "b"}], "guidance", "go together"),
        ("sources.0.year", 1949, "sources.0.year", "1950"),
        ("note", "mine", "note", "Extra inputs"),
    ],
)
def test_a_fault_of_form_is_named_by_its_field(path: str, value: Any, field: str, message: str) -> None:
    found_field, found_message = faults(changed(path, value))[0]
    assert found_field == field
    assert message in found_message


def test_all_faults_of_an_entry_are_told_at_once() -> None:
    assert {field for field, _ in faults(entry(axis="tone", severity="high"))} == {"axis", "severity"}


def test_a_meaning_detector_needs_exemplars_on_both_sides() -> None:
    raw = changed("criteria.0.detect", {"any": [{"meaning": True}]})
    assert Principle.model_validate(raw).criteria[0].detect
    raw["criteria"][0]["breaks"] = []
    assert faults(raw)[0] == ("criteria.0", "Value error, a meaning detector needs exemplars in both meets and breaks")


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        ({}, "exactly one of pattern, meaning, measure"),
        ({**PATTERN, "meaning": True}, "exactly one of pattern, meaning, measure"),
        ({**PATTERN, "measure": "words", "max": 3}, "exactly one of pattern, meaning, measure"),
        ({**PATTERN, "max": 3}, "min and max belong to a measure"),
        ({"measure": "words"}, "needs min or max"),
        ({"measure": "words", "max": 3, "where": "first-two"}, "leave out where"),
        ({"measure": "syllables", "max": 3}, "Input should be"),
    ],
)
def test_a_detector_is_of_exactly_one_kind(detector: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Detector.model_validate(detector)


@pytest.mark.parametrize("detection", [{}, {"any": []}, {"any": [PATTERN], "all": [PATTERN]}])
def test_detectors_combine_in_exactly_one_way(detection: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either any or all"):
        Detection.model_validate(detection)


@pytest.mark.parametrize("way", ["any", "all"])
def test_a_detection_gives_its_detectors_whichever_way_they_combine(way: str) -> None:
    assert [d.pattern for d in Detection.model_validate({way: [PATTERN]}).detectors] == ["rash"]


def test_an_edit_of_kind_rewrite_needs_rewrites() -> None:
    with pytest.raises(ValidationError, match="go together"):
        Guidance.model_validate({"text": "Say it otherwise.", "edit": "rewrite"})


def test_text_around_a_field_is_stripped() -> None:
    assert Principle.model_validate(entry(title="  Say when \n")).title == "Say when"


def test_a_principle_cannot_be_changed_once_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Principle.model_validate(entry()).title = "Other"  # type: ignore[misc]
