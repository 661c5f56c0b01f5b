from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import typer
from in_process import command_here

import app
from agent.api import invoke
from agent.engine import WrittenRubric
from agent.errors import ModelError
from agent.page.chat_tab import ChatTab
from agent.page.view import WELCOME, Live
from agent.review.conversations import Conversations
from agent.review.desk import Desk
from agent.state import EMERGENCY_NOTICE, AgentContext
from training.review.store import ReviewStore

QUESTION, DRAFT = (app.EXAMPLES[0][name] for name in ("question", "draft"))
ANN, BEN = (SimpleNamespace(cookies={"clinalign": letter * 43}, username=None) for letter in "ab")


@pytest.fixture
def desk(context: AgentContext) -> Iterator[Desk]:
    desk = Desk(context, Conversations(None), max_running=2, max_waiting=2, steps_at_once=2)
    yield desk
    desk.close()


@pytest.fixture
def tab(desk: Desk, context: AgentContext) -> ChatTab:
    return ChatTab(desk, context)


def shown(views: Any) -> dict[str, Any]:
    """Return what the page shows after all views."""

    async def follow() -> dict[str, Any]:
        page: dict[str, Any] = {}
        async for updates in views:
            page |= {
                name: value
                for name, value in zip((*Live._fields, "taken"), updates, strict=False)
                if value != gr.skip()
            }
        return page

    return asyncio.run(follow())


def test_an_example_is_answered_as_the_agent_does(tab: ChatTab, context: AgentContext) -> None:
    page = shown(tab.ask(QUESTION, DRAFT, "", ANN))
    assert page["chat"][-1]["content"] == invoke(QUESTION, draft=DRAFT, context=context)["answer"]


def test_the_conversation_is_there_when_the_page_is_opened_again(tab: ChatTab) -> None:
    page = shown(tab.ask(QUESTION, DRAFT, "", ANN))
    assert shown(tab.open(page["conversation"], ANN))["chat"] == page["chat"]


def test_nobody_opens_anothers_conversation_by_its_id(tab: ChatTab) -> None:
    id = shown(tab.ask(QUESTION, DRAFT, "", ANN))["conversation"]
    page = shown(tab.open(id, BEN))
    assert (page["conversation"], page["chat"], page["changes"]) == ("", [], WELCOME)


def test_a_rejected_edit_is_taken_back_and_comes_again(tab: ChatTab) -> None:
    page = shown(tab.ask(QUESTION, DRAFT, "", ANN))
    rejected = {"turn": None, "edits": [0, 1, 2], "decision": "reject", "comments": ["no", "", ""]}
    without = shown(tab.decide(page["conversation"], ANN, SimpleNamespace(**rejected)))
    assert without["chat"][-1]["content"] == DRAFT
    again = shown(tab.decide(page["conversation"], ANN, SimpleNamespace(**rejected | {"decision": "accept"})))
    assert again["chat"] == page["chat"]


def test_a_page_that_was_left_behind_decides_nothing(tab: ChatTab, desk: Desk) -> None:
    id = shown(tab.ask(QUESTION, DRAFT, "", ANN))["conversation"]
    seen = desk.turns(desk_owner := "browser:" + "a" * 43, id)[0]["id"]
    shown(tab.ask("Is a pulse of 58 normal?", "Great question! Yes, it is.", id, ANN))
    event = SimpleNamespace(turn=seen, edits=[0], decision="reject", comments=[""])
    page = shown(tab.decide(id, ANN, event))
    assert "has gone on meanwhile" in page["status"]
    assert len(page["chat"]) == 4
    assert [turn["decisions"] for turn in desk.turns(desk_owner, id)] == [[], []]


def test_a_conversation_that_another_tab_deleted_is_not_gone_on_with(tab: ChatTab) -> None:
    id = shown(tab.ask(QUESTION, DRAFT, "", ANN))["conversation"]
    tab.delete(id, ANN)
    assert "has been deleted" in shown(tab.ask("And now?", "", id, ANN))["status"]


@pytest.mark.parametrize(
    ("question", "draft", "message"),
    [(" ", "", "write a question"), ("x" * 200_001, "", "shorten it"), ("Is it safe?", "x" * 200_001, "shorten it")],
)
def test_a_refusal_says_what_to_do_and_leaves_all_else(tab: ChatTab, question: str, draft: str, message: str) -> None:
    page = shown(tab.ask(question, draft, "", ANN))
    assert list(page) == ["status"]
    assert message in page["status"]


