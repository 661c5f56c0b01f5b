"""The principles as a tab of the page: browse, filter and search, wired to Gradio's events."""

from __future__ import annotations

from typing import Any

import gradio as gr

from agent.page.library import FILTERS, library_html, search
from agent.state import AgentContext

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Of every event: no spinner over what is shown, and no address of its own."""


def lay_out_library(context: AgentContext) -> None:
    """Browse, filter and search the principles."""
    library = context.index.library

    def find(words: str, *chosen: str) -> str:
        filters = dict(zip(menus, chosen, strict=True))
        return library_html(search(library, context.index, context.embedder, words=words, **filters), len(library))

    with gr.Row():
        words = gr.Textbox(label="Search", placeholder="chest pain, dose, follow-up …", scale=2)
        menus = {
            name: gr.Dropdown([("any", ""), *choices], value="", label=label, interactive=True, min_width=150)
            for name, (label, choices) in FILTERS.items()
        }
    cards = gr.HTML(library_html(list(library), len(library)), apply_default_css=False)
    fields: list[Any] = [words, *menus.values()]
    gr.on([field.change for field in fields], find, fields, cards, trigger_mode="always_last", **QUIET)
