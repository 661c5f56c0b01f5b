"""The chat of the page: a view over `agent/review/`, wired to Gradio's events, with no logic of its own.

A run goes on by itself once it has begun; the page only follows it, so that it can be closed, reloaded and opened again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import gradio as gr

from agent.errors import InputError
from agent.page.assets import SCRIPT
from agent.page.library_tab import QUIET
from agent.page.owners import owner_of
from agent.page.report import report_html
from agent.page.view import WELCOME, Live, at_work, refusal, settled, standing
from agent.review.desk import Desk
from agent.review.run import Run
from agent.state import AgentContext
from principles_store.errors import ClinAlignError

IN_ADDRESS = "() => new URLSearchParams(location.search).get('c') || ''"
"""The open conversation stands in the page's address, so that a reload comes back to it; nobody else can open it by that."""
TO_ADDRESS = "(id) => history.replaceState(null, '', id ? '?c=' + encodeURIComponent(id) : location.pathname)"
CONFIRMED = "(id) => id && confirm('Delete this conversation, with its answers and comments?') ? id : null"


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


def lay_out_chat(page: gr.Blocks, tab: ChatTab, examples: Sequence[Mapping[str, str]]) -> None:
    """Ask and follow on the left, what changed on the right; an example has a title, a question and a draft."""
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
                buttons = [gr.Button(example["title"], size="md", min_width=200) for example in examples]
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
    for button, example in zip(buttons, examples, strict=True):
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
