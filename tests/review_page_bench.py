"""From a click to what it asked for on the screen, with 50 records and with 10,000: `python tests/review_page_bench.py`.

The two stores are visited by turns, so that what else the machine does meets both alike.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from browser import FLAGS
from review_site import review_site

from training.review.bench import PAGE
from training.review.bench_records import made_up_records

_ME = "reviewer"
_WARM_UP = 3
CLICKS = {
    "next record": (".steps [data-do=next]", "tbody.rows > tr"),
    "save": (".bar [data-do=save]", "tbody.rows > tr"),
    "reject, then the next": ("[data-decision=reject]", "tbody.rows > tr"),
    "list of records": ("nav [data-view=list]", ".records tbody tr"),
    "search": (".filters [data-view=list]", ".records tbody tr"),
    "record out of the list": (".records tbody tr [data-view=record]", "tbody.rows > tr"),
    "back to the record": ("nav [data-view=record]", "tbody.rows > tr"),
}
"""What is clicked, in this order, and what has to be there then."""
_TIMED = """([button, wanted]) => new Promise(done => {
  const before = document.querySelector(".review").dataset.n, begun = performance.now();
  const look = () => {
    const page = document.querySelector(".review");
    const isThere = page.dataset.n !== before && !page.ariaBusy?.includes("true") && document.querySelector(`.review ${wanted}`);
    if (isThere) requestAnimationFrame(() => done(performance.now() - begun)); else requestAnimationFrame(look);
  };
  const found = document.querySelector(`.review ${button}`);
  if (!found) throw new Error(`no ${button}`);
  found.click();
  look();
})"""
"""Resolves in the frame after the one in which it is there: then it is drawn."""


def measure(records: int, times: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return the milliseconds of each click, with one page of records and with so many."""
    from playwright.sync_api import sync_playwright

    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in CLICKS}
    with ExitStack() as stack, sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        pages = []
        for size in (PAGE, records):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            site = stack.enter_context(review_site(folder, list(made_up_records(size)), reviewers_needed=2))
            pages.append(_begun(chromium.new_page(viewport={"width": 1280, "height": 900}), site.url))
        for turn in range(times + _WARM_UP):
            for name, click in CLICKS.items():
                for place, page in enumerate(pages):
                    if name == "save":
                        page.locator("[data-do=step]").first.click()
                    if name == "search":
                        page.locator("input.words").fill("pain")
                    taken = page.evaluate(_TIMED, list(click))
                    if turn >= _WARM_UP:
                        found[name][place].append(taken)
        chromium.close()
    return found


def _begun(page: Any, url: str) -> Any:
    page.goto(url)
    page.get_by_role("tab", name="Rubric review").click()
    page.get_by_label("Your name").fill(_ME)
    page.get_by_role("button", name="Begin").click()
    page.locator(".review tbody.rows > tr").first.wait_for()
    return page


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=30)
    given = parser.parse_args()
    print(f"milliseconds, p50 and p95, with {PAGE} and {given.records:,} records, n = {given.times} each")
    for name, sides in measure(given.records, given.times).items():
        (empty, empty_95), (full, full_95) = (np.quantile(values, (0.5, 0.95)) for values in sides)
        line = f"{name:<24} {empty:7.1f} {empty_95:7.1f}   {full:7.1f} {full_95:7.1f}   p95 × {full_95 / empty_95:.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
