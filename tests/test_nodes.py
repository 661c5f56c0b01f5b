"""Single steps: what they refuse, and what they leave to others."""

import pytest
from fakes import bench, edited, says

from agent.api import invoke, stream
from agent.errors import ClinAlignError, InputError, JudgeError
from agent.events import StageEvent
from agent.nodes import STEPS
from agent.rubric import Verdict
from agent.run_end import needs_more
from principles_store.conversation import MAX_CHARACTERS

DRAFT = "Rest well."


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        ("", "draft is empty"),
        (" \n\t", "draft is empty"),
        (5, "must be text, found int"),
        (["a"], "must be text, found list"),
        ("x" * (MAX_CHARACTERS + 1), "shorten it"),
        ("half a pair \ud83d", "surrogate"),
    ],
)
def test_a_draft_that_is_no_text_is_refused(context, draft, message):
    with pytest.raises(InputError, match=message):
        invoke("Is it safe?", draft=draft, context=context)


@pytest.mark.parametrize("rows", [[], [[]], [[Verdict("met")] * 2], [[Verdict("met")], [Verdict("met")]]])
def test_a_judge_with_a_wrong_number_of_verdicts_stops_the_run(context, rows):
    made = bench(context, {"a": says("a")})
    made.judge.judge = lambda *arguments, ledger: rows
    with pytest.raises(JudgeError, match="must give one verdict per criterion and answer"):
        invoke("Is it safe?", draft=DRAFT, context=made.context)


def test_an_engine_that_fails_is_an_error_and_not_an_answer(context):
    made = bench(context, {"a": says("a")})

    def fail(*arguments, ledger, **named):
        raise ClinAlignError("the model is gone")

    made.reviser.revise = fail
    with pytest.raises(ClinAlignError, match="the model is gone"):
        invoke("Is it safe?", draft=DRAFT, context=made.context)


def ran(made, draft=DRAFT):
    events = stream("Is it safe?", draft=draft, context=made.context)
    return [event.stage for event in events if isinstance(event, StageEvent)]


BEFORE = ["classify", "write_draft", "retrieve", "write_rubric"]


@pytest.mark.parametrize(
    ("rules", "revision", "after"),
    [
        ({}, edited("Rest", "Rest", DRAFT), ["finish"]),
        ({"rest": says("Rest")}, edited("Rest", "Rest", DRAFT), ["critique", "finish"]),
        ({"new": says("new")}, edited("Rest", "Rest", DRAFT), ["critique", "revise", "finish"]),
        ({"new": says("new")}, edited("Rest", "new " * 99, DRAFT), ["critique", "revise", "check", "finish"]),
        ({"new": says("new")}, edited("Rest", "new rest", DRAFT), ["critique", "revise", "check", "accept", "finish"]),
    ],
    ids=["no rubric", "all met", "no edit", "too long", "accepted"],
)
def test_no_step_runs_that_is_not_needed(context, rules, revision, after):
    assert ran(bench(context, rules, revision)) == BEFORE + after


def test_the_graph_runs_every_step_by_its_name():
    assert list(STEPS) == [*BEFORE, "critique", "revise", "check", "accept", "finish"]


@pytest.mark.parametrize(("reason", "more"), [(None, "continue"), ("no edit possible", "stop")])
def test_a_reason_to_stop_stops(reason, more):
    assert needs_more({"stopped_because": reason}) == more
