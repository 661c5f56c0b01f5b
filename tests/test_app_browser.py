"""The chat as a person meets it, in a real browser, over the embedded engine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import APP, PHONE, Site, Visitor, browser_fixture, serving, visit_fixture, words  # noqa: F401

from agent.state import DISCLAIMER, EMERGENCY_NOTICE

expect = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed").expect
pytestmark = pytest.mark.browser

CHEST = json.loads((APP.parent / "examples" / "chest_pressure.json").read_text(encoding="utf-8"))
EVIL = "<img src=x onerror='window.hit=1'> <script>window.hit=1</script> ${window.hit=1} ![x](http://192.0.2.1/x.png)"
FIRST_LINE = """words => {
  words.scrollIntoView({block: 'center'})
  const box = words.getClientRects()[0]
  return [box.x + box.width / 2, box.y + box.height / 2]
}"""
"""Where to press on words that run over several lines."""
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def site(built_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site"), built_store) as site:
        yield site


@pytest.fixture
def finished(visit: Visit, site: Site) -> Visitor:
    """Return somebody whose question is answered, with edits to decide on."""
    visitor = visit(site)
    visitor.ask(CHEST["question"], CHEST["draft"])
    expect(visitor.report().locator(".diff")).to_be_visible()
    return visitor


def card(visitor: Visitor, edit: int = 0) -> Any:
    return visitor.page.locator(f"[data-card='{edit}']")


def decide(visitor: Visitor, word: str) -> None:
    card(visitor).get_by_role("button", name=re.compile(f"^{word}")).click()


def test_an_example_is_answered_with_one_click(visit: Visit, site: Site) -> None:
    visitor = visit(site)
    visitor.page.get_by_role("button", name="Chest pressure").click()
    expect(visitor.report().locator(".diff ins").first).to_be_visible()
    expect(visitor.page.get_by_role("alert")).to_have_text(EMERGENCY_NOTICE)
    expect(visitor.page.get_by_text(DISCLAIMER)).to_be_visible()


def test_a_changed_word_tells_its_principle_and_the_reason_until_escape(finished: Visitor) -> None:
    told = card(finished).locator(".title, .reason").all_inner_texts()
    place = finished.page.locator(".diff [data-edit='0']").first.evaluate(FIRST_LINE)
    finished.page.mouse.click(*place)
    why = finished.page.locator(".why").filter(visible=True)
    expect(why).to_have_count(1)
    assert why.locator(".title, .reason").all_inner_texts() == told
    finished.page.keyboard.press("Escape")
    expect(why).to_have_count(0)


def test_a_rejected_edit_leaves_the_answer_and_comes_back(finished: Visitor) -> None:
    bubble, whole = finished.page.get_by_test_id("bot").last, finished.answer()
    decide(finished, "Reject")
    expect(card(finished)).to_contain_text("Rejected by you")
    expect(bubble).not_to_have_text(whole, use_inner_text=True)
    expect(finished.page.locator(".diff [data-edit='0']:is(.refused, .spared)").first).to_be_visible()
    expect(finished.page.locator(".diff :is(ins, del)[data-edit='0']")).to_have_count(0)
    expect(finished.page.get_by_role("columnheader", name="Yours")).to_be_visible()
    decide(finished, "Accept")
    expect(bubble).to_have_text(whole, use_inner_text=True)
    expect(finished.page.locator(".diff :is(ins, del)[data-edit='0']").first).to_be_visible()


def test_a_decision_and_its_comment_outlive_a_reload_and_the_server(finished: Visitor, site: Site) -> None:
    card(finished).locator("summary").click()
    card(finished).get_by_role("textbox").fill("Not for <him>.")
    decide(finished, "Reject")
    expect(finished.page.get_by_role("columnheader", name="Yours")).to_be_visible()
    shown = finished.answer(), words(finished.page.locator(".diff").inner_text())
    for is_new in (False, True):
        if is_new:
            site.stop()
            site.start()
        finished.page.reload()
        expect(card(finished)).to_contain_text("Rejected by you")
        expect(card(finished).get_by_role("textbox")).to_have_value("Not for <him>.")
        assert (finished.answer(), words(finished.page.locator(".diff").inner_text())) == shown


def test_the_second_question_is_taken_together_with_the_first(visit: Visit, site: Site) -> None:
    visitor = visit(site)
    visitor.ask("How much ibuprofen may my pregnant wife take?", "200 mg.")
    visitor.report()
    visitor.ask("What about the dose?", "200 mg.")
    expect(visitor.page.get_by_test_id("user")).to_have_count(2)
    expect(visitor.page.get_by_label("In the answer to")).to_be_visible()
    expect(visitor.report().locator(".chips")).to_contain_text("pregnancy")
    visitor.page.get_by_role("button", name="New conversation").click()
    expect(visitor.page.get_by_test_id("user")).to_have_count(0)
    visitor.ask("What about the dose?", "200 mg.")
    expect(visitor.report()).not_to_contain_text("pregnancy")


def test_two_people_at_once_see_their_own_conversations_and_no_others(visit: Visit, site: Site) -> None:
    one, two = visit(site), visit(site)
    one.ask("Is a resting pulse of 58 normal for a fit adult?", "Yes.")
    two.ask("May I take ibuprofen with lisinopril?", "Yes.")
    for visitor, own, other in ((one, "pulse", "ibuprofen"), (two, "ibuprofen", "pulse")):
        visitor.report()
        visitor.page.get_by_label("Earlier conversations").click()
        expect(visitor.page.get_by_role("option")).to_have_count(1)
        expect(visitor.page.locator("body")).to_contain_text(own)
        expect(visitor.page.locator("body")).not_to_contain_text(other)
    stranger = visit(site, path=one.page.url.removeprefix(site.url))
    stranger.page.wait_for_timeout(1000)  # for what must not come
    expect(stranger.page.locator("body")).not_to_contain_text("pulse of 58")


def test_an_earlier_conversation_is_opened_again_and_deleted(finished: Visitor) -> None:
    page, menu = finished.page, finished.page.get_by_label("Earlier conversations")
    page.get_by_role("button", name="New conversation").click()
    expect(page.get_by_test_id("user")).to_have_count(0)
    expect(menu).to_have_value("")  # Gradio's script fails on a menu that is opened while its list changes
    menu.click()
    page.get_by_role("option").first.click()
    expect(card(finished)).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete this conversation").click()
    expect(page.get_by_test_id("user")).to_have_count(0)
    expect(menu).to_have_value("")  # Gradio's script fails on a menu that is opened while its list changes
    menu.click()
    expect(page.get_by_role("option")).to_have_count(0)


def test_on_a_phone_nothing_is_cut_off(visit: Visit, site: Site) -> None:
    visitor = visit(site, width=PHONE)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    beyond = """[...document.querySelectorAll('button, input, textarea, summary, a')].filter(e => e.checkVisibility())
        .map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])
        .filter(([_, box]) => box.width && (box.left < 0 || box.right > innerWidth)).map(([html]) => html)"""
    assert visitor.page.evaluate(fits)
    visitor.ask(CHEST["question"], CHEST["draft"])
    visitor.report()
    assert visitor.page.evaluate(fits)
    assert visitor.page.evaluate(beyond) == []
    visitor.page.get_by_role("tab", name="Principles").click()
    visitor.page.locator(".library summary").first.click()
    assert visitor.page.evaluate(fits)
    assert visitor.page.evaluate(beyond) == []


def test_markup_in_question_draft_and_comment_does_nothing(visit: Visit, site: Site) -> None:
    visitor = visit(site)
    visitor.ask(f"Is this safe? {EVIL}", f"Great question! It is not known. {EVIL}")
    report, script = visitor.report(), "<script>window.hit=1</script>"
    for place in (report.locator(".diff"), *(visitor.page.get_by_test_id(who).last for who in ("user", "bot"))):
        expect(place).to_contain_text(script)
    card(visitor).locator("summary").click()
    card(visitor).get_by_role("textbox").fill(EVIL)
    decide(visitor, "Reject")
    expect(visitor.page.get_by_role("columnheader", name="Yours")).to_be_visible()
    visitor.page.reload()
    expect(card(visitor).get_by_role("textbox")).to_have_value(EVIL)
    assert visitor.page.evaluate("window.hit") is None


@pytest.mark.parametrize(("question", "told"), [(" ", "write a question"), ("x" * 200_001, "shorten it")])
def test_a_question_that_is_refused_says_why_and_stays_in_its_field(
    visit: Visit, site: Site, question: str, told: str
) -> None:
    visitor = visit(site)
    visitor.ask(question, "A draft.")
    expect(visitor.page.get_by_role("alert")).to_contain_text(told)
    expect(visitor.page.get_by_label("Question", exact=True)).to_have_value(question)
    expect(visitor.page.get_by_label("Draft to check")).to_have_value("A draft.")
    expect(visitor.page.get_by_test_id("user")).to_have_count(0)


def test_the_library_is_searched_and_filtered_and_a_principle_opened(visit: Visit, site: Site) -> None:
    page = visit(site).page
    page.get_by_role("tab", name="Principles").click()
    count = page.locator(".library .count")
    expect(count).to_have_text(re.compile(r"^(\d+) of \1 principles$"))
    page.get_by_label("Search").fill("urg-chest-pain-heart-attack")
    first = page.locator(".library details").first
    expect(first.locator("summary")).to_contain_text("Chest pain with")
    first.locator("summary").click()
    expect(first.locator("code")).to_have_text("urg-chest-pain-heart-attack")
    page.get_by_label("Search").fill("weather in Paris")
    expect(count).to_contain_text("0 of")
    expect(page.locator(".library")).to_contain_text("Use other words")
