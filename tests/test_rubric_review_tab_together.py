"""Several people on the review tab, or one in two tabs: nothing is lost, nothing is seen too early, and somebody settles it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from browser import browser_fixture, visit_fixture  # noqa: F401
from review_site import ReviewSite
from review_tab_records import CHEST
from review_tab_work import ANN, BEN, EVA, Visit, begin, decide, open_record, row, saved, site_fixture, text  # noqa: F401

expect = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed").expect
pytestmark = pytest.mark.browser


def test_what_one_tab_saved_is_merged_into_what_another_saves(visit: Visit, site: ReviewSite) -> None:
    one, two = begin(visit, site), begin(visit, site)
    text(one, 1).fill("Says to be seen today.")
    saved(one)
    text(two, 2).fill("Names sweating as a sign to call for help.")
    saved(two)
    expect(two.locator(".review .waiting")).to_contain_text("changes made elsewhere")
    expect(text(two, 1)).to_have_value("Says to be seen today.")
    stored = [item.criterion for item in site.store.sheet(CHEST.id, ANN).criteria[:2]]
    assert stored == ["Says to be seen today.", "Names sweating as a sign to call for help."]


def test_two_changes_of_one_criterion_are_shown_and_neither_is_lost(visit: Visit, site: ReviewSite) -> None:
    one, two = begin(visit, site), begin(visit, site)
    text(one, 1).fill("Says to be seen today.")
    text(one, 4).fill("Names an ECG.")
    saved(one)
    text(two, 1).fill("Says to call now.")
    two.get_by_role("button", name=re.compile("^Save")).click()
    expect(two.get_by_role("alert")).to_contain_text("Says to be seen today.")
    expect(text(two, 1)).to_have_value("Says to call now.")
    expect(text(two, 4)).to_have_value("Names an ECG.")
    assert site.store.sheet(CHEST.id, ANN).criteria[0].criterion == "Says to be seen today."
    two.get_by_role("button", name="Take the saved one").click()
    expect(text(two, 1)).to_have_value("Says to be seen today.")
    text(two, 1).fill("Says to call now.")
    saved(two)
    assert site.store.sheet(CHEST.id, ANN).criteria[0].criterion == "Says to call now."


def test_reviewers_do_not_see_each_other_and_an_adjudicator_sees_both(visit: Visit, site: ReviewSite) -> None:
    ann, ben = begin(visit, site, ANN), begin(visit, site, BEN)
    text(ann, 1).fill("Says to be seen today by a doctor.")
    decide(ann, "Accept")
    open_record(ben, CHEST.theme)
    expect(ben.locator("body")).not_to_contain_text("Says to be seen today by a doctor.")
    for _ in range(3):
        row(ben, 2).get_by_role("button", name="One point less").click()
    decide(ben, "Accept")
    eva = begin(visit, site, EVA)
    eva.get_by_role("button", name="Disputes").click()
    eva.get_by_role("button", name=CHEST.id).click()
    versions = eva.get_by_role("region", name="Versions of all reviewers")
    expect(versions.locator("tr.disputed")).to_have_count(2)
    versions.get_by_role("row", name="Says to be seen today").get_by_role("button", name=f"of {ANN}").click()
    versions.get_by_role("row", name="Names signs").get_by_role("button", name=f"of {ANN}").click()
    eva.get_by_role("button", name="Accept", exact=True).click()
    expect(eva.locator(".told")).to_contain_text("final")
    final = site.store.final(CHEST.id)
    assert final.status == "accepted"
    assert {"Says to be seen today by a doctor.", CHEST.draft[1].criterion} <= {c.criterion for c in final.refined}


def test_a_whole_version_can_be_taken(visit: Visit, site: ReviewSite) -> None:
    for name, points in ((ANN, 3), (BEN, 9)):
        rows = [
            replace(row, points=points) if row.key == "d1" else row for row in site.store.sheet(CHEST.id, name).criteria
        ]
        sheet = site.store.save(CHEST.id, name, base_version=0, criteria=rows, comment="").sheet
        site.store.decide(CHEST.id, name, base_version=sheet.version, decision="accept")
    page = begin(visit, site, EVA)
    page.get_by_role("button", name="Disputes").click()
    page.get_by_role("button", name=CHEST.id).click()
    page.get_by_role("button", name=f"Take all of {BEN}").click()
    expect(row(page, 1).get_by_role("spinbutton")).to_have_value("9")
    page.get_by_role("button", name="Accept", exact=True).click()
    expect(page.locator(".told")).to_contain_text("final")
    assert site.store.final(CHEST.id).refined[0].points == 9
