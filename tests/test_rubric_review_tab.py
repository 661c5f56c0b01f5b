"""The review tab as a reviewer meets it, in a real browser, over a store of its own."""

from __future__ import annotations

import re

import pytest
from browser import DESK, PHONE, browser_fixture, visit_fixture  # noqa: F401
from review_site import ReviewSite
from review_tab_records import CHEST
from review_tab_work import ANN, Visit, begin, decide, heading, press, row, saved, score, site_fixture, text  # noqa: F401

expect = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed").expect
pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror='window.hit=1'> <script>window.hit=1</script> ${window.hit=1} \"'>"


def test_both_scores_follow_every_edit_at_once_and_the_server_says_the_same(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    expect(score(page, 1)).to_have_text("1.00")
    expect(score(page, 2)).to_have_text("−0.41")
    row(page, 6).get_by_role("button", name="One point more").click()
    expect(score(page, 2)).to_have_text("−0.38")
    row(page, 4).get_by_role("group", name="Response 2").get_by_role("button", name="Met", exact=True).click()
    expect(score(page, 2)).to_have_text("−0.24")
    expect(page.locator("[data-margin]")).to_have_text("+1.24")
    expect(page.locator(".unsaved")).to_have_text("Not saved")
    saved(page)
    expect(page.locator(".unsaved")).to_have_text("Saved")
    expect(score(page, 2)).to_have_text("−0.24")
    stored = site.store.sheet(CHEST.id, ANN).criteria
    assert (stored[5].points, stored[3].verdicts, stored[3].judged_by) == (-7, ("met", "met"), ("draft", ANN))


def test_other_words_are_unjudged_until_ticked_and_the_same_words_are_not(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    before = text(page, 1).input_value()
    text(page, 1).fill("Says to be seen today.")
    expect(score(page, 1)).to_have_text("0.71 to 1.00")
    expect(row(page, 1)).to_contain_text(f"Was: “{before}”")
    text(page, 1).fill(before)
    expect(score(page, 1)).to_have_text("1.00")
    text(page, 1).fill("Says to be seen today.")
    row(page, 1).get_by_role("button", name="Met", exact=True).first.click()
    expect(score(page, 1)).to_have_text("1.00")
    expect(score(page, 2)).to_have_text("−0.41 to −0.12")


def test_the_judge_gives_verdicts_only_where_there_are_none(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    text(page, 2).fill("Names sweating.")
    row(page, 2).get_by_role("group", name="Response 2").get_by_role("button", name="Met", exact=True).click()
    page.get_by_role("button", name="Judge again").click()
    expect(page.locator(".told")).to_contain_text("verdicts on 1 criterion")
    pressed = row(page, 2).locator("[aria-pressed=true]")
    assert pressed.all_inner_texts() == ["Met", "Met"]
    expect(row(page, 2)).to_contain_text(f"Verdicts: word judge (1), {ANN} (2).")


def test_a_verdict_is_the_reviewers_once_they_confirm_it(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    expect(row(page, 1)).to_contain_text("Verdicts: draft.")
    met = row(page, 1).get_by_role("group", name="Response 1").get_by_role("button", name="Met", exact=True)
    met.click()
    expect(row(page, 1)).to_contain_text(f"Verdicts: {ANN} (1), draft (2).")
    saved(page)
    stored = site.store.sheet(CHEST.id, ANN).criteria
    assert (stored[0].verdicts, stored[0].judged_by) == (("met", "unmet"), (ANN, "draft"))
    assert {item.judged_by for item in stored[1:]} == {("draft", "draft")}
    met.click()
    expect(met).to_have_attribute("aria-pressed", "false")


def test_the_keyboard_does_it_all(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    heading(page).focus()
    press(page, "ArrowDown", "ArrowDown", "+", "+", "2", "m", "Enter")
    expect(text(page, 2)).to_be_focused()
    press(page, "End", "j", "a", "m", "Escape", "a")
    page.keyboard.type("Says to call a friend.")
    press(page, "Escape", "-", "1", "u", "ArrowDown", "Delete", "Control+s")
    expect(page.locator(".told")).to_have_text("Saved.")
    stored = site.store.sheet(CHEST.id, ANN).criteria
    assert stored[1].criterion.endswith("at once.jam")
    assert (stored[1].points, stored[1].verdicts) == (10, ("unknown", "unknown"))
    assert (stored[2].criterion, stored[2].points, stored[2].verdicts) == (
        "Says to call a friend.",
        4,
        ("unmet", "unknown"),
    )
    assert [item.key for item in stored if item.is_drafted] == ["d1", "d2", "d4", "d5", "d6", "d7"]


def test_the_next_record_and_the_one_before_are_a_key_away(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    seen = [heading(page).inner_text()]
    for _ in range(2):
        press(page, "j")
        expect(heading(page)).not_to_have_text(seen[-1])
        seen.append(heading(page).inner_text())
    assert len(set(seen)) == 3
    press(page, "k")
    expect(heading(page)).to_have_text(seen[1])
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    press(page, "j", "Escape")
    expect(heading(page)).to_have_text(seen[1])


def test_single_keys_can_be_turned_off(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    before = heading(page).inner_text()
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Single keys do this").uncheck()
    page.get_by_role("button", name="Close").click()
    press(page, "j", "a")
    page.wait_for_timeout(300)
    expect(heading(page)).to_have_text(before)
    expect(page.locator("tbody.rows > tr")).to_have_count(len(CHEST.draft))


def test_unsaved_edits_outlive_a_reload(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    text(page, 3).fill("Says that rest proves nothing.")
    page.get_by_label("Comment").fill("Half done")
    page.reload()
    page.get_by_role("tab", name="Rubric review").click()
    expect(text(page, 3)).to_have_value("Says that rest proves nothing.")
    expect(page.get_by_label("Comment")).to_have_value("Half done")
    expect(page.locator(".unsaved")).to_have_text("Not saved")
    assert site.store.sheet(CHEST.id, ANN).version == 0


def test_what_cannot_be_accepted_says_why_and_keeps_the_edits(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    for number in (6, 7):
        row(page, number).get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Accept", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("penalties")
    assert site.store.sheet(CHEST.id, ANN).state == "open"
    page.get_by_role("button", name="Add a criterion").click()
    saved_version = site.store.sheet(CHEST.id, ANN).version
    page.get_by_role("button", name=re.compile("^Save")).click()
    expect(page.locator(".told")).to_contain_text("no words yet")
    expect(text(page, 6)).to_be_focused()
    assert site.store.sheet(CHEST.id, ANN).version == saved_version


def test_progress_and_agreement_have_a_page(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    decide(page, "Accept")
    expect(page.locator(".review .progress")).to_contain_text("You: 1 of 7 records decided")
    page.get_by_role("button", name="Agreement").click()
    expect(page.get_by_role("heading", name="Agreement")).to_be_visible()
    expect(page.get_by_role("row", name=ANN)).to_be_visible()


def test_records_are_found_by_words_and_state(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    decide(page, "Defer")
    page.get_by_role("button", name="Records").click()
    page.get_by_label("Words").fill("malaria")
    press(page, "Enter")
    expect(page.locator(".records tbody tr")).to_have_count(1)
    page.get_by_label("Words").fill("")
    page.get_by_label("Your state").select_option("deferred")
    expect(page.locator(".records tbody tr")).to_contain_text([CHEST.theme])


def test_markup_in_a_criterion_and_a_comment_does_nothing(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site)
    text(page, 1).fill(EVIL)
    page.get_by_label("Comment").fill(EVIL)
    saved(page)
    page.get_by_role("button", name="History of this record").click()
    expect(page.locator(".history")).to_contain_text("<script>window.hit=1</script>")
    page.get_by_role("button", name="Back to the record").click()
    expect(text(page, 1)).to_have_value(EVIL)
    assert page.evaluate("window.hit") is None


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_nothing_is_cut_off(visit: Visit, site: ReviewSite, width: int) -> None:
    page = begin(visit, site, width=width)
    beyond = """[...document.querySelectorAll('.review :is(button, input, textarea, select)')].filter(e => e.checkVisibility())
        .map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])
        .filter(([_, box]) => box.width && (box.left < 0 || box.right > innerWidth)).map(([html]) => html)"""
    expect(row(page, 1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(beyond) == []
