from __future__ import annotations

import re
from html import unescape
from typing import Any, get_args

from library_entry import changed, entry

from agent.page.principles import DIMENSION_WORDS, POLARITY_WORDS, SCENARIO_WORDS, chips, principle_card
from principles_store.library import Library
from principles_store.principle import DIMENSION_OF, SCENARIO_VALUES, Polarity, Principle

TICK = Principle.model_validate(entry())
EVIL = "<img src=x onerror='hit()'>\"&"


def row(principle: Principle, **fields: Any) -> dict[str, Any]:
    shown = {name: getattr(principle, name) for name in ("id", "title", "dimension")}
    return {**shown, "score": 0.734, "why": ["urgency: non-emergent", "like 'a tick bit me' (0.73)"], **fields}


def text_of(html: str) -> str:
    return unescape(re.sub("(<[^>]+>)+", "|", html))


def test_every_dimension_scenario_value_and_polarity_has_words() -> None:
    assert list(DIMENSION_WORDS) == list(SCENARIO_VALUES)
    assert set(SCENARIO_WORDS) == set(DIMENSION_OF)
    assert set(POLARITY_WORDS) == set(get_args(Polarity))


def test_a_card_says_what_the_principle_is_and_what_it_rests_on() -> None:
    card = text_of(principle_card(TICK))
    told = [TICK.title, TICK.statement, "Urgency: no emergency", "Who is asking: a layperson", "major", "do (what"]
    assert [text for text in [*told, "Lyme disease (NG95). NICE, 2018", "|tick-bite|"] if text not in card] == []
    assert "Why it was retrieved" not in card


def test_a_card_gives_the_reasons_it_was_retrieved_for() -> None:
    assert "Why it was retrieved|like 'x'|" in text_of(principle_card(TICK, why=["like 'x'"]))


def test_a_criterion_is_told_by_a_word_and_a_mark_as_wanted_or_a_mistake() -> None:
    assert "✓ Wanted, 6 points: Tells the reader" in principle_card(TICK)
    penalty = Principle.model_validate(changed("criteria.0.points", -1))
    assert "✗ A mistake, costs 1 point: Tells the reader" in principle_card(penalty)


def test_a_principle_without_sources_has_no_empty_field() -> None:
    assert "Sources" not in principle_card(Principle.model_validate(entry(sources=[])))


def test_values_of_one_dimension_are_alternatives() -> None:
    either = Principle.model_validate(entry(scenarios=["emergent", "professional", "non-emergent"]))
    assert "|Urgency: an emergency, or no emergency|Who is asking: a health professional|" in text_of(
        principle_card(either)
    )


def test_chips_are_grouped_by_dimension_in_the_pages_order(library: Library) -> None:
    found = [row(principle) for principle in library]
    html = chips(found[::-1], library)
    assert re.findall("<p class='dimension'>(.*?)</p>", html) == list(DIMENSION_WORDS.values())
    summaries = [unescape(title).strip() for title in re.findall("<summary>(.*?) <span", html)]
    assert sorted(summaries) == sorted(principle.title for principle in library)


def test_a_chip_opens_to_the_card_with_reason_and_score(library: Library) -> None:
    principle = library.principles[0]
    chip = text_of(chips([row(principle)], library))
    assert "like 'a tick bit me' (0.73)|strength of the match: 0.73|" in chip
    assert principle.statement in chip


def test_a_principle_that_left_the_library_is_still_named_with_its_reasons(library: Library) -> None:
    gone = row(TICK, title="An old rule", dimension="manners")
    html = chips([gone], library)
    assert "<summary>An old rule</summary>" in html
    assert "no longer in the library" in html
    assert "like &#x27;a tick bit me&#x27; (0.73)" in html
    assert "<p class='dimension'>manners</p>" in html


def test_no_principles_make_no_chips(library: Library) -> None:
    assert chips([], library) == ""


def test_no_text_of_a_library_or_a_run_becomes_markup() -> None:
    evil = entry(title=EVIL, statement=EVIL, sources=[{"organisation": EVIL, "title": EVIL, "year": 2020}])
    principle = Principle.model_validate({**evil, "criteria": [{**evil["criteria"][0], "text": EVIL}]})
    library = Library((principle,), "toy")
    known, gone = row(principle, why=[EVIL]), row(principle, id=EVIL, dimension=EVIL, why=[EVIL])
    html = principle_card(principle, why=[EVIL]) + chips([known, gone], library)
    assert text_of(html).count(EVIL) == 6 + 6 + 4
    assert "<img" not in html
