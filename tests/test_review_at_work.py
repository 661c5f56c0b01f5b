"""A conversation is worked on by one at a time; what was cut off is resumed before anything else, and what is stopped has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from review_work import BOTH, DRAFT, ID, OWNER, QUESTION, SECOND_ONLY, a_model, asked, last, reject, resumed
from scripted_model import ScriptedModel, with_model
from serving import acting

from agent.errors import InputError
from agent.review.claims import ConversationBusyError
from agent.review.conversations import Conversations
from agent.review.names import Owner
from agent.review.turn import STOPPED
from agent.state import AgentContext
from agent.testing import FakeServer


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


def test_a_turn_asked_and_not_yet_begun_makes_no_call_and_can_be_resumed(conversations, by_model, model, file):
    events = conversations.ask(OWNER, ID, QUESTION, DRAFT, context=by_model)
    next(events)
    events.close()
    assert model.asked == []
    assert conversations.is_unfinished(OWNER, ID)
    assert resumed(conversations, by_model)["answer"] == BOTH
    assert not conversations.is_unfinished(OWNER, ID)


def test_a_question_that_had_not_become_a_turn_yet_is_answered_all_the_same(conversations, by_model):
    given = {"question": QUESTION, "draft": DRAFT}
    config = {"configurable": {"thread_id": Owner(OWNER).thread(ID)}}
    list(conversations._graph.stream(given, config, context=by_model, interrupt_before=["ask"]))
    assert conversations.turns(OWNER, ID) == []
    assert conversations.is_unfinished(OWNER, ID)
    assert resumed(conversations, by_model)["answer"] == BOTH


def held_up(context, step):
    """Return a context whose runs wait in a step, whether they are there, and what lets them go."""
    there, go = threading.Event(), threading.Event()

    def act(name, ledger):
        if name == step:
            there.set()
            assert go.wait(20)

    return acting(context, act), there, go


def test_nobody_works_on_a_conversation_that_is_worked_on(conversations, context, file):
    held, there, go = held_up(context, "revise")
    other = Conversations(file)
    worker = threading.Thread(target=lambda: asked(conversations, held, draft="Rest well."))
    worker.start()
    assert there.wait(20)
    for each in (conversations, other):
        assert not each.is_unfinished(OWNER, ID)
        for events in (each.ask(OWNER, ID, "And?", None, context=held), each.resume(OWNER, ID, context=held)):
            with pytest.raises(ConversationBusyError, match="wait for it"):
                next(events)
        with pytest.raises(ConversationBusyError):
            each.delete(OWNER, ID)
        assert each.purge(days=0) == 0
    go.set()
    worker.join()
    other.close()
    assert conversations.turns(OWNER, ID)[-1]["answer"] == "Sleep well."


def test_no_question_comes_between_a_decision_and_its_verdicts(conversations, by_model):
    asked(conversations, by_model)
    events = conversations.decide(OWNER, ID, reject(0), by=None, context=by_model)
    next(events)
    with pytest.raises(ConversationBusyError):
        next(conversations.ask(OWNER, ID, "And?", None, context=by_model))
    assert last(events)["verdicts"] is not None
    assert asked(conversations, by_model, question="And?")["answer"] == BOTH


def test_a_decision_cut_off_before_its_verdicts_is_resumed_before_anything_else(conversations, by_model, file):
    asked(conversations, by_model)
    events = conversations.decide(OWNER, ID, reject(0), by=None, context=by_model)
    next(events)
    events.close()
    again = Conversations(file)
    assert again.is_unfinished(OWNER, ID)
    for call in (
        again.ask(OWNER, ID, "And?", None, context=by_model),
        again.decide(OWNER, ID, reject(1), by=None, context=by_model),
    ):
        with pytest.raises(ConversationBusyError, match="resume it first"):
            next(call)
    turn = resumed(again, by_model)
    assert (turn["answer"], [row["verdict"] for row in turn["verdicts"]]) == (SECOND_ONLY, ["unmet", "met"])
    again.close()


def test_a_decision_on_an_answer_that_is_the_last_no_more_is_refused(conversations, by_model):
    asked(conversations, by_model)
    late = conversations.decide(OWNER, ID, reject(0), by=None, context=by_model)
    asked(conversations, by_model, question="And?")
    with pytest.raises(InputError, match="gone on meanwhile"):
        next(late)


def test_a_turn_that_is_stopped_has_its_error_and_the_next_can_be_asked(conversations, context):
    held, there, go = held_up(context, "revise")
    held = replace(held, cancelled=threading.Event())
    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(asked, conversations, held, draft="Rest well.")
        assert there.wait(20)
        held.cancelled.set()
        go.set()
        assert (turn.result()["error"], turn.result()["answer"]) == (STOPPED, None)
    assert not conversations.is_unfinished(OWNER, ID)
    assert asked(conversations, context)["answer"]


def test_an_iterator_that_is_dropped_lets_go_of_the_conversation(conversations, by_model):
    asked(conversations, by_model)
    events = conversations.ask(OWNER, ID, "And?", DRAFT, context=by_model)
    next(events)
    next(events)
    events.close()
    if conversations.is_unfinished(OWNER, ID):
        resumed(conversations, by_model)
    assert conversations.turns(OWNER, ID)[-1]["answer"] == BOTH
