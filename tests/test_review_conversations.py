"""Conversations come back as they stood after a reload and a restart, to their owner alone, and are worked on by one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from review_work import (
    BOTH,
    DRAFT,
    FIRST_ONLY,
    ID,
    OWNER,
    QUESTION,
    SECOND_ONLY,
    a_model,
    accept,
    asked,
    decided,
    reject,
)
from scripted_model import ScriptedModel, with_model

from agent.errors import InputError
from agent.events import AnswerToken, DraftToken, StageEvent
from agent.review.claims import ConversationBusyError
from agent.review.conversations import Conversations
from agent.review.turn import TurnChanged
from agent.state import AgentContext
from agent.testing import FakeServer, Fault


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conversations.sqlite"


@pytest.fixture
def conversations(file: Path) -> Iterator[Conversations]:
    with closing(Conversations(file)) as conversations:
        yield conversations


@pytest.fixture
def model() -> ScriptedModel:
    return a_model()


@pytest.fixture
def by_model(context: AgentContext, model: ScriptedModel) -> Iterator[AgentContext]:
    with FakeServer(model) as server:
        yield with_model(context, server)


def test_the_first_event_is_the_turn_kept_before_any_work_and_the_last_its_answer(conversations, by_model, model):
    events = conversations.ask(OWNER, ID, QUESTION, None, context=by_model)
    first = next(events)
    assert (first.turn["question"], first.turn["output"], model.asked) == (QUESTION, None, [])
    assert conversations.turns(OWNER, ID) == [first.turn]
    rest = list(events)
    assert [TurnChanged, AnswerToken] == [type(rest[-1]), type(rest[-3])]
    assert "".join(event.text for event in rest if isinstance(event, DraftToken)) == DRAFT
    assert conversations.turns(OWNER, ID) == [rest[-1].turn]
    assert rest[-1].turn["answer"] == BOTH


def test_the_events_are_those_of_the_agent_each_once(conversations, by_model):
    stages = [
        e.stage for e in conversations.ask(OWNER, ID, QUESTION, DRAFT, context=by_model) if isinstance(e, StageEvent)
    ]
    assert stages == [
        "classify", "write_draft", "retrieve", "write_rubric", "critique", "revise", "check", "accept", "finish",
    ]  # fmt: skip


def test_a_restart_comes_back_to_the_pending_review(conversations, by_model, file):
    turn = asked(conversations, by_model)
    conversations.close()
    again = Conversations(file)
    assert again.turns(OWNER, ID) == [turn]
    assert not again.is_unfinished(OWNER, ID)
    assert list(again.resume(OWNER, ID, context=by_model)) == []
    assert decided(again, by_model, reject(0))["answer"] == SECOND_ONLY
    again.close()


def test_two_that_have_the_file_open_see_the_same(conversations, by_model, file):
    other = Conversations(file)
    asked(conversations, by_model)
    decided(other, by_model, reject(0), by="dr.x")
    (turn,) = conversations.turns(OWNER, ID)
    assert (turn["answer"], turn["decisions"][0]["by"]) == (SECOND_ONLY, "dr.x")
    assert decided(conversations, by_model, [*accept(0), *reject(1)])["answer"] == FIRST_ONLY
    other.close()


def test_a_decision_shows_what_stands_at_once_and_then_the_verdicts(conversations, by_model):
    asked(conversations, by_model)
    seen = [event.turn for event in conversations.decide(OWNER, ID, reject(0), by=None, context=by_model)]
    assert [turn["answer"] for turn in seen] == [SECOND_ONLY] * 2
    assert [turn["verdicts"] is None for turn in seen] == [True, False]


def test_a_second_question_follows_on_the_first(conversations, by_model, model):
    asked(conversations, by_model)
    decided(conversations, by_model, reject(0))
    asked(conversations, by_model, question="And with beer?", draft=None)
    assert [turn["question"] for turn in conversations.turns(OWNER, ID)] == [QUESTION, "And with beer?"]
    assert model.prompts[model.asked.index("draft")] == "And with beer?"


def test_nobody_reads_or_changes_anothers_conversation_by_its_id(conversations, by_model):
    asked(conversations, by_model)
    assert conversations.turns("mallory", ID) == []
    assert conversations.cards("mallory") == []
    assert not conversations.is_unfinished("mallory", ID)
    with pytest.raises(InputError, match="no answer to decide on"):
        conversations.decide("mallory", ID, reject(0), by=None, context=by_model)
    conversations.delete("mallory", ID)
    conversations.delete_all("mallory")
    assert len(conversations.turns(OWNER, ID)) == 1


def test_two_owners_may_use_the_same_id(conversations, context):
    asked(conversations, context, owner="a", question="Is 38 °C a fever?")
    asked(conversations, context, owner="b", question="Is 58 a normal pulse?")
    assert [conversations.turns(owner, ID)[0]["question"] for owner in "ab"] == [
        "Is 38 °C a fever?",
        "Is 58 a normal pulse?",
    ]


def test_cards_are_the_owners_conversations_newest_first(conversations, context):
    asked(conversations, context, id="one", question=f"First\n\n of all {'x' * 100}")
    asked(conversations, context, id="two")
    asked(conversations, context, id="one", question="Again?")
    cards = conversations.cards(OWNER)
    assert [(card.id, card.title) for card in cards] == [("one", f"First of all {'x' * 67}"), ("two", QUESTION)]
    assert datetime.now(UTC) - cards[0].updated < timedelta(seconds=20)


@pytest.mark.parametrize(
    ("question", "draft", "said"),
    [
        ("", None, "write a question"),
        (" \n", None, "write a question"),
        ("x" * 200_001, None, "200,001 characters"),
        ("half \ud83d", None, "half a character"),
        (QUESTION, " ", "the draft is empty"),
        (QUESTION, "x" * 200_001, "200,001 characters"),
    ],
)
def test_what_cannot_be_answered_is_told_by_the_call_and_leaves_nothing(conversations, context, question, draft, said):
    with pytest.raises(InputError, match=said):
        conversations.ask(OWNER, ID, question, draft, context=context)
    assert conversations.cards(OWNER) == conversations.turns(OWNER, ID) == []


def test_a_conversation_that_has_grown_too_long_is_told_so(conversations, by_model, monkeypatch):
    asked(conversations, by_model)
    monkeypatch.setattr("principles_store.conversation.MAX_CHARACTERS", len(QUESTION + BOTH) + 10)
    with pytest.raises(InputError, match="begin a new one"):
        conversations.ask(OWNER, ID, "And with beer?", None, context=by_model)


@pytest.mark.parametrize("id", ["", "x" * 65, "a\nb", "\ud83d"])
def test_what_is_no_id_is_refused(conversations, context, id):
    assert conversations.turns(OWNER, id) == []
    with pytest.raises(InputError, match="no id of a conversation"):
        conversations.ask(OWNER, id, QUESTION, None, context=context)


def test_a_decision_on_nothing_is_told_by_the_call(conversations, by_model, context):
    with pytest.raises(InputError, match="no answer to decide on"):
        conversations.decide(OWNER, ID, reject(0), by=None, context=by_model)
    asked(conversations, context, question="Hello there", draft="Hello.")
    with pytest.raises(InputError, match="no edits to decide on"):
        conversations.decide(OWNER, ID, reject(0), by=None, context=by_model)
    asked(conversations, by_model)
    for given, said in ((reject(0, 2), "no edit 2"), (["reject"], "found str"), ([], "at least one")):
        with pytest.raises(InputError, match=said):
            conversations.decide(OWNER, ID, given, by=None, context=by_model)
    assert conversations.turns(OWNER, ID)[-1]["decisions"] == []


def test_in_memory_nothing_is_written(by_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    conversations = Conversations(None)
    asked(conversations, by_model)
    assert decided(conversations, by_model, reject(0))["answer"] == SECOND_ONLY
    with pytest.raises(ConversationBusyError):
        both = [conversations.ask(OWNER, ID, "And?", None, context=by_model) for _ in range(2)]
        [next(events) for events in both]
    conversations.close()
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_fails_after_much_was_paid_for_leaves_the_best_version_so_far(conversations, context):
    with FakeServer(a_model(judge=Fault.http(400))) as server:
        turn = asked(conversations, with_model(context, server, max_attempts=1))
    assert (turn["answer"], turn["output"]["stopped_because"], turn["error"]) == (DRAFT, "model failed", None)
    assert "the best version until then" in turn["output"]["warnings"][0]


def test_a_turn_and_its_decisions_have_their_lines_in_the_trace(conversations, by_model, tmp_path):
    context = replace(by_model, trace=tmp_path / "trace.jsonl")
    turn = asked(conversations, context)
    decided(conversations, context, reject(0, comment="He knows Zelda"))
    decided(conversations, context, [*accept(0), *reject(1)])
    answer, *decisions = [json.loads(line) for line in context.trace.read_text(encoding="utf-8").splitlines()]
    assert answer["id"] == turn["id"]
    assert [line["answer"] for line in decisions] == [turn["id"]] * 2
    assert decisions[0]["decisions"] == [
        {"edit": 0, "principle_id": "model", "decision": "reject", "has_comment": True}
    ]
    assert [(line["left_out"], len(line["calls"])) for line in decisions] == [([0], 1), ([1], 1)]
    assert decisions[0]["verdicts"] == {"met": 1, "unmet": 1, "unknown": 0}
    assert "Zelda" not in context.trace.read_text(encoding="utf-8")
