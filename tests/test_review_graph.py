"""The review graph by itself: decisions change the answer, and whatever goes wrong is told by the turn."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from review_work import BLEEDS, BOTH, DRAFT, FIRST_ONLY, PHARMACIST, QUESTION, SECOND_ONLY, a_model, accept, reject
from scripted_model import edit, edits, with_model
from serving import acting

from agent.errors import ModelError
from agent.ledger import Limits
from agent.review.graph import build_review_graph
from agent.review.turn import BUG, STOPPED, messages
from agent.testing import FakeServer, Fault

CONFIG = {"configurable": {"thread_id": "1"}}


class Thread:
    """One thread of a review graph."""

    def __init__(self, context):
        self.graph, self.context = build_review_graph(InMemorySaver()), context

    def ask(self, question=QUESTION, draft=DRAFT):
        return self._to({"question": question, "draft": draft})

    def decide(self, decisions):
        return self._to(Command(resume=decisions))

    def _to(self, given):
        self.state = self.graph.invoke(given, CONFIG, context=self.context)
        return self.state["turns"][-1]

    @property
    def request(self):
        return self.state["__interrupt__"][0].value


@pytest.fixture
def model():
    return a_model()


@pytest.fixture
def server(model):
    with FakeServer(model) as server:
        yield server


@pytest.fixture
def thread(context, server):
    return Thread(with_model(context, server))


def verdicts(turn):
    return [row["verdict"] for row in turn["verdicts"]]


def test_an_answer_with_edits_waits_for_a_person(thread):
    turn = thread.ask()
    assert (turn["answer"], turn["left_out"], turn["verdicts"], turn["error"]) == (BOTH, [], None, None)
    assert thread.request == {"turn": turn["id"], "edits": 2}


def test_an_answer_without_edits_waits_for_nobody(context):
    thread = Thread(context)
    thread.ask("Hello there", "Hello.")
    assert "__interrupt__" not in thread.state


@pytest.mark.parametrize(
    ("rejected", "text", "found"), [([1], FIRST_ONLY, ["met", "unmet"]), ([0], SECOND_ONLY, ["unmet", "met"])]
)
def test_a_rejected_edit_is_left_out_and_what_stands_is_judged_anew(thread, model, rejected, text, found):
    thread.ask()
    turn = thread.decide(reject(*rejected))
    assert (turn["answer"], turn["left_out"], verdicts(turn)) == (text, rejected, found)
    assert turn["output"]["answer"] == BOTH
    assert model.asked == ["critique", "revise", "judge", "judge"]
    assert [sentence in model.prompts[-1] for sentence in (PHARMACIST, BLEEDS)] == [word == "met" for word in found]


def test_with_everything_rejected_the_draft_stands_and_its_verdicts_are_known(thread, model):
    turn = thread.ask()
    all_rejected = thread.decide(reject(0, 1))
    assert (all_rejected["answer"], all_rejected["left_out"]) == (DRAFT, [0, 1])
    assert all_rejected["verdicts"] == turn["output"]["critiques"][0]
    assert len(model.asked) == 3


def test_a_decision_can_be_taken_back_and_the_log_keeps_both(thread, model):
    thread.ask()
    thread.decide(reject(0, 1))
    turn = thread.decide([*accept(0), *accept(1)])
    assert (turn["answer"], turn["left_out"], turn["verdicts"]) == (BOTH, [], None)
    assert [(d["edit"], d["decision"]) for d in turn["decisions"]] == [
        (0, "reject"), (1, "reject"), (0, "accept"), (1, "accept"),
    ]  # fmt: skip
    assert len(model.asked) == 3


def test_an_edit_goes_with_the_one_that_it_rests_on(context):
    later = edits(edit("MODIFY", 2, "Ask your pharmacist first, and stop if it bleeds.", criterion=2))
    model = a_model(revise=[edits(edit("ADD", 1, PHARMACIST)), later])
    with FakeServer(model) as server:
        thread = Thread(with_model(context, server, limits=Limits(max_rounds=2)))
        assert len(thread.ask()["output"]["edits"]) == 2
        turn = thread.decide(reject(0))
    assert (turn["answer"], turn["left_out"]) == (DRAFT, [0, 1])


def test_the_next_question_follows_on_what_the_person_let_stand(thread, model):
    thread.ask()
    thread.decide(reject(0))
    thread.ask("And with beer?")
    (first, _) = thread.state["turns"]
    assert messages([first])[-1] == {"role": "assistant", "content": SECOND_ONLY}
    critique = model.prompts[model.asked.index("critique", 1)]
    assert SECOND_ONLY in critique
    assert BOTH not in critique


def test_a_new_question_closes_a_pending_review(thread):
    first = thread.ask()
    second = thread.ask("And with beer?")
    turn = thread.decide(reject(0))
    assert turn["id"] == second["id"]
    assert thread.state["turns"][0] == first


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("yes", "a list"),
        ([], "at least one"),
        (reject(2), "no edit 2; the last answer has edits 0 to 1"),
        ([{"edit": True, "decision": "reject"}], "no edit True"),
        ([{"edit": 0, "decision": "maybe"}], "'maybe' on edit 0 is neither accept nor reject"),
        ([{"edit": 0, "decision": "accept", "note": ""}], "unknown key 'note'"),
        ([{"edit": 0, "decision": "accept", "comment": 3}], "comment of a decision must be text"),
        (reject(0, comment="\ud83d"), "half a character"),
        (reject(0, comment="x" * 10_001), "10,001 characters"),
        (["reject"], "found str"),
    ],
)
def test_what_is_no_decision_is_asked_for_again(thread, given, said):
    turn = thread.ask()
    assert thread.decide(given) == turn
    assert said in thread.request["error"]
    assert thread.decide(reject(0))["answer"] == SECOND_ONLY


@pytest.mark.parametrize("fault", [Fault.http(503), Fault.http(401), Fault.no_api()])
def test_a_model_that_fails_is_told_by_the_turn_with_what_to_do(context, fault):
    with FakeServer(fault) as server:
        turn = Thread(with_model(context, server, max_attempts=1)).ask()
    assert (turn["output"], turn["answer"]) == (None, None)
    assert "openai:fake" in turn["error"]
    assert messages([turn]) == []


def test_a_bug_is_told_as_one_and_quotes_nobody_in_the_log(context, caplog):
    def broken(step, ledger):
        raise ZeroDivisionError("her name is Zelda")

    with caplog.at_level(logging.INFO):
        turn = Thread(acting(context, broken)).ask()
    assert turn["error"] == BUG
    assert "ZeroDivisionError" in caplog.text
    assert "Zelda" not in caplog.text


def test_a_turn_that_is_cancelled_says_so(context):
    context = replace(context, cancelled=threading.Event())
    context.cancelled.set()
    assert Thread(context).ask()["error"] == STOPPED


def failing_after(calls, context, error):
    """Return a context whose judge fails from a call on."""

    class Judge:
        name = "failing"
        count = 0

        def judge(self, *given, ledger, **more):
            Judge.count += 1
            if Judge.count > calls:
                raise error
            return context.engine.judge.judge(*given, ledger=ledger, **more)

    return replace(context, engine=replace(context.engine, judge=Judge()))


@pytest.mark.parametrize(
    ("error", "said"),
    [(ModelError("the judge is out; try later", "overloaded"), "the judge is out; try later"), (KeyError("x"), BUG)],
)
def test_a_judge_that_fails_leaves_what_stands_without_verdicts(context, server, error, said):
    thread = Thread(failing_after(1, with_model(context, server), error))
    thread.ask()
    turn = thread.decide(reject(0))
    assert (turn["answer"], turn["verdicts"], turn["verdicts_error"]) == (SECOND_ONLY, None, said)
    again = thread.decide(reject(1))
    assert (again["answer"], again["verdicts_error"]) == (DRAFT, None)


def test_judging_again_is_held_to_the_limits(context, server):
    thread = Thread(with_model(context, server))
    thread.ask()
    thread.context = replace(thread.context, limits=Limits(max_calls=0))
    turn = thread.decide(reject(0))
    assert turn["verdicts"] is None
    assert "limit reached: calls" in turn["verdicts_error"]


def test_patches_that_do_not_fit_leave_the_answer_as_it_is(thread):
    thread.ask()
    turn = thread.state["turns"][-1]
    turn["output"]["patches"][0]["start"] = 10_000
    thread.graph.update_state(CONFIG, {"turns": [turn]}, as_node="answer")
    turn = thread.decide(reject(0))
    assert (turn["answer"], turn["left_out"], turn["verdicts_error"]) == (BOTH, [], BUG)


def test_half_a_character_of_a_model_is_kept_as_a_whole_one(context):
    with FakeServer(a_model(draft="Yes \ud83d, you can. Take 400 mg with food.")) as server:
        turn = Thread(with_model(context, server)).ask(draft=None)
    assert turn["answer"] == turn["output"]["draft"] == "Yes \ufffd, you can. Take 400 mg with food."


def test_the_state_is_plain_json(thread):
    thread.ask()
    thread.decide(reject(0))
    values = thread.graph.get_state(CONFIG).values
    assert json.loads(json.dumps(values)) == values


def test_the_agents_own_steps_leave_nothing_in_the_checkpoints(thread):
    thread.ask()
    namespaces = {saved.config["configurable"]["checkpoint_ns"] for saved in thread.graph.checkpointer.list(None)}
    assert namespaces == {""}


STRICT = """
import logging, sys
from pathlib import Path
from langgraph.types import Command
from agent.review.database import Database
from agent.review.graph import build_review_graph
from agent.review.turn import new_turn
logging.basicConfig(level=0)
graph = build_review_graph(Database(Path(sys.argv[1])).saver)
config = {"configurable": {"thread_id": "1"}}
output = {"edits": [{}], "draft": "a", "answer": "b", "patches": [{"start": 0, "end": 1, "text": "b", "edit": 0}],
          "critiques": [[{"verdict": "met"}], []]}
turn = new_turn("?", None) | {"output": output, "answer": "b"}
graph.update_state(config, {"turns": [turn]}, as_node="answer")
graph.invoke(None, config, context=None)
print(graph.get_state(config).interrupts[0].value["edits"])
"""


def test_strict_reading_of_checkpoints_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "true")
    command = [sys.executable, "-W", "error", "-c", STRICT, str(tmp_path / "c.sqlite")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr
    assert "msgpack" not in done.stderr
