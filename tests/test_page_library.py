from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from library_entry import entry
from toy_index import WordEmbedder, principle, toy_index

from agent.page.library import FILTERS, NOTHING, library_html, search
from agent.state import AgentContext
from principles_store.principle import Principle, Severity

CHEST = principle("chest", "chest pain", scenarios=["emergent", "layperson"])
COUGH = principle("cough", "dry cough at night", mistakes=["no need to worry"])
TOY = toy_index(CHEST, COUGH, Principle.model_validate(entry()))


def ids(words: str = "", **filters: Any) -> list[str]:
    return [p.id for p in search(TOY.library, TOY, WordEmbedder(), words=words, **filters)]


def real(context: AgentContext, words: str, **filters: Any) -> list[str]:
    found = search(context.index.library, context.index, context.embedder, words=words, **filters)
    return [principle.id for principle in found]


@pytest.mark.parametrize("empty", [None, ""])
def test_without_words_and_filters_it_is_the_library_in_its_order(empty: str | None) -> None:
    filters = dict.fromkeys(("dimension", "scenario", "severity", "polarity"), empty)
    assert ids(" ", **filters) == ["chest", "cough", "tick-bite"]


@pytest.mark.parametrize("field", ["dimension", "severity", "polarity"])
def test_a_filter_keeps_those_with_that_value_and_no_other(context: AgentContext, field: str) -> None:
    library = context.index.library
    for value in {getattr(p, field) for p in library}:
        filters: dict[str, Any] = {field: value}
        assert real(context, "", **filters) == [p.id for p in library if getattr(p, field) == value]


def test_a_scenario_keeps_those_that_list_it() -> None:
    assert ids(scenario="emergent") == ["chest"]
    assert ids(scenario="layperson") == ["chest", "tick-bite"]
    assert ids(scenario="emergent", words="cough") == []


def test_every_choice_of_a_filter_finds_something(context: AgentContext) -> None:
    choices: list[dict[str, Any]] = [{name: value} for name, (_, values) in FILTERS.items() for _, value in values]
    assert [choice for choice in choices if not real(context, "", **choice)] == []


def test_filters_hold_for_what_is_near_in_meaning_too(context: AgentContext) -> None:
    minor: Severity = "minor"
    near = real(context, "the reply goes on and on", severity=minor)
    assert near
    assert all(context.index.library.by_id[name].severity == minor for name in near)


def test_an_id_or_a_title_comes_first_then_words_of_a_name_then_of_the_text() -> None:
    named = principle("rash", "rash and tick bite tick-bite")
    index = toy_index(named, Principle.model_validate(entry(id="tick-bite-late")), Principle.model_validate(entry()))
    found = search(index.library, index, WordEmbedder(), words=" Tick-Bite ")
    assert [p.id for p in found] == ["tick-bite", "tick-bite-late", "rash"]


@pytest.mark.parametrize(("words", "found"), [("cou", True), ("COUGH nig", True), ("ough", False), ("cough z", False)])
def test_words_match_from_their_beginning_and_all_of_them(words: str, found: bool) -> None:
    assert ("cough" in ids(words)) is found


def test_words_are_no_pattern() -> None:
    assert ids("(c.*") == ids(".") == []


def test_every_title_and_id_of_the_library_finds_its_principle_first(context: AgentContext) -> None:
    for shown in context.index.library:
        assert real(context, shown.id)[0] == real(context, shown.title.upper())[0] == shown.id


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("answers that ramble on", "task-keep-simple-short"),
        ("fabricated literature", "unc-no-invented-citation"),
        ("myocardial infarction", "urg-chest-pain-heart-attack"),
        ("how much medicine for my toddler", "exp-paediatric-dosing"),
    ],
)
def test_other_words_find_what_is_near_in_meaning(context: AgentContext, words: str, name: str) -> None:
    assert name in real(context, words)[:5]


def test_words_that_are_about_nothing_here_find_nothing(context: AgentContext) -> None:
    assert real(context, "weather in Paris") == []


def test_what_is_shown_is_counted_aloud() -> None:
    html = library_html(TOY.library.principles[:2], len(TOY.library))
    assert "<p class='count' role='status' aria-live='polite'>2 of 3 principles</p>" in html
    assert len(re.findall("<details", html)) == 2
    assert unescape(html).count(CHEST.title) == 2


def test_nothing_found_is_said_with_what_to_do() -> None:
    html = library_html([], 119)
    assert "0 of 119 principles" in html
    assert f"<p>{NOTHING}</p>" in html
