"""The chat in a real browser while a slow model writes: what is seen of it, and what is left of it when somebody goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from browser import PHONE, ModelSite, Visitor, browser_fixture, model_site_fixture, visit_fixture  # noqa: F401
from scripted_model import ScriptedModel, criterion, critique, edit, edits, judged_by
from waiting import wait_until

from agent.testing import Fault
from agent.testing_replies import Reply

expect = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed").expect
pytestmark = pytest.mark.browser

QUESTION = "Is a resting pulse of 58 normal for a fit adult?"
WRITTEN = (
    "Yes, that is normal. "
    + "Fit people often have a slow pulse, since their heart moves more blood. " * 6
    + "The end."
)
ADDED = "Ask again if you faint."
EVIL = "<img src=x onerror='window.hit=1'> <script>window.hit=1</script> ![x](http://192.0.2.1/x.png)"
HEAD = "Draft, not checked yet"
Visit = Callable[..., Visitor]


def slow(text: str = WRITTEN, added: str = ADDED, **more: Any) -> ScriptedModel:
    """Return a model that takes about four seconds to write a draft, and half a second for each step after it."""
    return ScriptedModel(
        more.pop("critique", Reply(as_json(critique(criterion("Says when to ask again."))), delay_s=0.5)),
        Reply(as_json(edits(edit("ADD", 1, added))), delay_s=0.5),
        lambda prompt: judged_by(ADDED, prompt),
        draft=Reply(text, chunk_size=8, chunk_delay_s=0.06),
        **more,
    )


def as_json(said: dict[str, Any]) -> str:
    import json

    return json.dumps(said)


@pytest.fixture
def model(model_site: ModelSite) -> ScriptedModel:
    model_site.says = slow()
    return model_site.says


def seen_writing(visitor: Visitor) -> Any:
    """Wait until a part of the draft is on the page, and return its bubble."""
    bubble = visitor.page.get_by_test_id("bot").last
    expect(bubble).to_contain_text("Fit people")
    expect(bubble).to_contain_text(HEAD)
    return bubble


@pytest.mark.parametrize("width", [1280, PHONE])
def test_steps_and_draft_appear_one_after_another_and_nothing_jumps(
    visit: Visit, model_site: ModelSite, model: ScriptedModel, width: int
) -> None:
    visitor = visit(model_site.site, width=width)
    visitor.page.evaluate("shifted.length = 0")  # while Gradio lays out the page
    visitor.ask(QUESTION)
    assert "The end." not in seen_writing(visitor).inner_text()
    visitor.report()
    expect(visitor.page.get_by_test_id("bot").last).to_contain_text(ADDED)
    steps = visitor.page.evaluate("steps")
    assert steps == sorted(set(steps))
    assert {2, 4, 6} <= set(steps)  # the slow ones; of the others a slow browser may miss some
    shifted = visitor.page.evaluate("shifted")
    assert sum(size for size, _ in shifted) < 0.1, str(shifted)


def test_a_reload_in_the_middle_comes_back_to_the_running_answer(
    visit: Visit, model_site: ModelSite, model: ScriptedModel
) -> None:
    visitor = visit(model_site.site)
    visitor.ask(QUESTION)
    seen_writing(visitor)
    visitor.page.reload()
    seen_writing(visitor)
    visitor.report()
    expect(visitor.page.get_by_test_id("bot").last).to_contain_text(ADDED)
    assert model.asked.count("draft") == 1


def test_an_answer_whose_tab_was_closed_is_there_when_it_is_opened_again(
    visit: Visit, model_site: ModelSite, model: ScriptedModel
) -> None:
    visitor = visit(model_site.site)
    visitor.ask(QUESTION)
    seen_writing(visitor)
    address = visitor.page.url.removeprefix(model_site.site.url)
    visitor.page.close()
    wait_until(lambda: "judge" in model.asked, at_most_s=20)
    visitor.open(address)
    visitor.report()
    expect(visitor.page.get_by_test_id("bot").last).to_contain_text(ADDED)


def test_a_question_survives_a_model_that_cannot_be_reached(
    visit: Visit, model_site: ModelSite, model: ScriptedModel
) -> None:
    visitor = visit(model_site.site)
    with model_site.away():
        visitor.ask(QUESTION)
        failure = visitor.page.locator(".report .failure")
        failure.wait_for()
    expect(failure).to_contain_text("is the base URL right?")
    expect(visitor.page.get_by_test_id("bot").last).to_contain_text("No answer")
    expect(visitor.page.get_by_label("Question", exact=True)).to_have_value(QUESTION)
    visitor.page.get_by_role("button", name="Ask", exact=True).click()
    expect(visitor.page.locator(".diff")).to_contain_text(ADDED)


def test_a_run_is_stopped_and_its_question_comes_back(visit: Visit, model_site: ModelSite) -> None:
    model_site.says = slow(critique=Fault.hang())
    visitor = visit(model_site.site)
    visitor.ask(QUESTION, "Yes.")
    expect(visitor.page.locator("p.status")).to_contain_text("Step 4 of 9")
    visitor.page.get_by_role("button", name="Stop").click()
    expect(visitor.page.locator(".report .failure")).to_contain_text("Stopped before it was finished")
    expect(visitor.page.get_by_label("Question", exact=True)).to_have_value(QUESTION)
    expect(visitor.page.get_by_label("Draft to check")).to_have_value("Yes.")


def test_markup_that_a_model_writes_does_nothing(visit: Visit, model_site: ModelSite) -> None:
    evil = slow(f"Yes. {EVIL} {WRITTEN}", f"{ADDED} {EVIL}", critique=critique(criterion(EVIL, fix=EVIL)))
    model_site.says = evil
    visitor = visit(model_site.site)
    visitor.ask(QUESTION)
    expect(seen_writing(visitor)).to_contain_text("<script>")
    report = visitor.report()
    for place in (report.locator(".diff"), report.locator(".edits"), report.locator("table")):
        expect(place.first).to_contain_text("<script>")
    assert visitor.page.evaluate("window.hit") is None
