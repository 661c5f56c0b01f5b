"""The page: the chat, the review of rubrics, the principles; each tab is built by its package. `python app.py --help`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}  # read while gradio is imported
import gradio as gr
from fastapi import FastAPI

from agent.cli import run_command
from agent.cli_options import Judge, Library, Model, Principles, Redact, Rubrics, Seeds, Temperature, Trace
from agent.config import load_settings
from agent.context import load_context
from agent.page.assets import STYLE_ELEMENT
from agent.page.chat_tab import ChatTab, lay_out_chat
from agent.page.door import PageDoor, check_open
from agent.page.library_tab import lay_out_library
from agent.page.server import lifespan_of, run_page
from agent.page.users import read_users
from agent.review.conversations import Conversations
from agent.review.database import default_file
from agent.review.desk import Desk, cores
from agent.serving.cli import listen, url
from agent.state import DISCLAIMER, AgentContext
from agent.telemetry import configure_telemetry
from training.review.page_assets import STYLE_ELEMENT as REVIEW_STYLE
from training.review.store import ReviewStore
from training.review.tab import lay_out_review

EXAMPLES = json.loads((Path(__file__).parent / "examples" / "chat.json").read_text(encoding="utf-8"))
ABOUT = "Answers checked against clinical principles, every change explained."
FOLLOWERS_AT_ONCE = 1000  # events under way in Gradio: they only follow runs, which the desk bounds
THEME = gr.themes.Default(
    primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(  # Gradio's own have less contrast than 4.5 to 1
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    color_accent="*primary_600",
    body_text_color_subdued="*neutral_600",
    input_placeholder_color="*neutral_500",
)


def build_page(
    desk: Desk, context: AgentContext, *, reviews: ReviewStore | None = None, has_login: bool = False
) -> Any:
    """Return the page (gr.Blocks) with its tabs, its queue bounded; `reviews`: of rubrics, where clinicians are to make them."""
    with gr.Blocks(title="ClinAlign", analytics_enabled=False) as page:
        gr.Markdown(f"# ClinAlign\n{ABOUT} {DISCLAIMER}{' [Log out](logout)' if has_login else ''}")
        with gr.Tab("Chat"):
            lay_out_chat(page, ChatTab(desk, context), EXAMPLES)
        if reviews is not None:
            with gr.Tab("Rubric review"):
                lay_out_review(reviews, context.engine.judge)
        with gr.Tab("Principles"):
            lay_out_library(context)
    page.queue(max_size=FOLLOWERS_AT_ONCE, default_concurrency_limit=FOLLOWERS_AT_ONCE, api_open=False)
    return page


def open_reviews(named: str | None, *, others_come_in: bool) -> ReviewStore | None:
    """Return the store of reviews: the one that is named, else your own; None where others come in and nobody named one.

    Whoever may chat is not therefore a reviewer.
    """
    return ReviewStore(named) if named or not others_come_in else None


def build_site(
    page: gr.Blocks, *, lifespan: Callable[[Any], Any], users: Callable[[str, str], bool] | None, root_path: str | None
) -> FastAPI:
    """Return the page as an ASGI app; what stands before it is `agent/page/door.py`."""
    site: FastAPI = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan),
        page,
        path="/",
        auth=users,
        auth_message=f"ClinAlign. {DISCLAIMER}",
        root_path=root_path,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        max_file_size=0,
        show_error=False,
        theme=THEME,
        head=STYLE_ELEMENT + REVIEW_STYLE,
    )
    return site


def main(  # noqa: PLR0913, PLR0917  # each is an option of the command
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 7860,
    model: Model = None,
    judge: Judge = None,
    temperature: Temperature = None,
    library: Library = None,
    rubrics: Rubrics = None,
    principles: Principles = None,
    seeds: Seeds = None,
    redact: Redact = None,
    trace: Trace = None,
    auth: Annotated[Path | None, typer.Option(help="File of who may log in: name:password lines.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Listen beyond this machine without a login.")] = False,
    history: Annotated[Path | None, typer.Option(help="SQLite file of the conversations.")] = None,
    reviews: Annotated[
        str | None,
        typer.Option(
            envvar="CLINALIGN_REVIEWS",
            help="Rubrics under review: SQLite file or postgresql://…; none: your own, unless others may log in.",
        ),
    ] = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="Keep conversations in memory only.")] = False,
    keep_days: Annotated[float, typer.Option(help="After which a conversation is deleted.", min=0)] = 30,
    max_running: Annotated[int, typer.Option(help="Answers worked on at once.", min=1)] = 32,
    max_waiting: Annotated[int, typer.Option(help="Questions that may wait beyond these.", min=0)] = 128,
    max_body_kb: Annotated[int, typer.Option(help="Size of a request.", min=1)] = 2048,
    root_path: Annotated[str | None, typer.Option(help="Path at which a proxy offers the page.")] = None,
) -> None:
    """Serve the chat until interrupted."""
    hosts = check_open(host, has_users=auth is not None, no_auth=no_auth)
    users = read_users(auth) if auth else None
    given: dict[str, Any] = {"model": model, "judge": judge, "temperature": temperature, "library": library}
    given |= {"rubrics": rubrics, "principles": principles, "seeds": seeds}
    settings = load_settings(**given, redact=redact, trace=trace)
    listener = listen(host, port)  # before all that takes long: a taken port is told at once
    configure_telemetry()
    context = replace(load_context(settings), tells_criteria=True)
    conversations = Conversations(None if no_history else history or default_file())
    # A model is waited for; the embedded engine computes, and more steps at once than cores would slow each other down.
    steps_at_once = max_running if settings.models else cores()
    store = open_reviews(reviews, others_come_in=auth is not None or no_auth)
    desk = Desk(context, conversations, max_running=max_running, max_waiting=max_waiting, steps_at_once=steps_at_once)
    lifespan = lifespan_of(desk, conversations, keep_days=keep_days)
    page = build_page(desk, context, reviews=store, has_login=users is not None)
    site = build_site(page, lifespan=lifespan, users=users, root_path=root_path)
    facts = {"status": "ok", "engine": context.engine.name, "library_hash": context.index.library.content_hash}
    door = PageDoor(site, health=lambda: facts, hosts=hosts, max_body_bytes=max_body_kb * 1024)
    typer.echo(f"the chat is at {url(listener)}, answered by {context.engine.name}; Ctrl+C stops it", err=True)
    try:
        run_page(door, listener)
    finally:
        if store:
            store.close()


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
