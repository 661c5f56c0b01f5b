"""The chat in the browser: a view over `agent.stream()`, with no logic of its own. `python app.py --host 127.0.0.1 --port 7860`.

What is typed lives in the page's session only: nothing is stored or logged.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple, cast

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}  # read while gradio is imported
import gradio as gr

from agent.api import default_context, stream
from agent.errors import ClinAlignError
from agent.events import Stage, StageEvent
from agent.report_html import STYLE, report_html
from agent.state import DISCLAIMER, EMERGENCY_NOTICE, AgentContext, AgentOutput
from agent.telemetry import configure_telemetry
from principles_store.conversation import Message

BUG = "something failed inside ClinAlign, which is a bug. The terminal it runs in shows where; try again, or rephrase"
WELCOME = "<p>Ask a question, or choose an example. Paste an answer as the draft to have that one checked.</p>"
RUNS_AT_ONCE = 2
"""A run keeps a core busy; more at once would slow each other down."""
MAX_WAITING = 16
_CHEST_PRESSURE = json.loads((Path(__file__).parent / "examples" / "chest_pressure.json").read_text(encoding="utf-8"))
EXAMPLES: dict[str, tuple[str, str]] = {
    "Chest pressure, and a draft that plays it down": (_CHEST_PRESSURE["question"], _CHEST_PRESSURE["draft"]),
    "A short question with a good draft": (
        "What's a normal resting heart rate for a healthy adult?",
        "For most healthy adults, 60 to 100 beats per minute is normal. Very fit people can be lower, around 40 to 60.",
    ),
    "A question without a draft": ("Is it safe to take ibuprofen with my blood pressure tablets (lisinopril)?", ""),
}
STAGES: dict[Stage, Callable[[Mapping[str, Any]], str]] = {
    "classify": lambda added: "Situation: {urgency}, {expertise}, {task_type}".format(**added["scenario"]),
    "write_draft": lambda added: f"Draft of {len(added['draft'].split())} words",
    "retrieve": lambda added: f"Principles found: {len(added['principles'])}",
    "write_rubric": lambda added: f"Criteria to judge by: {len(added['rubric'])}",
    "critique": lambda added: "Draft judged",
    "revise": lambda added: "Edits considered",
    "check": lambda added: "Checked for lost facts and for length",
    "accept": lambda added: "Draft and revision judged blind",
    "finish": lambda added: f"Done in {added['usage']['seconds']:.1f} s",
}
"""What the chat says once a step is done."""
HEAD = """<meta http-equiv="Content-Security-Policy" content="img-src 'self' data: blob:; connect-src 'self'">"""
"""A picture in an answer can't call anywhere."""
CSS = f"""{STYLE}
.notice {{ border-left: 4px solid #d33; padding: .2em .8em; font-weight: 600 }}
.column .block .html-container {{ padding: 0 }}
"""


@dataclass(frozen=True)
class Session:
    """The turns of one page."""

    shown: tuple[Mapping[str, Any], ...] = ()
    conversation: tuple[Message, ...] = ()
    """What the agent takes into account: questions and final answers."""


class View(NamedTuple):
    """The session and what the page shows, in the order of the components; a field that is `KEEP` stays as it is."""

    session: Session
    chat: list[Any]
    notice: str = ""
    changes: str = WELCOME
    question: Any = ""
    draft: Any = ""


KEEP = gr.skip()


def respond(context: AgentContext, question: str, draft: str, session: Session) -> Iterator[View]:
    """Yield the view after every step of a turn; a turn that fails leaves the chat as before and fills the fields again."""
    asked: Message = {"role": "user", "content": question}
    shown, steps, notice = [*session.shown, bubble(asked)], list[str](), ""
    yield View(session, [*shown, progress(steps)], changes="")
    try:
        for event in stream([*session.conversation, asked], draft=draft if draft.strip() else None, context=context):
            if not isinstance(event, StageEvent):
                continue
            steps.append(STAGES[event.stage](event.data))
            if event.stage == "classify" and event.data["scenario"]["urgency"] == "emergent":
                notice = alert(EMERGENCY_NOTICE)
            if event.stage != "finish":
                yield View(session, [*shown, progress(steps)], notice, "", KEEP, KEEP)
                continue
            answer: Message = {"role": "assistant", "content": event.data["answer"]}
            shown += [progress(steps, done=True), bubble(answer)]
            session = Session(tuple(shown), (*session.conversation, asked, answer))
            yield View(session, shown, notice, report_html(cast(AgentOutput, event.data)), KEEP, KEEP)
    except ClinAlignError as error:
        yield View(session, [*session.shown], notice + alert(f"No answer: {error}."), "", question, draft)
    except Exception:  # the outer wall of a turn: the page must live on
        logging.getLogger(__name__).exception("a turn failed")
        yield View(session, [*session.shown], notice + alert(f"No answer: {BUG}."), "", question, draft)


def bubble(message: Message) -> dict[str, Any]:
    """Return a turn for the chat, where Markdown is rendered and a tag is shown as it was typed."""
    return {"role": message["role"], "content": message["content"].replace("<", "&lt;")}


def progress(steps: list[str], *, done: bool = False) -> dict[str, Any]:
    metadata = {"title": "Steps", "status": "done"} if done else {"title": "Working", "status": "pending"}
    return {"role": "assistant", "content": "\n\n".join(steps), "metadata": metadata}


def alert(text: str) -> str:
    return f"<p class='notice' role='alert'>{escape(text)}</p>"


def build_app(context: AgentContext) -> gr.Blocks:
    """Return the page, its queue bounded."""
    page = gr.Blocks(title="ClinAlign", analytics_enabled=False)
    with page:
        gr.Markdown(f"# ClinAlign\nAnswers checked against clinical principles, every change explained. {DISCLAIMER}")
        session = gr.State(Session())
        with gr.Row():
            with gr.Column(min_width=320):
                cards: Any = [{"text": text, "display_text": name} for name, (text, _) in EXAMPLES.items()]
                chat = gr.Chatbot(label="Chat", height=460, buttons=["copy"], latex_delimiters=[], examples=cards)
                notice = gr.HTML()
                question = gr.Textbox(label="Question", max_lines=10, autofocus=True)
                draft = gr.Textbox(label="Draft to check (optional)", lines=2, max_lines=10)
                with gr.Row():
                    ask = gr.Button("Ask", variant="primary")
                    new = gr.Button("New conversation")
            with gr.Column(min_width=320):
                gr.Markdown("## What changed")
                changes = gr.HTML(WELCOME)
        view = [session, chat, notice, changes, question, draft]
        private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        answer = partial(respond, context)
        gr.on([ask.click, question.submit], answer, [question, draft, session], view, trigger_mode="once", **private)
        chosen = chat.example_select(example, None, [question, draft], **private)
        chosen.then(answer, [question, draft, session], view, **private)
        gr.on([new.click, chat.clear], lambda: View(Session(), []), None, view, **private)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=RUNS_AT_ONCE, api_open=False)
    return page


def example(chosen: gr.SelectData) -> tuple[str, str]:
    """Return question and draft of the example that was clicked."""
    return list(EXAMPLES.values())[int(chosen.index)]


def main() -> None:
    """Serve the page until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=7860)
    options = parser.parse_args()
    try:
        configure_telemetry()
        page = build_app(default_context())
    except ClinAlignError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    page.launch(
        server_name=options.host,
        server_port=options.port,
        theme=gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"]),
        css=CSS,
        head=HEAD,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        share=False,
        ssr_mode=False,
    )


if __name__ == "__main__":
    main()
