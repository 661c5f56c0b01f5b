from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.api import invoke
from agent.page.view import WELCOME, at_work, notice, refusal, settled, standing
from agent.review.conversations import Card
from agent.review.progress import begun
from agent.review.turn import Turn, new_turn
from agent.state import EMERGENCY_NOTICE, AgentContext

QUESTION, DRAFT = "Crushing chest pressure into my left arm for 20 minutes, what now?", "It is probably heartburn."
CARD = Card("c1", "Crushing chest pressure", datetime(2026, 11, 22, 9, 5, tzinfo=UTC))


@pytest.fixture(scope="module")
def answered(context: AgentContext) -> Turn:
    output = invoke(QUESTION, draft=DRAFT, context=context)
    return {**new_turn(QUESTION, DRAFT), "output": output, "answer": output["answer"]}


def failed() -> Turn:
    return {**new_turn("Is it safe?", None), "error": "the model's server can't be reached; start it"}


def test_an_empty_conversation_welcomes(context: AgentContext) -> None:
    assert standing("", [], context.index.library) == ("", [], "", "", WELCOME)
    assert settled([], []).turns == []


def test_a_question_without_an_answer_is_back_in_its_field(context: AgentContext) -> None:
    view = settled([failed()], [])
    assert (view.question, view.draft) == ("Is it safe?", "")
    assert "be reached; start it" in standing("c1", [failed()], context.index.library).changes


def test_an_answered_question_leaves_the_fields_to_the_next(answered: Turn) -> None:
    view = settled([failed(), answered], [CARD])
    assert (view.question, view.draft) == (None, None)
    assert view.turns == [("Is it safe?", 0), ("Crushing chest pressure into my left arm for 20 minutes, …", 1)]
    assert view.earlier == [("Crushing chest pressure (22 Nov 09:05 UTC)", "c1")]


def test_the_emergency_notice_stays_with_the_answer(answered: Turn, context: AgentContext) -> None:
    assert EMERGENCY_NOTICE in standing("c1", [answered], context.index.library).notice


@pytest.mark.parametrize("scenario", [None, {"urgency": "non-emergent"}])
def test_no_alarm_without_an_emergency(scenario: Any) -> None:
    assert notice(scenario) == ""


def test_a_turn_at_work_shows_its_steps_and_an_answered_one_what_changed(answered: Turn, context: AgentContext) -> None:
    library = context.index.library
    working, judged_again = (at_work("c1", [], begun(turn), library) for turn in (new_turn(QUESTION, None), answered))
    assert "data-edit" not in working.changes
    assert "data-edit" in judged_again.changes


def test_a_refusal_is_escaped() -> None:
    assert "shorten &lt;it&gt;" in refusal(ValueError("shorten <it>"))
