from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from agent.api import Stage, invoke
from agent.state import AgentContext

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # app.py belongs to no package
import app  # noqa: E402

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
QUESTION, DRAFT = next(iter(app.EXAMPLES.values()))
EVIL = "<img src=x onerror='window.hit=1'> <script>window.hit=1</script> ${window.hit=1} ![x](http://192.0.2.1/x.png)"


def last(views: Iterator[app.View]) -> app.View:
    return list(views)[-1]


def test_steps_are_shown_as_they_happen(context: AgentContext) -> None:
    views = list(app.respond(context, QUESTION, DRAFT, app.Session()))
    lines = [view.chat[1]["content"].count("\n\n") for view in views[1:]]
    assert lines == list(range(len(get_args(Stage))))


def test_every_stage_has_a_line() -> None:
    assert set(app.STAGES) == set(get_args(Stage))


def test_emergency_advice_is_there_before_the_answer_and_stays(context: AgentContext) -> None:
    first, *rest = list(app.respond(context, QUESTION, DRAFT, app.Session()))[1:]
    assert app.EMERGENCY_NOTICE in first.notice
    assert len(first.chat) == 2  # the question and the steps
    assert all(view.notice == first.notice for view in rest)


def test_no_alarm_without_an_emergency(context: AgentContext) -> None:
    question, draft = app.EXAMPLES["A short question with a good draft"]
    assert last(app.respond(context, question, draft, app.Session())).notice == ""


def test_the_turn_ends_with_the_agents_answer(context: AgentContext) -> None:
    view = last(app.respond(context, QUESTION, DRAFT, app.Session()))
    answer = invoke(QUESTION, draft=DRAFT, context=context)["answer"]
    assert view.chat[-1]["content"] == view.session.conversation[-1]["content"] == answer
    assert "<ins>" in view.changes


def test_the_conversation_so_far_counts(context: AgentContext) -> None:
    asked = "What about the dose?"
    before = last(app.respond(context, "How much ibuprofen may my pregnant wife take?", "", app.Session())).session
    now = last(app.respond(context, asked, "200 mg.", before))
    whole = invoke([*before.conversation, {"role": "user", "content": asked}], draft="200 mg.", context=context)
    alone = invoke(asked, draft="200 mg.", context=context)
    assert [p["id"] for p in whole["principles"]] != [p["id"] for p in alone["principles"]]
    assert all(principle["title"] in now.changes for principle in whole["principles"])
    assert len(now.session.conversation) == 4


@pytest.mark.parametrize(
    ("question", "draft", "message"),
    [(" ", "", "write a question"), ("x" * 200_001, "", "shorten it"), ("Is it safe?", "x" * 200_001, "shorten it")],
)
def test_an_error_says_what_to_do_and_leaves_the_turn_to_be_changed(
    context: AgentContext, question: str, draft: str, message: str
) -> None:
    before = last(app.respond(context, QUESTION, DRAFT, app.Session())).session
    view = last(app.respond(context, question, draft, before))
    assert message in view.notice
    assert (view.question, view.draft) == (question, draft)
    assert (view.session, view.chat) == (before, list(before.shown))


def test_a_bug_is_no_answer_either(caplog: pytest.LogCaptureFixture) -> None:
    view = last(app.respond(cast(Any, object()), QUESTION, DRAFT, app.Session()))
    assert app.BUG in view.notice
    assert view.session == app.Session()
    assert "Traceback" in caplog.text


def test_a_tag_in_a_turn_is_shown_as_it_was_typed() -> None:
    assert app.bubble({"role": "user", "content": "eGFR <b>"})["content"] == "eGFR &lt;b>"
    assert "<b>" not in app.alert("unknown key '<b>'")


def test_the_page_is_bounded_and_offers_no_api(context: AgentContext) -> None:
    page = app.build_app(context)
    assert page._queue.max_size == app.MAX_WAITING
    assert page._queue.default_concurrency_limit == app.RUNS_AT_ONCE
    assert page.get_api_info()["named_endpoints"] == {}
    assert not page.analytics_enabled


def test_a_library_that_cannot_be_opened_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    environment = os.environ | {"CLINALIGN_LIBRARY": str(tmp_path / "nowhere")}
    done = subprocess.run(
        [sys.executable, ROOT / "app.py"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def url(built_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = shutil.copytree(built_store, tmp_path_factory.mktemp("app") / "chroma")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    with subprocess.Popen(
        command, env=os.environ | {"CLINALIGN_STORE": str(store)}, stdout=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1800):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, "the app ended before it listened"
        time.sleep(0.1)
    pytest.fail("the app doesn't listen after 3 minutes")


@pytest.fixture
def page() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium isn't installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS.split())
        yield browser.new_page(viewport={"width": 375, "height": 800})
        browser.close()


@pytest.mark.browser
def test_an_example_is_answered_in_the_browser_with_one_click(page: Any, url: str) -> None:
    outside: list[str] = []
    page.on("requestfinished", lambda request: outside.append(request.url) if url not in request.url else None)
    page.goto(url)
    page.get_by_text("Chest pressure").click()
    page.locator(".report ins").first.wait_for()
    assert page.get_by_role("alert").inner_text() == app.EMERGENCY_NOTICE
    assert page.get_by_text(app.DISCLAIMER).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert outside == []


@pytest.mark.browser
def test_markup_in_question_and_draft_does_nothing_in_the_browser(page: Any, url: str) -> None:
    reached: list[str] = []
    page.on("requestfinished", lambda request: reached.append(request.url) if "192.0.2.1" in request.url else None)
    page.goto(url)
    page.get_by_role("textbox", name="Question").fill(f"Is this safe? {EVIL}")
    page.get_by_role("textbox", name="Draft to check").fill(f"It is not known. {EVIL}")
    page.get_by_role("button", name="Ask").click()
    from playwright.sync_api import expect

    for place in (page.locator(".report .diff"), page.get_by_test_id("user").last):  # both are still being drawn
        expect(place).to_contain_text("<script>window.hit=1</script>", timeout=30_000)
    assert page.evaluate("window.hit") is None
    assert reached == []
