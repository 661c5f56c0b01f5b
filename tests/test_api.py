"""The agent from Python: what may go in, what comes out, and in which order a stream brings it."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import groupby

import pytest
from fakes import bench, edited, says
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

import agent
from agent.errors import CancelledError, ClinAlignError, InputError
from agent.events import AnswerToken, DraftToken, StageEvent, VerdictGiven
from agent.state import AgentOutput
from principles_store.conversation import ConversationError
from principles_store.library import load_library

QUESTION = "Is a resting pulse of 58 normal for a fit adult?"
DRAFT = "Yes. Rest well."
KEYS = {
    "answer", "draft", "accepted", "stopped_because", "scenario", "principles", "rubric", "critiques", "edits", "patches",
    "rounds", "usage", "calls", "engine", "models", "library_hash", "rubrics_hash", "seeds", "warnings",
}  # fmt: skip


def timeless(answer):
    return {**answer, "usage": {**answer["usage"], "seconds": 0}}


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        [{"role": "user", "content": QUESTION}],
        [("user", QUESTION)],
        [HumanMessage(QUESTION)],
        ({"role": "user", "content": [{"type": "text", "text": QUESTION}]},),
        {"question": QUESTION},
        {"conversation": [{"role": "user", "content": QUESTION}]},
        {"messages": [HumanMessage(QUESTION)]},
        {"conversation": QUESTION, "draft": DRAFT},
    ],
    ids=["text", "messages", "pairs", "langchain", "parts", "question", "conversation", "langgraph", "with draft"],
)
def test_every_form_of_a_question_gives_the_same_answer(context, question):
    expected = agent.invoke(QUESTION, draft=DRAFT, context=context)
    assert timeless(agent.invoke(question, draft=DRAFT, context=context)) == timeless(expected)


def test_a_long_conversation_of_langchain_messages_is_understood(context):
    turns = [SystemMessage("Be kind."), HumanMessage("Hi"), AIMessage("Hello, how can I help?"), HumanMessage(QUESTION)]
    assert agent.invoke(turns, draft=DRAFT, context=context)["draft"] == DRAFT


def test_the_draft_may_come_with_the_mapping_and_an_argument_wins(context):
    asked = {"question": QUESTION, "draft": "From the mapping."}
    assert agent.invoke(asked, context=context)["draft"] == "From the mapping."
    assert agent.invoke(asked, draft=DRAFT, context=context)["draft"] == DRAFT


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        ("", ConversationError, "empty"),
        ("  \n", ConversationError, "empty"),
        ([], ConversationError, "non-empty list"),
        (None, ConversationError, "non-empty list"),
        (5, ConversationError, "non-empty list"),
        ({}, ConversationError, "non-empty list"),
        ({"draft": "x"}, ConversationError, "non-empty list"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], ConversationError, "as the draft"),
        ([{"role": "robot", "content": "a"}], ConversationError, "message 1: role 'robot'"),
        ([{"role": "user", "content": 5}], ConversationError, "message 1: content must be text"),
        (["just text"], ConversationError, "message 1"),
        ("x" * 200_001, ConversationError, "shorten it"),
        ({"question": "a", "darft": "b"}, InputError, "unknown key 'darft'"),
        ({"question": "a", "draft": 5}, InputError, "draft must be text"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(context, question, error, message):
    with pytest.raises(error, match=message):
        agent.invoke(question, context=context)
    with pytest.raises(ClinAlignError, match=message):
        list(agent.stream(question, context=context))


def test_the_output_has_the_keys_of_the_contract_and_is_json(context):
    answer = agent.invoke("my stomach hurts what should i do", draft="Rest and drink water.", context=context)
    assert set(answer) == KEYS == set(AgentOutput.__annotations__)
    assert json.loads(json.dumps(answer)) == answer
    assert set(answer["usage"]) == {"calls", "input_tokens", "output_tokens", "cost", "seconds"}
    assert len(answer["library_hash"]) == 64
    assert {"id", "title", "dimension", "score"} <= set(answer["principles"][0])
    assert set(answer["rubric"][0]) == {"criterion", "points", "principle_id"}


@pytest.mark.parametrize("draft", [None, DRAFT])
def test_a_stream_ends_with_what_invoke_returns(context, draft):
    made = bench(context, {"new": says("new")}, edited("Rest", "new", DRAFT))
    *_, last = agent.stream(QUESTION, draft=draft, context=made.context)
    assert last.stage == "finish"
    again = bench(context, {"new": says("new")}, edited("Rest", "new", DRAFT))
    assert timeless(last.data) == timeless(agent.invoke(QUESTION, draft=draft, context=again.context))


def test_a_stream_brings_each_step_in_order_with_what_it_added(context):
    made = bench(context, {"new": says("new")}, edited("Rest", "new", DRAFT))
    events = [
        event for event in agent.stream(QUESTION, draft=DRAFT, context=made.context) if isinstance(event, StageEvent)
    ]
    assert [event.stage for event in events] == [
        "classify", "write_draft", "retrieve", "write_rubric", "critique", "revise", "check", "accept", "finish",
    ]  # fmt: skip
    data = {event.stage: event.data for event in events}
    assert data["classify"]["scenario"]["urgency"] == "non-emergent"
    assert data["write_draft"] == {"draft": DRAFT, "warnings": []}
    assert [row["criterion"] for row in data["write_rubric"]["rubric"]] == ["new"]
    assert all(set(event.data) <= KEYS for event in events)


def kinds(events):
    return [kind.__name__ for kind, _ in groupby(type(event) for event in events if not isinstance(event, StageEvent))]


def test_what_happens_within_a_step_is_told_before_the_step_ends(context):
    made = bench(context, {"new": says("new"), "rest": says("well")}, edited("Rest", "new", DRAFT))
    events = list(agent.stream(QUESTION, draft=DRAFT, context=made.context))
    assert kinds(events) == ["PrincipleFound", "VerdictGiven", "EditProposed", "VerdictGiven", "AnswerToken"]
    verdicts = [(e.version, e.verdict["verdict"]) for e in events if isinstance(e, VerdictGiven)]
    assert verdicts == [("draft", "unmet"), ("draft", "met"), ("revision", "met"), ("revision", "met")]


def test_only_what_has_passed_the_check_is_streamed_as_the_answer(context):
    made = bench(context, {"new": says("new")}, edited("Rest well.", "new", DRAFT))
    made.drafter.text = "Yes.  Rest\nwell."
    events = list(agent.stream(QUESTION, context=made.context))
    answer = [number for number, event in enumerate(events) if isinstance(event, AnswerToken)]
    stages = {event.stage: number for number, event in enumerate(events) if isinstance(event, StageEvent)}
    assert "".join(e.text for e in events if isinstance(e, DraftToken)) == events[-1].data["draft"] == made.drafter.text
    assert "".join(events[number].text for number in answer) == events[-1].data["answer"]
    assert stages["accept" if "accept" in stages else "revise"] < answer[0] < stages["finish"]


def test_a_run_that_nobody_waits_for_ends(context):
    made = bench(context, {"new": says("new")}, edited("Rest", "new", DRAFT))
    gone = threading.Event()
    with pytest.raises(CancelledError, match="nobody waits"):
        for event in agent.stream(QUESTION, draft=DRAFT, context=replace(made.context, cancelled=gone)):
            if isinstance(event, StageEvent) and event.stage == "critique":
                gone.set()
    assert len(made.judge.seen) == 1


def test_warnings_of_all_steps_reach_the_end_of_the_stream_once(context):
    made = bench(context, {"new": says("new")}, edited("Rest", "new " * 99, DRAFT))
    *_, last = agent.stream(QUESTION, draft=DRAFT, context=made.context)
    assert len(last.data["warnings"]) == 1


def test_an_emergency_is_known_before_anything_is_written(context):
    first = next(iter(agent.stream("He has crushing chest pain and can't breathe", draft="Rest.", context=context)))
    assert (first.stage, first.data["scenario"]["urgency"]) == ("classify", "emergent")


def test_classify_gives_four_dimensions_each_with_a_confidence(context):
    scenario = agent.classify([HumanMessage(QUESTION)], context=context)
    assert set(scenario) == {"urgency", "uncertainty", "expertise", "task_type", "confidence"}
    assert set(scenario["confidence"]) == set(scenario) - {"confidence"}
    assert all(0 <= share <= 1 for share in scenario["confidence"].values())


def test_runs_share_nothing(context):
    first = agent.invoke(QUESTION, draft=DRAFT, context=context)
    agent.invoke("He has crushing chest pain", draft="Rest.", context=context)
    assert timeless(agent.invoke(QUESTION, draft=DRAFT, context=context)) == timeless(first)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'answer'"):
        agent.answer  # noqa: B018


def test_every_exported_name_is_there():
    assert all(callable(getattr(agent, name)) for name in agent.__all__)


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    ).stdout


def test_importing_the_agent_loads_nothing_heavy():
    heavy = {
        "chromadb",
        "torch",
        "langgraph",
        "onnxruntime",
        "sentence_transformers",
        "transformers",
        "numpy",
        "tokenizers",
    }
    loaded = python("import sys, agent, principles_store; print(*sys.modules)").split()
    assert "agent" in loaded
    assert heavy & set(loaded) == set()


def test_the_first_call_opens_what_the_environment_names(data_dir, context):
    code = f"import agent; a = agent.invoke({QUESTION!r}, draft={DRAFT!r}); print(a['library_hash'], a['engine'])"
    library_hash, engine = python(code).strip().split(" ", 1)
    assert library_hash == load_library().content_hash
    assert engine == context.engine.name


def test_a_run_needs_neither_torch_nor_the_reference_model(data_dir):
    code = f"import sys, agent; agent.invoke({QUESTION!r}, draft={DRAFT!r}); print('torch' in sys.modules)"
    assert python(code).strip() == "False"
