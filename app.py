"""The chat in the browser: a view over `agent/review/` and the principles, with no logic of its own. `python app.py --help`.

A run goes on by itself once it has begun; the page only follows it, so that it can be closed, reloaded and opened again.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}  # read while gradio is imported
import gradio as gr
from fastapi import FastAPI

from agent.cli import run_command
from agent.cli_options import Judge, Library, Model, Redact, Temperature, Trace
from agent.config import load_settings
from agent.context import load_context
from agent.errors import InputError
from agent.page.assets import SCRIPT, STYLE_ELEMENT
from agent.page.door import PageDoor, check_open
from agent.page.library import FILTERS, library_html, search
from agent.page.owners import owner_of
from agent.page.report import report_html
from agent.page.server import lifespan_of, run_page
from agent.page.users import read_users
from agent.page.view import WELCOME, Live, at_work, refusal, settled, standing
from agent.review.conversations import Conversations
from agent.review.database import default_file
from agent.review.desk import Desk, cores
from agent.review.run import Run
from agent.serving.cli import listen, url
from agent.state import DISCLAIMER, AgentContext
from agent.telemetry import configure_telemetry
from principles_store.errors import ClinAlignError

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
IN_ADDRESS = "() => new URLSearchParams(location.search).get('c') || ''"
"""The open conversation stands in the page's address, so that a reload comes back to it; nobody else can open it by that."""
TO_ADDRESS = "(id) => history.replaceState(null, '', id ? '?c=' + encodeURIComponent(id) : location.pathname)"
CONFIRMED = "(id) => id && confirm('Delete this conversation, with its answers and comments?') ? id : null"
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class ChatTab:
    """What the chat does when something is clicked."""

    def __init__(self, desk: Desk, context: AgentContext) -> None:
        self._desk = desk
        self._library = context.index.library

    async def open(self, id: str | None, request: gr.Request) -> AsyncIterator[Any]:
        """Show a conversation, and follow it where it is being answered: after a reload, a restart, or a choice."""
        owner = _owner(request)
        turns = self._desk.turns(owner, id or "")
        run = await asyncio.to_thread(self._desk.current, owner, id) if id and turns else None
        yield standing(id if id and turns else "", turns, self._library)
        if id and run:
            async for view in self._follow(owner, id, run):
                yield view

    async def ask(self, question: str, draft: str, id: str, request: gr.Request) -> AsyncIterator[Any]:
        """Have a question answered; the last value is the turn's id once it is taken, and the fields are free again."""
        try:
            owner = _owner(request)
            if id and not self._desk.turns(owner, id):
                raise InputError("this conversation has been deleted meanwhile; begin a new one")
            id = id or self._desk.begin(owner)
            run = await asyncio.to_thread(self._desk.ask, owner, id, question, draft if draft.strip() else None)
        except ClinAlignError as error:
            yield *_unchanged_but(refusal(error)), gr.skip()
            return
        async for view in self._follow(owner, id, run):
            yield *view, run.progress.turn["id"]

    async def decide(self, id: str, request: gr.Request, event: gr.EventData) -> AsyncIterator[Any]:
        """Put the answer together without the edits that were rejected."""
        owner = None
        try:
            owner = _owner(request)
            said = zip(event.edits, event.comments, strict=True)
            decisions = [{"edit": edit, "decision": event.decision, "comment": comment} for edit, comment in said]
            run = await asyncio.to_thread(self._desk.decide, owner, id, decisions, by=request.username, turn=event.turn)
        except ClinAlignError as error:
            if owner is None:
                yield _unchanged_but(refusal(error))
            else:  # as it stands: the page may have been left behind by another tab
                yield standing(id, self._desk.turns(owner, id), self._library)._replace(status=refusal(error))
            return
        async for view in self._follow(owner, id, run):
            yield view

    def settle(self, id: str | None, request: gr.Request) -> list[Any]:
        """Fill the menus, and the fields with a question that has no answer."""
        owner = _owner(request)
        view = settled(self._desk.turns(owner, id or ""), self._desk.cards(owner))
        known = id if any(id == card for _, card in view.earlier) else None
        last = len(view.turns) - 1 if view.turns else None
        return [
            gr.skip() if view.question is None else view.question,
            gr.skip() if view.draft is None else view.draft,
            gr.update(choices=view.earlier, value=known),
            gr.update(choices=view.turns, value=last, visible=len(view.turns) > 1),
        ]

    def stop(self, id: str, request: gr.Request) -> None:
        """End the run under way; who follows it sees that."""
        self._desk.stop(_owner(request), id)

    def delete(self, id: str | None, request: gr.Request) -> Any:
        """Forget the conversation that is open; None where the person thought better of it."""
        if not id:
            return [gr.skip()] * len(Live._fields)
        self._desk.delete(_owner(request), id)
        return standing("", [], self._library)

    def show_changes(self, number: int, id: str, request: gr.Request) -> str:
        """Show what changed in an earlier answer; only the last one's edits are still open."""
        turns = self._desk.turns(_owner(request), id)
        return report_html(turns[number], self._library, is_open=number == len(turns) - 1) if turns else WELCOME

    async def _follow(self, owner: str, id: str, run: Run) -> AsyncIterator[Live]:
        before = [turn for turn in self._desk.turns(owner, id) if turn["id"] != run.progress.turn["id"]]
        view = at_work(id, before, run.progress, self._library)
        async for progress in run.follow():
            yield (view := at_work(id, before, progress, self._library))
        ended = standing(id, self._desk.turns(owner, id), self._library)
        yield ended._replace(notice=ended.notice or view.notice)  # an emergency is one without an answer too


def _owner(request: gr.Request) -> str:
    return owner_of(request.cookies, request.username)


