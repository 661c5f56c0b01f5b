"""How soon one person sees the first step in a real browser, alone and while many others ask: Debian's chromium, by playwright.

Unlike `chat_load.py` it counts what the browser takes to send, receive and draw. Browser, server and crowd share the machine.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from agent.errors import ConfigError
from evals.batch.case_rows import Pair, unlike_rows
from evals.chat_load import Asked, started
from evals.chat_visitor import DRAFT, QUESTION, Visitor

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync".split()
)
PATIENCE_MS = 60_000
_CLICK_AND_WATCH = """() => new Promise(seen => {
  const begun = performance.now();
  const look = new MutationObserver(() => {
    if (!document.querySelector('.stages li.done, .report')) return;
    look.disconnect();
    requestAnimationFrame(() => setTimeout(() => seen(performance.now() - begun)));
  });
  look.observe(document, {subtree: true, childList: true, characterData: true});
  [...document.querySelectorAll('button')].find(button => button.innerText === 'Ask').click();
})"""
"""Resolves once a finished step, or the answer, has been drawn, with the milliseconds from the click."""


@dataclass(frozen=True)
class Visible:
    """Milliseconds from the click to the first step on the screen."""

    alone: tuple[float, ...]
    among: tuple[float, ...]
    """While the others ask too, all at once."""

    @property
    def ratio(self) -> float:
        return median(self.among) / median(self.alone)


def measure_visible(pairs: Sequence[Pair], *, app: Path, users: int, times: int) -> Visible:
    """Have one person ask in a browser so many times, and as often among `users - 1` others; raises ConfigError without one."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise ConfigError("there is no chromium here to look through; install it, or leave out --browser")
    rows = [
        Asked(row["conversation"][-1]["content"], row["draft"]) for row in unlike_rows(pairs, 1 + times * (1 + users))
    ]
    with started(app) as url:
        return asyncio.run(_watched(url, rows, chromium=chromium, users=users, times=times))


async def _watched(url: str, rows: Sequence[Asked], *, chromium: str, users: int, times: int) -> Visible:
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise ConfigError("looking through a browser needs one more package: pip install playwright") from error
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page()
        await page.goto(url)
        first, *lonely = rows[: 1 + times]
        await _seen(page, first)  # what is loaded late is loaded now
        alone = [await _seen(page, each) for each in lonely]
        among = []
        for start in range(1 + times, len(rows), users):
            mine, *others = rows[start : start + users]
            crowd = [await Visitor.arrived(url) for _ in others]
            asking = (visitor.ask(each.question, each.draft) for visitor, each in zip(crowd, others, strict=True))
            await _fill(page, mine)
            seen, *_ = await asyncio.gather(page.evaluate(_CLICK_AND_WATCH), *asking)
            among.append(float(seen))
            for visitor in crowd:
                await visitor.leave()
        await browser.close()
    return Visible(tuple(sorted(alone)), tuple(sorted(among)))


async def _seen(page: Any, asked: Asked) -> float:
    await _fill(page, asked)
    return float(await page.evaluate(_CLICK_AND_WATCH))


async def _fill(page: Any, asked: Asked) -> None:
    """Begin a new conversation and write the question; what is on the screen from the last one goes first."""
    await page.locator(".report, .changes-pane").first.wait_for(timeout=PATIENCE_MS)
    await page.wait_for_function("!document.querySelector('.stages')", timeout=PATIENCE_MS)
    await page.get_by_role("button", name="New conversation").click()
    await page.wait_for_function("!document.querySelector('.report')", timeout=PATIENCE_MS)
    await page.get_by_role("textbox", name=QUESTION).fill(asked.question)
    await page.get_by_role("textbox", name=DRAFT).fill(asked.draft)
    await page.wait_for_timeout(500)  # what the last answer set off has come to rest
