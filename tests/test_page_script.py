"""page.js in a browser, in the hands of a host that renders all HTML anew, which is harsher than Gradio is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser import browser_fixture  # noqa: F401
from page_turns import answered, decision, without

from agent.page.assets import SCRIPT, STYLE_ELEMENT
from agent.page.report import report_html
from agent.page.stages import stages_html
from agent.review.progress import Progress, begun
from agent.review.turn import Turn, new_turn
from agent.state import AgentContext
from principles_store.library import Library

pytestmark = pytest.mark.browser
HOST = """(script) => {
  window.sent = []
  const host = document.getElementById('host'), watchers = []
  window.render = (html) => { host.innerHTML = html; watchers.forEach((told) => told()) }
  const trigger = (name, data) => sent.push([name, data]), watch = (name, told) => watchers.push(told)
  Function('element', 'trigger', 'watch', script)(host, trigger, watch)
}"""
ACTIVE = "document.activeElement.dataset.key"


@pytest.fixture(scope="module")
def turn(context: AgentContext) -> Turn:
    return answered(context)


@pytest.fixture
def page(browser: Any, turn: Turn, library: Library) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 375, "height": 700})
    page.set_default_timeout(10_000)
    page.set_content(f"<!doctype html>{STYLE_ELEMENT}<body><div id=host></div>")
    page.evaluate(HOST, SCRIPT)
    render(page, turn, library)
    yield page
    page.close()


def render(page: Any, turn: Turn, library: Library) -> None:
    page.evaluate("html => render(html)", report_html(turn, library, is_open=True))


def card(page: Any, edit: int) -> Any:
    return page.locator(f"[data-card='{edit}']")


def comment(page: Any, edit: int, text: str) -> None:
    card(page, edit).get_by_text("Comment").click()
    card(page, edit).get_by_role("textbox").fill(text)


def test_a_decision_takes_its_turn_and_its_comment_along(page: Any, turn: Turn) -> None:
    comment(page, 1, " too blunt ")
    card(page, 1).get_by_role("button", name="Reject edit 2").click()
    told = {"turn": turn["id"], "edits": [1], "decision": "reject", "comments": ["too blunt"]}
    assert page.evaluate("sent") == [["submit", told]]


def test_all_edits_are_decided_on_at_once_each_with_its_own_comment(page: Any, turn: Turn) -> None:
    comment(page, 1, "too blunt")
    page.get_by_role("button", name="Reject all").click()
    [[_, told]] = page.evaluate("sent")
    assert turn["output"]
    assert told["edits"] == list(range(len(turn["output"]["edits"])))
    assert told["comments"][:2] == ["", "too blunt"]


def test_pressing_what_is_pressed_sends_nothing_but_a_new_comment(page: Any, turn: Turn, library: Library) -> None:
    render(page, {**turn, "decisions": [decision(0, "reject", "no")]}, library)
    card(page, 0).get_by_role("button", name="Reject").click()
    assert page.evaluate("sent") == []
    card(page, 0).get_by_role("textbox").fill("never")
    card(page, 0).get_by_role("button", name="Save comment").click()
    assert [told["comments"] for _, told in page.evaluate("sent")] == [["never"]]


def test_the_changed_words_open_the_reason_and_escape_closes_it(page: Any) -> None:
    page.locator(".diff [data-edit='0']").first.click()
    assert page.locator("[popover]:popover-open").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("[popover]:popover-open").count() == 0


def test_the_reason_opens_by_keyboard_and_can_be_answered_there(page: Any) -> None:
    page.locator(".diff button").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert [told["decision"] for _, told in page.evaluate("sent")] == ["accept"]


def test_a_new_rendering_keeps_what_was_typed_opened_and_focused(page: Any, turn: Turn, library: Library) -> None:
    comment(page, 1, "not sent yet")
    page.locator(".verdicts summary").first.click()
    card(page, 0).get_by_role("button", name="Reject").focus()
    focused = page.evaluate(ACTIVE)
    render(page, without(turn, 0), library)
    assert page.evaluate(ACTIVE) == focused
    assert card(page, 1).get_by_role("textbox").input_value() == "not sent yet"
    assert page.locator(".verdicts details[open]").count() == 1


def test_a_new_rendering_leaves_the_button_where_it_was_pressed(page: Any, turn: Turn, library: Library) -> None:
    button = card(page, 0).get_by_role("button", name="Reject")
    button.click()
    before = button.bounding_box()["y"]
    render(page, without(turn, 0), library)
    assert abs(button.bounding_box()["y"] - before) < 2


def test_focus_is_not_taken_back_from_elsewhere(page: Any, turn: Turn, library: Library) -> None:
    card(page, 0).get_by_role("button", name="Reject").focus()
    page.locator("h3").first.click()
    render(page, without(turn, 0), library)
    assert page.evaluate(ACTIVE) is None


def test_what_was_typed_on_one_turn_is_not_said_of_another(page: Any, turn: Turn, library: Library) -> None:
    comment(page, 0, "of the first")
    render(page, {**turn, "id": new_turn("", None)["id"]}, library)
    assert page.locator("textarea").first.input_value() == ""
    render(page, turn, library)
    assert page.locator("textarea").first.input_value() == "of the first"


def test_a_list_at_work_follows_its_end_until_somebody_scrolls_back(page: Any) -> None:
    def listed(number: int) -> Progress:
        return Progress(working, has_started=True, principles=tuple({"title": f"Title {n}"} for n in range(number)))

    working = begun(new_turn("Why?", None)).turn
    for number, scroll_back, at_top in ((30, False, False), (40, True, False), (50, False, True)):
        page.evaluate("html => render(html)", stages_html(listed(number)))
        page.wait_for_timeout(100)
        assert page.evaluate("document.querySelector('.principles').scrollTop === 0") is at_top
        if scroll_back:
            page.evaluate("document.querySelector('.principles').scrollTo(0, 0)")
            page.wait_for_timeout(100)


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_is_wider_than_the_page_however_long_its_words(
    page: Any, turn: Turn, library: Library, width: int
) -> None:
    long = {**turn, "output": {**turn["output"], "warnings": ["w" * 500], "engine": "e" * 500}}  # type: ignore[dict-item]
    page.set_viewport_size({"width": width, "height": 700})
    render(page, long, library)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
