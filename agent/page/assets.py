"""The page's own style sheets and script, as they are in the package. Nothing is fetched from elsewhere."""

from __future__ import annotations

from importlib.resources import files


def _read(name: str) -> str:
    return (files("agent.page") / name).read_text(encoding="utf-8")


STYLE = "\n".join(_read(name) for name in ("page.css", "library.css", "gradio.css"))
STYLE_ELEMENT = f"<style>{STYLE}</style>"
"""For the page's head: of what Gradio is given as `css` it drops every rule for containers and rewrites the others."""
SCRIPT = _read("page.js")
"""The body of gr.HTML's `js_on_load`, which gives it `element`, `trigger` and `watch`."""