def test_without_cookies_the_page_says_so(tab: ChatTab) -> None:
    nobody = SimpleNamespace(cookies={}, username=None)
    decision = SimpleNamespace(turn="t", edits=[0], decision="reject", comments=[""])
    for page in (shown(tab.ask(QUESTION, DRAFT, "", nobody)), shown(tab.decide("c", nobody, decision))):
        assert list(page) == ["status"]
        assert "allow cookies" in page["status"]


def test_the_emergency_notice_stays_where_no_answer_came(context: AgentContext) -> None:
    class Away:
        def write(self, *_: Any, **__: Any) -> WrittenRubric:
            raise ModelError("the model is away; start it", "unreachable")

    broken = replace(context, engine=replace(context.engine, rubric_writer=Away()))
    with closing(Desk(broken, Conversations(None), max_running=1, max_waiting=0, steps_at_once=1)) as desk:
        page = shown(ChatTab(desk, broken).ask(QUESTION, DRAFT, "", ANN))
    assert "the model is away" in page["chat"][-1]["content"].lower()
    assert EMERGENCY_NOTICE in page["notice"]


def test_old_conversations_are_forgotten_while_the_page_is_served(context: AgentContext) -> None:
    conversations = Conversations(None)
    desk = Desk(context, conversations, max_running=1, max_waiting=0, steps_at_once=1)
    shown(ChatTab(desk, context).ask(QUESTION, DRAFT, "", ANN))
    owner = "browser:" + "a" * 43

    async def serve() -> bool:
        async with app.lifespan_of(desk, conversations, keep_days=0)(None):
            for _ in range(200):
                if not desk.cards(owner):
                    return True
                await asyncio.sleep(0.05)
        return False

    assert len(desk.cards(owner)) == 1
    assert asyncio.run(serve())


def test_a_deleted_conversation_is_gone(tab: ChatTab, desk: Desk) -> None:
    id = shown(tab.ask(QUESTION, DRAFT, "", ANN))["conversation"]
    tab.delete(id, ANN)
    assert shown(tab.open(id, ANN))["chat"] == []


def test_who_thinks_better_of_deleting_keeps_all(tab: ChatTab) -> None:
    id = shown(tab.ask(QUESTION, DRAFT, "", ANN))["conversation"]
    assert tab.delete(None, ANN) == [gr.skip()] * len(Live._fields)
    assert shown(tab.open(id, ANN))["chat"] != []


def test_what_changed_in_an_earlier_answer_can_be_read_but_not_decided(tab: ChatTab) -> None:
    id = shown(tab.ask(QUESTION, DRAFT, "", ANN))["conversation"]
    assert "data-decision" in tab.show_changes(0, id, ANN)
    shown(tab.ask("And what if it goes away?", "Then all is well.", id, ANN))
    earlier = tab.show_changes(0, id, ANN)
    assert "data-edit" in earlier
    assert "data-decision" not in earlier


def test_the_page_is_bounded_and_offers_no_api(desk: Desk, context: AgentContext) -> None:
    page = app.build_page(desk, context)
    assert page._queue.max_size == page._queue.default_concurrency_limit == app.FOLLOWERS_AT_ONCE
    assert page.get_api_info()["named_endpoints"] == {}
    assert not page.analytics_enabled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--library", "nowhere"], "nowhere"),
        (["--host", "0.0.0.0"], "--auth FILE"),
        (["--auth", "nowhere"], "can't read the users"),
        (["--model", "nonsense"], "provider:name"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    done = command_here(lambda: typer.run(app.main), "app.py", "--port", "0", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_rubrics_are_shown_to_others_only_if_somebody_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    named = str(tmp_path / "named.sqlite3")
    assert app.open_reviews(None, others_come_in=True) is None
    for given, others in ((named, True), (None, False)):
        store = app.open_reviews(given, others_come_in=others)
        assert store is not None
        assert (named in store.name) is (given is not None)
        store.close()


def test_the_page_has_a_review_tab_where_there_is_a_store(desk: Desk, context: AgentContext, tmp_path: Path) -> None:
    with closing(ReviewStore(str(tmp_path / "reviews.sqlite3"))) as store:
        pages = [app.build_page(desk, context, reviews=given) for given in (store, None)]
    tabs = [[block.label for block in page.blocks.values() if isinstance(block, gr.Tab)] for page in pages]
    assert tabs == [["Chat", "Rubric review", "Principles"], ["Chat", "Principles"]]
