"""The rubric review as a page of its own: the tab behind the app's door, in this process, over a store that tests look into."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from waiting import wait_until

from agent.judge import Judge
from agent.ledger import Ledger
from agent.page.assets import STYLE_ELEMENT
from agent.page.door import PageDoor
from agent.rubric import Criterion, Verdict
from principles_store.conversation import Conversation
from training.preferences import HealthRubric
from training.review.page_assets import STYLE_ELEMENT as REVIEW_STYLE_ELEMENT
from training.review.store import ReviewStore
from training.review.tab import lay_out_review


@dataclass
class WordJudge:
    """A judge by whom a criterion is met where the answer has its last word."""

    name: str = "word judge"

    def judge(
        self, conversation: Conversation, answers: Sequence[str], rubric: Sequence[Criterion], *, ledger: Ledger
    ) -> list[list[Verdict]]:
        last = [criterion.text.rstrip(".").split()[-1].lower() for criterion in rubric]
        return [[Verdict("met" if word in answer.lower() else "unmet") for word in last] for answer in answers]


@dataclass
class ReviewSite:
    """The page and what it shows."""

    url: str
    store: ReviewStore


def build(store: ReviewStore, judge: Judge | None) -> FastAPI:
    """Return the page as an ASGI app."""
    with gr.Blocks(title="ClinAlign", analytics_enabled=False) as page:
        gr.Markdown("# ClinAlign")
        with gr.Tab("Chat"):
            gr.Button("Ask")
        with gr.Tab("Rubric review"):
            lay_out_review(store, judge)
    page.queue(max_size=100, default_concurrency_limit=100, api_open=False)
    shown: dict[str, Any] = {"footer_links": [], "ssr_mode": False, "head": STYLE_ELEMENT + REVIEW_STYLE_ELEMENT}
    site: FastAPI = gr.mount_gradio_app(FastAPI(), page, path="/", enable_monitoring=False, **shown)
    return site


@contextmanager
def review_site(
    folder: Path, records: Sequence[HealthRubric], *, judge: Judge | None = None, reviewers_needed: int = 2
) -> Iterator[ReviewSite]:
    """Serve the review of some records until the end of the block."""
    with closing(ReviewStore(f"sqlite:///{folder / 'review.sqlite'}")) as store, socket.socket() as listener:
        store.add(records, reviewers_needed=reviewers_needed)
        listener.bind(("127.0.0.1", 0))
        door = PageDoor(build(store, judge), health=dict, hosts=frozenset({"127.0.0.1"}), max_body_bytes=2**21)
        server = uvicorn.Server(uvicorn.Config(door, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started, at_most_s=60)
        yield ReviewSite(f"http://127.0.0.1:{listener.getsockname()[1]}", store)
        door.close()
        server.should_exit = True
        thread.join(30)
