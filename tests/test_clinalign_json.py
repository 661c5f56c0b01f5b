"""ClinAlign-style JSON lists of the spellings seen in the wild become principles, or are refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from library_entry import entry

from principles_store.clinalign_json import DEFAULT_POINTS, entry_from_clinalign
from principles_store.errors import LibraryError
from principles_store.library import Library, load_library

TEXT = "In an emergency, tell the reader to call for help first."


def load(folder: Path, data: Any) -> Library:
    file = folder / "principles_v1.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return load_library(file)


@pytest.mark.parametrize(
    ("labels", "scenarios"),
    [
        ({"scenarios": ["emergent"]}, ("emergent",)),
        ({"scenario": "Conditionally Emergent"}, ("conditionally-emergent",)),
        (
            {"labels": {"urgency": "emergency", "user expertise": "not a health professional"}},
            ("emergent", "layperson"),
        ),
        ({"tags": ["urgency:emergent", "expertise:Health Professional"]}, ("emergent", "professional")),
        ({"urgency": "non_emergent", "task_type": ["simple"]}, ("non-emergent", "simple-question")),
        ({"uncertainty": "Any reducible uncertainty"}, ("reducible",)),
        ({"uncertainty": "none"}, ("none",)),
        ({"conditions": [["Only irreducible uncertainty"], ["lay"]]}, ("irreducible", "layperson")),
        ({"user_expertise": "lay", "urgency": "emergent"}, ("emergent", "layperson")),
        ({"scenario": "emergent", "tags": ["emergent"]}, ("emergent",)),
    ],
)
def test_labels_of_every_spelling_become_scenario_values(
    tmp_path: Path, labels: dict[str, Any], scenarios: tuple[str, ...]
) -> None:
    [principle] = load(tmp_path, [{"text": TEXT, **labels}])
    assert principle.scenarios == scenarios


@pytest.mark.parametrize("key", ["statement", "principle", "text", "description", "content"])
def test_the_text_becomes_statement_and_the_one_criterion(tmp_path: Path, key: str) -> None:
    [principle] = load(tmp_path, [{key: f" {TEXT} ", "urgency": "emergent"}])
    assert principle.statement == principle.title == TEXT
    assert [(c.text, c.points, c.detect) for c in principle.criteria] == [(TEXT, DEFAULT_POINTS, None)]
    assert principle.guidance.edit == "advise"


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, "principle-002"), (7, "principle-007"), ("12", "principle-012"), ("HP_3.b", "hp-3-b")],
)
def test_ids_are_made_of_what_is_given_or_of_the_place(tmp_path: Path, given: Any, expected: str) -> None:
    first = {"id": "first", "text": TEXT, "urgency": "emergent"}
    second = {"text": TEXT, "urgency": "emergent"} | ({} if given is None else {"id": given})
    assert load(tmp_path, [first, second]).principles[1].id == expected


def test_the_list_may_stand_under_principles(tmp_path: Path) -> None:
    library = load(tmp_path, {"version": 1, "principles": [{"text": TEXT, "urgency": "emergent"}]})
    assert library.files == {"principle-001": str(tmp_path / "principles_v1.json")}


def test_the_dimension_is_that_of_the_first_label(tmp_path: Path) -> None:
    [principle] = load(tmp_path, [{"text": TEXT, "scenarios": ["professional", "emergent"]}])
    assert principle.dimension == "expertise"


def test_an_entry_of_our_own_form_passes_through(tmp_path: Path) -> None:
    ours = entry()
    assert entry_from_clinalign(ours, 1) is ours
    [principle] = load(tmp_path, [ours])
    assert principle.criteria[0].points == 6


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"text": TEXT, "scenarios": ["emergent", "on Mars"]}, "unknown scenario value 'on-mars'"),
        ({"text": TEXT}, "field dimension"),
        ({"scenarios": ["emergent"]}, "field statement"),
        ({"text": TEXT, "urgency": "emergent", "polarity": "dont"}, "field polarity"),
        ({"text": TEXT, "urgency": "emergent", "id": "!!"}, "field id"),
        (TEXT, r"field \(whole entry\)"),
        (None, r"field \(whole entry\)"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_place_and_field(tmp_path: Path, raw: Any, message: str) -> None:
    with pytest.raises(LibraryError) as caught:
        load(tmp_path, [{"text": TEXT, "urgency": "emergent"}, raw])
    assert all("principles_v1.json: entry 2 (" in fault for fault in caught.value.faults)
    assert any(re.search(message, fault) for fault in caught.value.faults)
