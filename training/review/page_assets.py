"""The review's own style sheet and script, as they are in the package; colours and type are those of `agent/page/page.css`."""

from __future__ import annotations

from importlib.resources import files


def _read(name: str) -> str:
    return (files("training.review") / name).read_text(encoding="utf-8")


STYLE_ELEMENT = f"<style>{_read('review.css')}</style>"
"""For the page's head, after that of `agent.page.assets`."""
SCRIPT = "".join(_read(name) for name in ("review_model.js", "review_rows.js", "review.js"))
"""The body of gr.HTML's `js_on_load`, which gives it `element`, `trigger` and `watch`."""