def _unchanged_but(status: str) -> list[Any]:
    return [status if name == "status" else gr.skip() for name in Live._fields]


def build_page(desk: Desk, context: AgentContext, *, has_login: bool = False) -> Any:
    """Return the page (gr.Blocks) with its two tabs, its queue bounded."""
    with gr.Blocks(title="ClinAlign", analytics_enabled=False) as page:
        gr.Markdown(f"# ClinAlign\n{ABOUT} {DISCLAIMER}{' [Log out](logout)' if has_login else ''}")
        with gr.Tab("Chat"):
            lay_out_chat(page, ChatTab(desk, context))
        with gr.Tab("Principles"):
            lay_out_library(context)
    page.queue(max_size=FOLLOWERS_AT_ONCE, default_concurrency_limit=FOLLOWERS_AT_ONCE, api_open=False)
    return page


def lay_out_chat(page: gr.Blocks, tab: ChatTab) -> None:
    """Ask and follow on the left, what changed on the right."""
    ours: dict[str, Any] = {"apply_default_css": False}
    with gr.Row():
        with gr.Column(min_width=320):
            notice = gr.HTML(elem_classes="notice-place", **ours)
            log: dict[str, Any] = {"elem_classes": "chat-log", "show_label": False, "autoscroll": False}
            chat = gr.Chatbot(label="Chat", buttons=["copy"], latex_delimiters=[], **log)
            status = gr.HTML(**ours)
            question = gr.Textbox(label="Question", max_lines=10)
            draft = gr.Textbox(label="Draft to check (optional)", lines=2, max_lines=10)
            with gr.Row():
                ask = gr.Button("Ask", variant="primary", min_width=100)
                stop = gr.Button("Stop", min_width=100)
                new = gr.Button("New conversation", scale=2, min_width=180)
            with gr.Row():
                examples = [gr.Button(example["title"], size="md", min_width=200) for example in EXAMPLES]
            with gr.Row():
                earlier = gr.Dropdown([], label="Earlier conversations", interactive=True, scale=3)
                delete = gr.Button("Delete this conversation", size="md", min_width=200)
        with gr.Column(min_width=320, elem_classes="changes-pane"):
            gr.Markdown("## What changed")
            shown = gr.Dropdown([], label="In the answer to", interactive=True, visible=False)
            changes = gr.HTML(WELCOME, js_on_load=SCRIPT, **ours)
    conversation, taken = (gr.Textbox(label=name, visible="hidden") for name in ("Conversation", "Turn"))
    live, fields = [conversation, chat, notice, status, changes], [question, draft]
    asking = {"fn": tab.ask, "inputs": [*fields, conversation], "outputs": [*live, taken]}
    settling = {"fn": tab.settle, "inputs": conversation, "outputs": [*fields, earlier, shown], **QUIET}

    opened = page.load(tab.open, conversation, live, js=IN_ADDRESS, **QUIET)
    page.load(**settling, js=IN_ADDRESS)
    asked = [gr.on([ask.click, question.submit], **asking, trigger_mode="once", **QUIET)]
    for button, example in zip(examples, EXAMPLES, strict=True):
        filled = button.click(lambda texts=(example["question"], example["draft"]): texts, None, fields, **QUIET)
        asked.append(filled.then(**asking, **QUIET))
    taken.change(None, None, fields, js="() => ['', '']")
    decided = changes.submit(tab.decide, conversation, live, trigger_mode="multiple", **QUIET)
    following = [opened, *asked, decided]
    reopened = earlier.input(tab.open, earlier, live, cancels=following, **QUIET)
    stop.click(tab.stop, conversation, None, **QUIET)
    begun = new.click(tab.open, gr.State(""), live, cancels=[*following, reopened], **QUIET)
    deleted = delete.click(tab.delete, conversation, live, js=CONFIRMED, cancels=[*following, reopened], **QUIET)
    for event in (*following, reopened, begun, deleted):
        event.then(**settling)
    shown.input(tab.show_changes, [shown, conversation], changes, **QUIET)
    conversation.change(None, conversation, None, js=TO_ADDRESS)


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
        head=STYLE_ELEMENT,
    )
    return site


def main(  # noqa: PLR0913, PLR0917  # each is an option of the command
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 7860,
    model: Model = None,
    judge: Judge = None,
    temperature: Temperature = None,
    library: Library = None,
    redact: Redact = None,
    trace: Trace = None,
    auth: Annotated[Path | None, typer.Option(help="File of who may log in: name:password lines.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Listen beyond this machine without a login.")] = False,
    history: Annotated[Path | None, typer.Option(help="SQLite file of the conversations.")] = None,
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
    settings = load_settings(**given, redact=redact, trace=trace)
    listener = listen(host, port)  # before all that takes long: a taken port is told at once
    configure_telemetry()
    context = replace(load_context(settings), tells_criteria=True)
    conversations = Conversations(None if no_history else history or default_file())
    # A model is waited for; the embedded engine computes, and more steps at once than cores would slow each other down.
    steps_at_once = max_running if settings.model else cores()
    desk = Desk(context, conversations, max_running=max_running, max_waiting=max_waiting, steps_at_once=steps_at_once)
    lifespan = lifespan_of(desk, conversations, keep_days=keep_days)
    page = build_page(desk, context, has_login=users is not None)
    site = build_site(page, lifespan=lifespan, users=users, root_path=root_path)
    facts = {"status": "ok", "engine": context.engine.name, "library_hash": context.index.library.content_hash}
    door = PageDoor(site, health=lambda: facts, hosts=hosts, max_body_bytes=max_body_kb * 1024)
    typer.echo(f"the chat is at {url(listener)}, answered by {context.engine.name}; Ctrl+C stops it", err=True)
    run_page(door, listener)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
