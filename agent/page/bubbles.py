"""Turns as the messages of a chat that renders Markdown, in which whatever looks like HTML or a picture is shown as it was typed.

`<` becomes an entity except in code, where Markdown takes it as it stands. Where a text holds code that readers of Markdown
take differently, nothing is guessed: an invisible joiner keeps tags and pictures from being any.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.page.wording import counted, sentence
from agent.review.progress import Progress
from agent.review.turn import Turn

DRAFT_HEAD = "**Draft, not checked yet**"
WAITING = "*Working on it. The draft appears here as it is written.*"
UNANSWERED = "*No answer yet.*"
LONGEST_RENDERED = 10_000
"""Characters; beyond, a browser may take many seconds to make Markdown of it, so that it is shown as it was typed."""
_JOINER = "\u2060"
_DOUBTFUL = re.compile(
    r"""^ [ \t>*+\-\d.)]++ (?:`{3}|~{3})                        # a fence inside a list or a quote, or set in
      | ^ (?:`{3,}+|~{3,}+) (?! [ \t]*+ [\w+\#.-]*+ [ \t]* $)   # a fence with more behind it than a language
      | ^ (?= [ \t>*+\-\d.)]*? (?:[ ]{4}|\t)) .*? (?:<|!\[|&)  # what may be code by its indentation""",
    re.MULTILINE | re.VERBOSE,
)
_PARTS = re.compile(
    r"""(?P<fence>^(`{3,}+|~{3,}+).*\n(?:(?:.*\n)*?\2[~`]*+[ \t]*$|[\s\S]*\Z))
      | \\.
      | (?P<span>(`++)[^|\n]*?(?<!`)\4(?!`))
      | (?P<doubt>`)
      | (?P<tag><) | (?P<image>!\[) | (?P<entity>&)(?=\#?\w+;)""",
    re.MULTILINE | re.VERBOSE,
)
_ENTITIES = {"tag": "&lt;", "image": "!\\[", "entity": "&amp;"}


def chat_messages(turns: Sequence[Turn], progress: Progress | None) -> list[dict[str, str]]:
    """Return the messages of a conversation; a turn that `progress` is about is shown as it stands there."""
    shown = list(turns)
    if progress is not None:
        known = [turn["id"] for turn in shown]
        at = known.index(progress.turn["id"]) if progress.turn["id"] in known else len(shown)
        shown[at : at + 1] = [progress.turn]
    found = []
    for turn in shown:
        is_at_work = progress is not None and turn["id"] == progress.turn["id"]
        found += _turn(turn, progress if is_at_work else None)
    return found


def as_typed(text: str) -> str:
    """Return Markdown in which tags, entities and pictures are shown as they were typed."""
    text = re.sub(r"\r\n?", "\n", text)
    if len(text) > LONGEST_RENDERED:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
        return f"{fence}text\n{text}\n{fence}"
    escaped = None if _DOUBTFUL.search(text) else _with_entities(text)
    return re.sub(r"<(?=[A-Za-z/!?])|!(?=\[)|&(?=#?\w+;)", rf"\g<0>{_JOINER}", text) if escaped is None else escaped


def _with_entities(text: str) -> str | None:
    """Return the text with entities outside its code; None where a backtick leaves in doubt what is code."""
    parts, place = [], 0
    for found in _PARTS.finditer(text):
        if found["doubt"]:
            return None
        parts += [text[place : found.start()], _ENTITIES.get(found.lastgroup or "", found[0])]
        place = found.end()
    return "".join([*parts, text[place:]])


def _turn(turn: Turn, progress: Progress | None) -> list[dict[str, str]]:
    return [_bubble("user", as_typed(turn["question"])), _bubble("assistant", _answer(turn, progress))]


def _answer(turn: Turn, progress: Progress | None) -> str:
    if turn["error"] is not None:
        return f"**No answer.** {as_typed(sentence(turn['error']))}"
    if turn["answer"] is not None:
        return as_typed(turn["answer"])
    if progress is None:
        return UNANSWERED
    if progress.ahead and not progress.has_started:
        return f"*Waiting: {counted(progress.ahead, 'question')} before yours.*"
    return f"{DRAFT_HEAD}\n\n{as_typed(progress.draft)}" if progress.draft else WAITING


def _bubble(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
