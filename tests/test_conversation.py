"""What counts as a conversation, and which texts stand for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from principles_store.conversation import (
    MAX_CHARACTERS,
    VIEW_CHARACTERS,
    ConversationError,
    last_turn,
    parse_conversation,
    query_texts,
    user_text,
)

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "my chest hurts"},
]


@pytest.mark.parametrize(
    "data",
    [
        TURNS,
        tuple(TURNS),
        [(turn["role"], turn["content"]) for turn in TURNS],
        [("system", "Be brief."), ("human", "hi"), ("ai", "hello"), ("user", "my chest hurts")],
        [SystemMessage("Be brief."), HumanMessage("hi"), AIMessage("hello"), HumanMessage("my chest hurts")],
        [{"role": "developer", "content": "Be brief."}, *TURNS[1:]],
        [
            *TURNS[:3],
            {"role": "user", "content": [{"type": "text", "text": "my chest "}, {"type": "text", "text": "hurts"}]},
        ],
        [
            *TURNS[:2],
            AIMessage([{"type": "reasoning", "reasoning": "greeted"}, {"type": "text", "text": "hel"}, "lo"]),
            HumanMessage(["my chest ", "hurts"]),
        ],
        [{**turn, "name": "someone"} for turn in TURNS],
    ],
)
def test_the_usual_forms_of_messages_mean_the_same(data: Any) -> None:
    assert parse_conversation(data) == TURNS


@given(st.text(min_size=1).filter(str.strip))
def test_a_question_is_a_conversation_of_one_turn_and_stays_as_it_is(question: str) -> None:
    assert parse_conversation(question) == [{"role": "user", "content": question}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "the last user turn is empty"),
        (" \n", "the last user turn is empty"),
        ([], "non-empty list"),
        (None, "non-empty list"),
        (7, "non-empty list"),
        ({"role": "user", "content": "hi"}, "non-empty list"),
        (
            [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}],
            "ends with a turn of role 'assistant'",
        ),
        ([{"role": "user", "content": "hi"}, {"role": "tool", "content": "x"}], "message 2: role 'tool'"),
        ([{"content": "hi"}], "message 1: role None"),
        ([{"role": "user"}], "message 1: content must be text, found NoneType"),
        ([{"role": "user", "content": 3}], "message 1: content must be text, found int"),
        (["hi"], "message 1: role None"),
        (
            [{"role": "user", "content": [{"type": "text", "text": None}]}],
            "message 1: a part is {type: text, text: TEXT}",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], "message 1: a part is {type: text, text: TEXT}"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            "'image_url' can't be read, only text",
        ),
        ([{"role": "system", "content": [7]}], "message 1: a part of type 'int'"),
        ("x" * (MAX_CHARACTERS + 1), "200,001 characters, more than 200,000"),
    ],
)
def test_anything_else_is_an_error_that_names_the_message(data: Any, message: str) -> None:
    with pytest.raises(ConversationError, match=message) as caught:
        parse_conversation(data)
    assert "\n" not in str(caught.value)


def test_a_conversation_as_long_as_allowed_is_read() -> None:
    assert len(parse_conversation("x" * MAX_CHARACTERS)[0]["content"]) == MAX_CHARACTERS


def test_views_are_of_the_users_turns_alone() -> None:
    conversation = parse_conversation(TURNS)
    assert last_turn(conversation) == "my chest hurts"
    assert user_text(conversation) == "hi\nmy chest hurts"
    assert query_texts(conversation) == ["my chest hurts", "hi\nmy chest hurts"]


def test_a_single_question_has_a_single_view() -> None:
    assert query_texts(parse_conversation([TURNS[0], TURNS[3]])) == ["my chest hurts"]


def test_of_a_long_turn_head_and_tail_are_kept_and_of_a_long_conversation_the_end() -> None:
    long = "HEAD " + "x" * 5000 + " TAIL"
    last, everything = query_texts(parse_conversation([*TURNS[:3], {"role": "user", "content": long}]))
    assert last.startswith("HEAD ") and last.endswith(" TAIL") and len(last) == VIEW_CHARACTERS + 1
    assert everything == long[-VIEW_CHARACTERS:]
