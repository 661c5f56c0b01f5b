"""Each fault that lint knows is found where it is, and nowhere else."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from library_entry import changed, entry, library_of
from pydantic import BaseModel

from principles_store.embedding import Embedder
from principles_store.library import SHIPPED, Library, load_library
from principles_store.lint import ENTRIES, MAX_STATEMENT_LIKENESS, SETTINGS, lint_library
from principles_store.principle import (
    AppliesWhen,
    Detection,
    Detector,
    Guidance,
    Principle,
    PrincipleCriterion,
    Rewrite,
    Source,
    Wording,
)

DATASHEET = SHIPPED / "README.md"


def entry_faults(folder: Path, *entries: Any, embedder: Embedder | None = None) -> list[tuple[str, str, str]]:
    found = lint_library(library_of(folder, *entries), embedder)
    return [(fault.entry, fault.field, fault.message) for fault in found if fault.entry]


def penalty(**criterion: Any) -> dict[str, Any]:
    """Return an avoid whose penalty is caught by a pattern."""
    base = entry()["criteria"][0] | {"points": -5, "detect": {"any": [{"pattern": "harmless|nothing more"}]}}
    return entry(polarity="avoid", criteria=[base | criterion], guidance={"text": "Take it out.", "edit": "remove"})


def test_the_shipped_library_has_no_faults(library: Library, embedder: Embedder) -> None:
    assert [str(fault) for fault in lint_library(library, embedder)] == []


FORTY_WORDS = changed("guidance.wording.lay", "See a doctor if a rash appears. " + "word " * 33)


@pytest.mark.parametrize("sound", [entry(), penalty(), FORTY_WORDS])
def test_a_sound_entry_has_no_faults(tmp_path: Path, sound: dict[str, Any]) -> None:
    assert entry_faults(tmp_path, sound) == []


@pytest.mark.parametrize(
    ("raw", "field", "message"),
    [
        (entry(sources=[]), "sources", "no source"),
        (
            changed("applies_when.situations", ["a tick bit me", "a tick", "ticks"]),
            "applies_when.situations",
            "3 of at least 4",
        ),
        (
            changed("applies_when.situations.2", "an insect bit me"),
            "applies_when.topic",
            "doesn't match the situation 'an insect bit me'",
        ),
        (
            changed("applies_when.situations.2", "a tick bit my Dog"),
            "applies_when.unless",
            "rules out the situation 'a tick bit my Dog'",
        ),
        (entry(polarity="avoid"), "criteria", "no criterion has negative points"),
        (penalty() | {"polarity": "do"}, "polarity", "every criterion is a penalty"),
        (changed("criteria.0.detect", None), "criteria", "no criterion has a detector"),
        (changed("criteria.0.breaks.0", "No rash appears."), "criteria.0.detect.any.0.pattern", "stands under breaks"),
        (penalty(meets=["It is Harmless."]), "criteria.0.detect.any.0.pattern", "stands under meets"),
        (
            changed("criteria.0.meets.0", "Redness needs a look."),
            "criteria.0.detect.any",
            "no pattern matches 'Redness needs a look.', which stands under meets",
        ),
        (
            penalty(breaks=["Tick bites never matter."]),
            "criteria.0.detect.any",
            "no pattern matches 'Tick bites never matter.', which stands under breaks",
        ),
        (
            changed("guidance.wording.lay", "See a doctor if a rash appears. " + "word " * 34),
            "guidance.wording.lay",
            "41 words, more than 40",
        ),
        (
            changed("guidance.wording.professional", "Refer to a specialist."),
            "guidance.wording.professional",
            "meets none of the principle's criteria",
        ),
        (penalty(detect={"any": [{"meaning": True}]}), "guidance.edit", "needs a penalty with a pattern"),
        (
            penalty() | {"guidance": {"text": "x", "edit": "rewrite", "rewrites": [{"find": "a", "replace": r"\2"}]}},
            "guidance.rewrites.0.replace",
            "not a replacement for its pattern",
        ),
    ],
)
def test_each_fault_is_found_by_field(tmp_path: Path, raw: dict[str, Any], field: str, message: str) -> None:
    [(found_entry, found_field, found_message)] = entry_faults(tmp_path, raw)
    assert (found_entry, found_field) == ("tick-bite", field)
    assert message in found_message


def test_a_fault_names_its_file(tmp_path: Path) -> None:
    found = lint_library(library_of(tmp_path, entry(), entry(id="second", polarity="avoid")))
    [fault] = [fault for fault in found if fault.field == "criteria"]
    assert str(fault).startswith(f"{tmp_path / 'own.yaml'}: entry second: field criteria: polarity is avoid")
    assert fault.level == "fault"


@pytest.mark.parametrize(
    "lacking",
    [{"sources": ()}, {"applies_when": AppliesWhen(situations=("a tick bit me",))}, {"criteria": "no detector"}],
    ids=lambda lacking: next(iter(lacking)),
)
def test_what_a_model_can_do_without_is_a_fault_in_the_shipped_library_and_a_note_in_ones_own(
    library: Library, lacking: dict[str, Any]
) -> None:
    first, *rest = library.principles
    if "criteria" in lacking:
        lacking = {"criteria": tuple(each.model_copy(update={"detect": None}) for each in first.criteria)}
    poorer = dataclasses.replace(library, principles=(first.model_copy(update=lacking), *rest))
    levels = []
    for source in (library.source, "own"):
        faults = lint_library(dataclasses.replace(poorer, source=source))
        levels += [f.level for f in faults if f.entry == first.id and f.field.partition(".")[0] == next(iter(lacking))]
    assert levels == ["fault", "note"]


@pytest.mark.parametrize(
    ("second", "faulty"),
    [
        ({"pattern": "harmless|rash"}, True),
        ({"pattern": "fever|rash"}, False),
        ({"meaning": True}, False),
    ],
)
def test_patterns_that_must_all_hold_count_together(tmp_path: Path, second: dict[str, Any], faulty: bool) -> None:
    raw = changed("criteria.0.detect", {"all": [{"pattern": "rash|fever|tick"}, second]})
    fields = [field for _, field, _ in entry_faults(tmp_path, raw)]
    assert fields == (["criteria.0.detect.all.0.pattern", "criteria.0.detect.all.1.pattern"] if faulty else [])


def test_an_exemplar_that_likeness_may_still_tell_needs_no_pattern(tmp_path: Path) -> None:
    raw = changed("criteria.0.meets.0", "Redness needs a look.")
    raw["criteria"][0]["detect"]["any"].append({"meaning": True})
    assert entry_faults(tmp_path, raw) == []


def test_a_wording_meets_its_pattern_within_one_sentence(tmp_path: Path) -> None:
    raw = changed("guidance.wording.lay", "A rash may follow. Its ring appears late.")
    assert [field for _, field, _ in entry_faults(tmp_path, raw)] == ["guidance.wording.lay"]


def test_a_wording_that_only_earns_a_penalty_is_a_fault(tmp_path: Path) -> None:
    raw = changed("guidance.wording.lay", "Tick bites are harmless.")
    raw["criteria"] += penalty(text="Calls tick bites harmless.")["criteria"]
    assert [field for _, field, _ in entry_faults(tmp_path, raw)] == ["guidance.wording.lay"]


def test_a_criterion_text_is_used_once(tmp_path: Path) -> None:
    [(found_entry, field, message)] = entry_faults(tmp_path, entry(), entry(id="second"))
    assert (found_entry, field, message) == ("second", "criteria.0.text", "the same as that of tick-bite (0)")


def test_near_duplicates_are_found_by_meaning_only_if_an_embedder_is_given(tmp_path: Path, embedder: Embedder) -> None:
    same = entry(id="same", statement="After a tick bite, say which rash or fever means a doctor's visit, and by when.")
    other = entry(id="other", statement="Answer in the language the user writes in.")
    for number, raw in enumerate((same, other)):
        raw["criteria"][0]["text"] += f" ({number})"
    assert entry_faults(tmp_path, entry(), same, other) == []
    [(found_entry, field, message)] = entry_faults(tmp_path, entry(), same, other, embedder=embedder)
    assert (found_entry, field) == ("same", "statement")
    assert "nearly the same as tick-bite (cosine 0." in message


def test_the_limit_of_likeness_lies_just_above_the_shipped_library(library: Library, embedder: Embedder) -> None:
    vectors = embedder.encode([principle.statement for principle in library])
    likest = np.triu(vectors @ vectors.T, k=1).max()
    assert MAX_STATEMENT_LIKENESS - 0.1 < likest < MAX_STATEMENT_LIKENESS


def whole(library: Library) -> dict[str, str]:
    return {f.message: f.level for f in lint_library(library) if not f.entry}


def test_gaps_of_the_whole_are_faults_in_the_shipped_library_and_notes_in_ones_own(library: Library) -> None:
    fewer = dataclasses.replace(library, principles=library.principles[:-1])
    message = f"{ENTRIES - 1} principles; the full library has {ENTRIES}"
    assert whole(fewer)[message] == "fault"
    assert whole(dataclasses.replace(fewer, source="own"))[message] == "note"


def test_a_library_without_avoid_principles_is_told_so(library: Library) -> None:
    do = tuple(principle for principle in library if principle.polarity == "do")
    found = whole(dataclasses.replace(library, principles=do))
    assert f"0 of {len(do)} are avoid, less than 25%" in found


def test_a_scenario_value_that_few_principles_name_is_told(library: Library) -> None:
    without = tuple(principle for principle in library if "data-task-incomplete" not in principle.scenarios)
    found = whole(dataclasses.replace(library, principles=without))
    assert "data-task-incomplete is named by 0 principles, less than 4" in found


def test_each_clinical_setting_without_a_principle_is_told(tmp_path: Path) -> None:
    lacking = {f"no principle is on {setting}" for setting in SETTINGS}
    assert lacking <= whole(library_of(tmp_path, entry())).keys()
    pregnancy = entry(title="Say when a tick bite in pregnancy needs a doctor")
    assert lacking - whole(library_of(tmp_path, pregnancy)).keys() == {"no principle is on pregnancy"}


def test_a_list_in_the_style_of_clinalign_is_linted_too(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text('[{"text": "Call for help first.", "urgency": "emergent"}]', encoding="utf-8")
    found = {(fault.field, fault.level) for fault in lint_library(load_library(file)) if fault.entry}
    assert found == {(field, "note") for field in ("applies_when.situations", "sources", "criteria")}


def test_the_example_of_the_datasheet_is_sound(tmp_path: Path, embedder: Embedder) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", DATASHEET.read_text(encoding="utf-8"), re.DOTALL)
    assert entry_faults(tmp_path, *yaml.safe_load(example), embedder=embedder) == []


@pytest.mark.parametrize(
    "model", [Principle, AppliesWhen, PrincipleCriterion, Detection, Detector, Guidance, Wording, Rewrite, Source]
)
def test_the_datasheet_explains_every_field(model: type[BaseModel]) -> None:
    explained = set(re.findall(r"`([\w-]+)`", DATASHEET.read_text(encoding="utf-8")))
    assert set(model.model_fields) <= explained
