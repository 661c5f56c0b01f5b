"""What reviewers do on the review tab, and the site that they do it on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser import Visitor
from review_site import ReviewSite, WordJudge, review_site
from review_tab_records import RECORDS

expect = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed").expect

Visit = Callable[..., Visitor]
ANN, BEN, EVA = "Dr Ann Meyer", "Ben", "Eva"


@pytest.fixture(name="site")
def site_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewSite]:
    with review_site(tmp_path_factory.mktemp("review"), RECORDS, judge=WordJudge()) as site:
        yield site


def begin(visit: Visit, site: ReviewSite, name: str = ANN, **look: Any) -> Any:
    """Return the page of somebody who has just said who they are."""
    page = visit(site, **look).page
    page.get_by_role("tab", name="Rubric review").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Begin").click()
    expect(heading(page)).to_be_visible()
    return page


def heading(page: Any) -> Any:
    return page.locator(".review .record-head h2")


def row(page: Any, number: int) -> Any:
    return page.locator("tbody.rows > tr").nth(number - 1)


def text(page: Any, number: int) -> Any:
    return row(page, number).locator("textarea")


def score(page: Any, response: int) -> Any:
    return page.locator(f"[data-score='{response - 1}']")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def saved(page: Any) -> None:
    page.get_by_role("button", name=re.compile("^Save")).click()
    expect(page.locator(".told")).to_have_text("Saved.")


def open_record(page: Any, theme: str) -> None:
    page.get_by_role("button", name="Records").click()
    page.get_by_role("button", name=theme).click()
    expect(heading(page)).to_have_text(theme)


def decide(page: Any, word: str) -> None:
    before = heading(page).inner_text()
    page.get_by_role("button", name=word, exact=True).click()
    expect(page.locator(".review h2")).not_to_have_text(before)
