"""Criteria told while the model writes them: whole ones only, in order, void where the reply is, and nothing where nobody asks."""

import json
from dataclasses import replace

import pytest
from scripted_model import ScriptedModel, criterion, critique, edit, edits, judged_by, with_model

from agent.api import stream
from agent.criteria_seen import CriteriaReader
from agent.events import CriteriaVoid, CriterionSeen, DraftToken, StageEvent
from agent.testing import FakeServer, Fault, Reply

QUESTION = "Can I take ibuprofen with lisinopril for a headache? My name is Maria Keller."
DRAFT = "Yes, you can. Take 400 mg with food."
TWO = critique(criterion("Says to ask a pharmacist {or a doctor}"), criterion("Is kind", points=-2, verdict="met"))
SEEN = [
    {"criterion": "Says to ask a pharmacist {or a doctor}", "points": 5, "verdict": "unmet"},
    {"criterion": "Is kind", "points": -2, "verdict": "met"},
]


def read(*pieces):
    told = []
    reader = CriteriaReader(told.append)
    for piece in pieces:
        reader(piece if isinstance(piece, DraftToken) else DraftToken(piece))
    return told


def seen(*rows):
    return [CriterionSeen(row) for row in rows]


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", " \n{}"], ids=["bare", "fenced", "spaced"])
def test_each_criterion_is_told_once_however_the_reply_is_cut(size, form):
    text = form.format(json.dumps(TWO, indent=2))
    assert read(*(text[at : at + size] for at in range(0, len(text), size))) == seen(*SEEN)


def test_a_criterion_is_told_as_soon_as_it_is_whole_and_no_sooner():
    text = json.dumps(TWO)
    first_ends = text.index("}, {") + 1
    assert read(text[: first_ends - 1]) == []
    assert read(text[:first_ends]) == seen(SEEN[0])


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here it is. {}",
        '{"criteria": {"a": 1}}',
        '{"criteria": [{"criterion": "no more than that"}]}',
        json.dumps(critique(criterion("a", verdict="yes"))),
        '{"criteria": [' + '[{"a":' * 100_000 + "}",
    ],
    ids=["prose", "no list", "half", "wrong verdict", "deep"],
)
def test_what_is_no_criterion_is_not_told(text):
    assert read(text) == []


def test_a_reply_begun_anew_voids_what_was_told_of_it_and_only_then():
    again = DraftToken("", restart=True)
    text = json.dumps(TWO)
    assert read(text, again, text) == [*seen(*SEEN), CriteriaVoid(), *seen(*SEEN)]
    assert read(text[:20], again, again, text) == seen(*SEEN)


def events_of(context, said, *, tells=True, draft=DRAFT, **options):
    """Run on a real connection and return the events of the critique, up to the end of its step."""
    model = ScriptedModel(
        critique=said, revise=edits(edit("ADD", 1, "Ask.")), judge=lambda prompt: judged_by("Ask", prompt, criteria=2)
    )
    with FakeServer(model) as server:
        context = replace(with_model(context, server, **options), tells_criteria=tells)
        events = list(stream(QUESTION, draft=draft, context=context))
        asked = [request.body.get("stream", False) for request in server.requests]
    end = next(n for n, event in enumerate(events) if isinstance(event, StageEvent) and event.stage == "write_rubric")
    return [event for event in events[:end] if isinstance(event, CriterionSeen | CriteriaVoid)], events[end].data, asked


@pytest.mark.parametrize("draft", [DRAFT, None], ids=["draft given", "draft written"])
def test_a_run_tells_the_criteria_before_its_step_ends(context, draft):
    told, data, asked = events_of(context, Reply(json.dumps(TWO), chunk_size=9), draft=draft)
    assert told == seen(*SEEN)
    assert [row["criterion"] for row in data["rubric"]] == [row["criterion"] for row in SEEN]
    streamed = 1 if draft else 2
    assert (all(asked[:streamed]), any(asked[streamed:])) == (True, False), "only what is shown is streamed"


def test_a_run_that_nobody_watches_tells_none_and_streams_nothing(context):
    told, data, asked = events_of(context, TWO, tells=False)
    assert (told, len(data["rubric"])) == ([], 2)
    assert not any(asked)


def test_a_critique_sent_back_voids_what_was_seen_of_it(context):
    bad = critique(criterion("a"), criterion("a"))
    told, _, _ = events_of(context, [bad, TWO])
    same = seen({"criterion": "a", "points": 5, "verdict": "unmet"})
    assert told == [*same, *same, CriteriaVoid(), *seen(*SEEN)]


def test_a_reply_that_breaks_off_voids_what_was_seen_of_it(context):
    broken = Fault.cut_stream(reply=json.dumps(TWO), after=len(json.dumps(TWO)) // 16 - 2)
    told, _, _ = events_of(context, [broken, TWO])
    assert told == [*seen(SEEN[0]), CriteriaVoid(), *seen(*SEEN)]


def test_names_are_put_back_before_a_criterion_is_told(context):
    told, data, _ = events_of(context, critique(criterion("Greets [NAME-1]"), criterion("Is kind")), redact=True)
    assert told[0].criterion["criterion"] == data["rubric"][0]["criterion"] == "Greets Maria"
