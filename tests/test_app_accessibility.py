"""The page for those who can't see it, or use no mouse: axe finds nothing serious in any state, and the keyboard does it all."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from browser import DESK, PHONE, ModelSite, Visitor, browser_fixture, model_site_fixture, visit_fixture  # noqa: F401
from test_app_browser_model import ADDED, QUESTION, WRITTEN, slow

from agent.testing import Fault

Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing").Axe
expect = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed").expect
pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
SHOWN = """element => {
  const style = getComputedStyle(element)
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
}"""
CONTROLS = """[...document.querySelectorAll('button, input, textarea, summary, a[href], [tabindex="0"]')]
  .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && !e.disabled && e.tabIndex >= 0)
  .filter(e => e.getBoundingClientRect().width > 1)"""


def faults(page: Any) -> list[str]:
    """Return what axe finds on a desk in light and on a phone in dark; no colour depends on the width."""
    found = []
    for width, dark in ((DESK, False), (PHONE, True)):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        page.wait_for_timeout(250)  # colours change gradually, on a busy machine over several frames
        page.wait_for_function(
            "document.getAnimations().every(a => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)"
        )
        found += [
            f"{fault['id']} ({width}): {node['html'][:200]} {node['failureSummary']}"
            for fault in Axe().run(page).response["violations"]
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]
    return found


def open_states(visitor: Visitor) -> None:
    """Open whatever can be opened on the page, so that axe sees it."""
    visitor.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")


def test_axe_finds_nothing_serious_in_the_empty_page_and_the_library(visit: Visit, model_site: ModelSite) -> None:
    visitor = visit(model_site.site)
    assert faults(visitor.page) == []
    visitor.page.get_by_role("tab", name="Principles").click()
    visitor.page.locator(".library details").nth(7).wait_for()
    visitor.page.evaluate(
        "[...document.querySelectorAll('.library details')].slice(0, 8).forEach(d => { d.open = true })"
    )
    assert faults(visitor.page) == []


def test_axe_finds_nothing_serious_while_at_work_and_after_a_failure(visit: Visit, model_site: ModelSite) -> None:
    model_site.says = slow(critique=Fault.hang())
    visitor = visit(model_site.site)
    visitor.ask(QUESTION, WRITTEN)
    expect(visitor.page.locator("p.status")).to_contain_text("Step 4 of 9")
    assert faults(visitor.page) == []
    visitor.page.get_by_role("button", name="Stop").click()
    visitor.page.locator(".report .failure").wait_for()
    assert faults(visitor.page) == []


def test_axe_finds_nothing_serious_in_an_answer_and_a_rejected_edit(visit: Visit, model_site: ModelSite) -> None:
    model_site.says = slow()
    visitor = visit(model_site.site, dark=True)
    visitor.ask(QUESTION, WRITTEN)
    visitor.report()
    expect(visitor.page.locator("body")).to_have_class(re.compile("dark"))
    open_states(visitor)
    assert faults(visitor.page) == []
    visitor.page.locator(".diff .number").first.click()
    assert faults(visitor.page) == []
    visitor.page.keyboard.press("Escape")
    visitor.page.locator("[data-card='0']").get_by_role("button", name=re.compile("^Reject")).click()
    expect(visitor.page.get_by_role("columnheader", name="Yours")).to_be_visible()
    open_states(visitor)
    assert faults(visitor.page) == []


def test_everything_is_reached_and_seen_to_be_focused_by_tab(visit: Visit, model_site: ModelSite) -> None:
    model_site.says = slow()
    visitor = visit(model_site.site)
    visitor.ask(QUESTION, WRITTEN)
    visitor.report()
    page = visitor.page
    controls = page.evaluate_handle(CONTROLS)
    page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    reached, unseen = set[int](), []
    for _ in range(page.evaluate("controls => controls.length", controls) + 5):
        page.keyboard.press("Tab")
        number = page.evaluate("controls => controls.indexOf(document.activeElement)", controls)
        focused = page.evaluate_handle("document.activeElement")
        if number >= 0 and not page.evaluate(SHOWN, focused):
            unseen.append(focused.evaluate("element => element.outerHTML.slice(0, 150)"))
        reached.add(number)
    missed = page.evaluate(
        "([all, reached]) => all.filter((_, n) => !reached.includes(n)).map(e => e.outerHTML.slice(0, 150))",
        [controls, sorted(reached)],
    )
    assert (missed, unseen) == ([], [])


def test_a_question_is_asked_and_an_edit_rejected_without_a_mouse(visit: Visit, model_site: ModelSite) -> None:
    model_site.says = slow()
    visitor = visit(model_site.site)
    keys, page = visitor.page.keyboard, visitor.page
    while page.evaluate("document.activeElement.labels?.[0]?.innerText.trim()") != "Question":
        keys.press("Tab")
    keys.type(QUESTION)
    keys.press("Tab")
    keys.type("Yes. Rest well.")
    keys.press("Tab")
    keys.press("Enter")
    visitor.report()
    number = page.locator(".diff .number").first
    number.focus()
    keys.press("Enter")
    expect(page.locator(".why").filter(visible=True)).to_have_count(1)
    keys.press("Escape")
    expect(number).to_be_focused()
    reject = page.locator("[data-card='0']").get_by_role("button", name=re.compile("^Reject"))
    reject.focus()
    keys.press("Space")
    expect(page.locator("[data-card='0']")).to_contain_text("Rejected by you")
    expect(page.get_by_test_id("bot").last).not_to_contain_text(ADDED)
    expect(reject).to_be_focused()
