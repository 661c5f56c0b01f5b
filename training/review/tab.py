"""The review in the browser: a tab over the review store, with no logic of its own. Beside app.py the one importer of gradio."""

from __future__ import annotations

from typing import Any

import gradio as gr

from agent.judge import Judge
from training.review.page_answers import ReviewAnswers
from training.review.page_assets import SCRIPT
from training.review.page_frame import LOADING
from training.review.store import ReviewStore

JUDGED_AT_ONCE = 8
"""Requests for verdicts; each holds one of the threads that all of the page's handlers share."""


def lay_out_review(store: ReviewStore, judge: Judge | None) -> None:
    """Put the review into the tab that is open; `page_assets.STYLE_ELEMENT` must be in the page's head."""
    answers = ReviewAnswers(store, judge)

    def answer(request: gr.Request, event: gr.EventData) -> str:
        return answers.answer(event.message, request.username)

    def judged(request: gr.Request, event: gr.EventData) -> str:
        return answers.judged(event.message, request.username)

    ours: dict[str, Any] = {"apply_default_css": False}
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "multiple"}
    verdicts = gr.HTML("<div></div>", visible="hidden", elem_classes="review-judged", **ours)
    review = gr.HTML(LOADING, js_on_load=SCRIPT, **ours)
    review.submit(answer, None, review, **quiet)
    review.apply(judged, None, verdicts, concurrency_limit=JUDGED_AT_ONCE, **quiet)
