"""A browser for the tests of the page: Debian's chromium, the page served by a process of its own, and nothing else within reach.

Whatever a visitor's browser reports or asks of another host fails the test that it visits in, unless the test takes it back.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from toy_index import free_port
from waiting import wait_until

from agent.testing import FakeServer

APP = Path(__file__).parent.parent / "app.py"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PHONE, DESK = 375, 1280
WAIT_MS = 20_000
"""For what comes at once on a machine that does nothing else."""
CUT_OFF = re.compile(r"AbortError: signal is aborted|Connection errored out|net::ERR_(CONNECTION|INCOMPLETE|EMPTY)")
"""What Gradio's script and the browser say of a stream that a reload, or the server's end, cuts off."""
WATCHED = """
window.shifted = []
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    if (!entry.hadRecentInput) shifted.push([entry.value, entry.sources.map(s => s.node?.outerHTML?.slice(0, 80))])
  }
}).observe({type: 'layout-shift', buffered: true})
window.steps = []
new MutationObserver(() => {
  const step = Number(document.querySelector('p.status')?.innerText.match(/^Step (\\d+)/)?.[1])
  if (step && steps.at(-1) !== step) steps.push(step)
}).observe(document, {subtree: true, childList: true, characterData: true})
"""
"""Keeps what moved without having been asked to, and the steps that were said to be at work, in order."""


class Site:
    """The page's server; on the same port, with the same conversations, however often it is started."""

    def __init__(self, folder: Path, store: Path | None, *options: str, **environment: str) -> None:
        """Keep everything in `folder`; `store` holds an index to begin with (None: it is built)."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"CLINALIGN_STORE": str(folder / "chroma"), "XDG_DATA_HOME": str(folder)}
        if store:
            shutil.copytree(store, folder / "chroma")
        self._environment = os.environ | own | environment
        self._command = [sys.executable, str(APP), "--port", str(self.port), "--history", str(folder / "h.sqlite")]
        self._command += options
        self._log = folder / "log.txt"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        wait_until(self._is_up, at_most_s=120)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, f"the app ended before it listened:\n{self._log.read_text()}"
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=120):
                return True
        except urllib.error.URLError:
            return False


@contextmanager
def serving(folder: Path, store: Path | None, *options: str, **environment: str) -> Iterator[Site]:
    """Serve the page until the end of the block."""
    site = Site(folder, store, *options, **environment)
    site.start()
    try:
        yield site
    finally:
        site.stop()


@dataclass
class ModelSite:
    """A site whose answers come from a scripted model."""

    site: Site
    server: FakeServer
    says: Callable[[dict[str, Any]], Any]
    """What the model answers; exchange it as you like."""

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody listen at the model's address until the end of the block."""
        self.server.__exit__()
        try:
            yield
        finally:
            self.server.__enter__()


@dataclass
class Visitor:
    """One person: a browser profile with cookies of its own."""

    profile: Any
    site: Site
    page: Any = None
    """The tab that is open; playwright's Page."""
    outside: list[str] = field(default_factory=list)
    """Requests to other hosts. None gets there."""
    faults: list[str] = field(default_factory=list)
    """Errors on the console and of scripts; a breach of the content security policy is one."""

    def open(self, path: str = "/") -> Any:
        """Open a tab, wait until it can be used, and return it."""
        self.page = self.profile.new_page()
        self.page.on("console", lambda said: self._note(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.goto(f"{self.site.url}{path}")
        self.page.get_by_role("button", name="Ask", exact=True).wait_for()
        return self.page

    def ask(self, question: str, draft: str = "") -> None:
        """Send a question, and a draft to check with it."""
        self.page.get_by_label("Question", exact=True).fill(question)
        self.page.get_by_label("Draft to check").fill(draft)
        self.page.get_by_role("button", name="Ask", exact=True).click()

    def report(self) -> Any:
        """Wait for the report on an answer and return it."""
        report = self.page.locator(".report:has(.statement)")
        report.wait_for()
        return report

    def answer(self) -> str:
        """Return the last bubble as it reads, without what Markdown makes of lines."""
        return words(self.page.get_by_test_id("bot").last.inner_text())

    def _note(self, fault: str) -> None:
        if not CUT_OFF.search(fault):
            self.faults.append(fault)

    def route(self, route: Any) -> None:
        if route.request.url.startswith((self.site.url, "data:", "blob:")):
            route.fallback()
        else:
            self.outside.append(route.request.url)
            route.abort()


def words(text: str) -> str:
    """Return text with all its white space alike."""
    return " ".join(text.split())


@pytest.fixture(scope="module", name="browser")
def browser_fixture() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium isn't installed")
    playwright.expect.set_options(timeout=WAIT_MS)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module", name="model_site")
def model_site_fixture(built_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSite]:
    def answer(body: dict[str, Any]) -> Any:
        return given.says(body)

    with FakeServer(answer) as server:
        reached = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "any", "CLINALIGN_MAX_ATTEMPTS": "2"}
        with serving(tmp_path_factory.mktemp("site"), built_store, "--model", "openai:fake", **reached) as site:
            given = ModelSite(site, server, lambda body: "")
            yield given


@pytest.fixture(name="visit")
def visit_fixture(browser: Any) -> Iterator[Callable[..., Visitor]]:
    """Return what lets another person visit a site; at the end nobody's browser may have complained."""
    visitors: list[Visitor] = []

    def visit(site: Site, *, width: int = DESK, dark: bool = False, path: str = "/") -> Visitor:
        scheme = "dark" if dark else "light"
        profile = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        profile.set_default_timeout(WAIT_MS)
        profile.add_init_script(WATCHED)
        visitor = Visitor(profile, site)
        profile.route("**/*", visitor.route)
        visitors.append(visitor)
        visitor.open(path)
        return visitor

    yield visit
    for visitor in visitors:
        visitor.profile.close()
    faults = [fault for visitor in visitors for fault in (*visitor.faults, *visitor.outside)]
    assert not faults, faults
