from __future__ import annotations

import time
from dataclasses import replace

import pytest
from page_turns import answered, without

from agent.page.bubbles import DRAFT_HEAD, LONGEST_RENDERED, UNANSWERED, WAITING, as_typed, chat_messages
from agent.review.progress import begun
from agent.review.turn import Turn, new_turn
from agent.state import AgentContext

J = "\u2060"  # an invisible joiner


@pytest.fixture(scope="module")
def turn(context: AgentContext) -> Turn:
    return answered(context)


def said(messages: list[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("eGFR <60 & <b>rising</b>", "eGFR &lt;60 & &lt;b>rising&lt;/b>"),
        ("an entity: &lt;b&gt; &#60;", "an entity: &amp;lt;b&amp;gt; &amp;#60;"),
        ("![x](http://192.0.2.1/x.png) and [a link](x)", r"!\[x](http://192.0.2.1/x.png) and [a link](x)"),
        ("in code: `a <b> ![x](y)` then <b>", "in code: `a <b> ![x](y)` then &lt;b>"),
        ("``a ` <b>`` <i>", "``a ` <b>`` &lt;i>"),
        ("no code: ` <b>", f"no code: ` <{J}b>"),
        (r"no code: \`<b>\`", r"no code: \`&lt;b>\`"),
        ("perhaps code: `two\n<b>` lines", f"perhaps code: `two\n<{J}b>` lines"),
        ("| perhaps a cell `| <b>` |", f"| perhaps a cell `| <{J}b>` |"),
        ("```html\n<b>\n```\n<i>", "```html\n<b>\n```\n&lt;i>"),
        ("~~~\n<b> `\n~~~\n`<i>` <u>", "~~~\n<b> `\n~~~\n`<i>` &lt;u>"),
        ("```\n<b> to the end", "```\n<b> to the end"),
        ("```\n<b>\n```\t\n<i>", "```\n<b>\n```\t\n&lt;i>"),
        ("````~~\n<b>", f"````~~\n<{J}b>"),
        (">     <b>", f">     <{J}b>"),
        ("```\r\n<b>\r\n```\r\n<i>", "```\n<b>\n```\n&lt;i>"),
        ("``` no `fence`\n<b>", f"``` no `fence`\n<{J}b>"),
        ("a\n~~~<b>", f"a\n~~~<{J}b>"),
        ("- in a list\n  ```\n  <b>\n\n<i> 5 < 6", f"- in a list\n  ```\n  <{J}b>\n\n<{J}i> 5 < 6"),
        ("    <b>\n![x](y) &lt;", f"    <{J}b>\n!{J}[x](y) &{J}lt;"),
    ],
)
def test_a_tag_or_picture_is_shown_as_it_was_typed(typed: str, shown: str) -> None:
    assert as_typed(typed) == shown


@pytest.mark.parametrize(
    "piece",
    [
        "`",
        "` |",
        "`` ` ``` ",
        "<",
        "![",
        "```\n",
        " ",
        "    ",
        "&",
        "\\",
        "> - ",
        " ".join("`" * n for n in range(600)),
    ],
)
def test_a_long_text_takes_no_longer_than_long_texts_do(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.perf_counter()
    as_typed(text)
    assert time.perf_counter() - start < 5


def test_a_conversation_is_its_questions_and_standing_answers(turn: Turn) -> None:
    own = without(turn, 0)
    asked, answer, *_ = chat_messages([own, new_turn("And then?", None)], None)
    assert (asked["role"], answer["role"]) == ("user", "assistant")
    assert answer["content"] == as_typed(own["answer"] or "") != as_typed(turn["answer"] or "")


def test_a_turn_without_an_answer_says_so_and_why() -> None:
    failed: Turn = {**new_turn("Why <b>?", None), "error": "the server <x> is away; start it"}
    assert said(chat_messages([failed], None)) == ["Why &lt;b>?", "**No answer.** The server &lt;x> is away; start it."]
    assert said(chat_messages([new_turn("Why?", None)], None))[1:] == [UNANSWERED]


def test_at_work_the_draft_so_far_is_no_answer_yet() -> None:
    working = replace(begun(new_turn("Why?", None)), has_started=True)
    assert said(chat_messages([], working)) == ["Why?", WAITING]
    assert said(chat_messages([], replace(working, draft="It <is"))) == ["Why?", f"{DRAFT_HEAD}\n\nIt &lt;is"]


@pytest.mark.parametrize(("ahead", "told"), [(1, "1 question before"), (2, "2 questions before")])
def test_in_the_queue_it_says_how_many_are_before(ahead: int, told: str) -> None:
    assert told in said(chat_messages([], replace(begun(new_turn("Why?", "It is.")), ahead=ahead)))[-1]


def test_a_turn_at_work_stands_where_it_was_asked(turn: Turn) -> None:
    other = new_turn("And then?", None)
    own = begun(without(turn, 0))
    assert chat_messages([turn, other], own) == chat_messages([own.turn, other], None)
    assert said(chat_messages([turn], begun(other)))[-2:] == ["And then?", WAITING]


@pytest.mark.parametrize("unit", ["**_`", "1. x\n", "| a | b |\n", "```\n<b>"])
def test_a_text_too_long_to_be_rendered_is_shown_as_it_was_typed(unit: str) -> None:
    text = unit * (1 + LONGEST_RENDERED // len(unit))
    fence, *lines, end = as_typed(text).split("\n")
    assert "\n".join(lines) == text
    assert fence == f"{end}text"
    assert end not in text
