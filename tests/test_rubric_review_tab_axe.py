"""The review tab for those who can't see it: axe finds nothing serious in any view, on a desk in light, on a phone in the dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import browser_fixture, visit_fixture  # noqa: F401
from review_site import ReviewSite, WordJudge, review_site
from review_tab_records import CHEST, RECORDS
from review_tab_work import ANN, BEN, EVA, begin, row, text
from test_app_accessibility import Visit, faults

expect = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed").expect
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewSite]:
    with review_site(tmp_path_factory.mktemp("review"), RECORDS, judge=WordJudge()) as site:
        for name, decision in ((ANN, "accept"), (BEN, "reject")):
            saved = site.store.sheet(RECORDS[1].id, name)
            site.store.decide(RECORDS[1].id, name, base_version=saved.version, decision=decision)  # type: ignore[arg-type]
        yield site


def test_axe_finds_nothing_serious_in_a_sheet_and_in_edits(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site, EVA)
    expect(row(page, 1)).to_be_visible()
    assert faults(page) == []
    row(page, 1).get_by_role("button", name="Delete").click()
    text(page, 2).fill("Other words.")
    page.locator("details.tags summary").nth(2).click()
    assert faults(page) == []
    page.get_by_role("button", name="Accept", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert faults(page) == []


def test_axe_finds_nothing_serious_in_two_changes_of_one_criterion(visit: Visit, site: ReviewSite) -> None:
    one, two = begin(visit, site, "Ida"), begin(visit, site, "Ida")
    for page, words in ((one, "One thing."), (two, "Another thing.")):
        text(page, 1).fill(words)
        page.get_by_role("button", name="Save").click()
    expect(two.locator(".conflict")).to_be_visible()
    assert faults(two) == []


@pytest.mark.parametrize("view", ["Records", "Disputes", "Agreement", "Keys"])
def test_axe_finds_nothing_serious_in_the_lists(visit: Visit, site: ReviewSite, view: str) -> None:
    page = begin(visit, site, "Oda")
    page.get_by_role("button", name=view).click()
    expect(page.locator(".review[data-view=record] .record-head:not(:has(~ dialog[open]))")).to_have_count(0)
    assert faults(page) == []


def test_axe_finds_nothing_serious_in_a_dispute_and_a_history(visit: Visit, site: ReviewSite) -> None:
    page = begin(visit, site, EVA)
    page.get_by_role("button", name="Disputes").click()
    page.get_by_role("button", name=RECORDS[1].id).click()
    expect(page.get_by_role("region", name="Versions of all reviewers")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Review", exact=True).click()
    expect(page.locator(".record-head h2")).to_have_text(CHEST.theme)
    page.get_by_role("button", name="History of this record").click()
    expect(page.get_by_role("heading", name="History of")).to_be_visible()
    assert faults(page) == []
