"""Take the pictures of the page for the documentation: an example, answered. `make screenshots` runs this."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from browser import APP, DESK, FLAGS, PHONE, Site, Visitor, serving
from playwright.sync_api import sync_playwright

IMAGES = APP.parent / "docs" / "images"
PICTURES = {"chat": (DESK, 1100, "light"), "chat-dark": (DESK, 1100, "dark"), "chat-phone": (PHONE, 2300, "light")}
"""Width, height and colours by name."""


def take(browser: Any, site: Site, name: str) -> None:
    """Write one picture."""
    width, height, scheme = PICTURES[name]
    profile = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    visitor = Visitor(profile, site)
    page = visitor.open()
    page.get_by_role("button", name="Chest pressure").click()
    visitor.report()
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)  # what fades and scrolls
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    profile.close()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), None) as site, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name in PICTURES:
            take(browser, site, name)
        browser.close()


if __name__ == "__main__":
    main()
