"""What comes through a stream, when, and in which order: only checked text is the answer."""

import json
import threading
import time

import pytest
from openai import APIError
from serving import ANSWER, ASKED, DRAFT, EMERGENCY, HTTP, acting, served

from agent.errors import ModelError
from agent.events import AnswerToken, DraftToken, StageEvent
from agent.serving import exchange
from agent.serving.openai_reply import Reply, chunks_of


@pytest.fixture(scope="module")
def server(context):
    with served(acting(context)) as running:
        yield running


def chunks(server, **more):
    more = {"messages": ASKED, "extra_body": {"clinalign": {"draft": DRAFT}}} | more
    return list(server.client.chat.completions.create(model=server.model, stream=True, **more))


def told(chunk):
    """Return the event of a chunk, by its name and what sets it apart."""
    event = getattr(chunk, "clinalign", {})
    return event.get("stage") or event.get("event") or ("answer" if chunk.choices[0].delta.content else "start")


def runs(names):
    """Return the names with repetitions left out."""
    return [name for number, name in enumerate(names) if names[number - 1 : number] != [name]]


def test_events_come_in_the_order_of_the_work_and_the_answer_after_the_check(server):
    assert runs([told(chunk) for chunk in chunks(server)]) == [
        "start", "classify", "write_draft", "principle", "retrieve", "write_rubric", "verdict", "usage", "critique",
        "edit", "usage", "revise", "check", "verdict", "usage", "accept", "answer", "finish", "result",
    ]  # fmt: skip


def test_only_checked_text_is_the_answer(server):
    got = chunks(server, extra_body={})
    drafted = "".join(chunk.clinalign["text"] for chunk in got if told(chunk) == "draft")
    assert drafted.strip() == DRAFT
    assert "".join(chunk.choices[0].delta.content or "" for chunk in got) == ANSWER
    assert [chunk for chunk in got if told(chunk) == "draft" and chunk.choices[0].delta.content] == []


def test_the_answer_comes_in_pieces_and_ends_once(server):
    got = chunks(server)
    assert len([chunk for chunk in got if chunk.choices[0].delta.content]) > 1
    assert [chunk.choices[0].finish_reason for chunk in got if chunk.choices[0].finish_reason] == ["stop"]
    assert {(chunk.id, chunk.model) for chunk in got} == {(got[0].id, "clinalign/fake:model")}
    assert got[0].choices[0].delta.role == "assistant"


def test_the_result_at_the_end_is_that_of_the_answer_in_one_piece(server):
    def timeless(result):
        return {key: value for key, value in result.items() if key not in ("event", "usage")}

    whole = server.client.chat.completions.create(
        model=server.model, messages=ASKED, extra_body={"clinalign": {"draft": DRAFT}}
    )
    assert timeless(chunks(server)[-1].clinalign) == timeless(whole.clinalign)


@pytest.mark.parametrize("wanted", [True, False])
def test_usage_has_a_chunk_of_its_own_if_asked_for(server, wanted):
    *_, finish, last = chunks(server, stream_options={"include_usage": wanted})
    assert bool(last.usage) == wanted
    if wanted:
        assert (last.choices, last.usage.total_tokens, finish.usage) == ([], 330, None)


def test_an_emergency_is_noticed_before_anything_else(server):
    got = chunks(server, messages=[{"role": "user", "content": EMERGENCY}])
    assert [told(chunk) for chunk in got[:3]] == ["start", "notice", "classify"]
    assert "emergency number" in got[1].clinalign["text"]


def test_what_is_known_comes_while_the_rest_is_still_worked_on(context):
    free = threading.Event()
    with served(acting(context, lambda step, ledger: free.wait(10))) as server:
        stream = server.client.chat.completions.create(
            model=server.model, messages=ASKED, stream=True, extra_body={"clinalign": {"draft": DRAFT}}
        )
        for chunk in stream:  # the judge waits until its rubric is on the screen
            if told(chunk) == "write_rubric":
                free.set()
        assert free.is_set()


def test_the_first_event_comes_at_once_and_silence_is_filled(context, monkeypatch):
    monkeypatch.setattr(exchange, "KEEP_ALIVE_S", 0.05)
    with (
        served(acting(context, lambda step, ledger: time.sleep(0.2))) as server,
        HTTP.stream("POST", f"{server.url}/v1/chat/completions", json=server.body(stream=True)) as reply,
    ):
        started = time.monotonic()
        lines = reply.iter_lines()
        first = next(lines)
        assert time.monotonic() - started < 0.2  # before the first step ends
        rest = [line for line in lines if line]
    assert first.startswith("data: ")
    assert rest.count(": checking") >= 3
    assert rest[-1] == "data: [DONE]"
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["x-accel-buffering"] == "no"


def test_an_error_in_the_middle_is_an_error_and_never_text(context):
    def fail(step, ledger):
        raise ModelError("the model's server is down", "unreachable")

    with served(acting(context, fail)) as server:
        got = []
        with pytest.raises(APIError, match="is down") as caught:
            got.extend(
                server.client.chat.completions.create(
                    model=server.model, messages=ASKED, stream=True, extra_body={"clinalign": {"draft": DRAFT}}
                )
            )
        raw = server.post(stream=True)
    assert caught.value.body["type"] == "upstream_error"
    *_, last = [line for line in raw.text.splitlines() if line]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "unreachable"
    assert "[DONE]" not in raw.text
    assert '"content":"' not in raw.text.replace('"content":""', "")


def test_no_character_of_a_text_breaks_a_line_of_the_stream(context):
    odd = "Sleep well.\u2028Rest \x85 \u2029 caf\u00e9 \U0001f600."
    with served(acting(context)) as server:
        body = server.body(stream=True, clinalign={"draft": odd})
        with HTTP.stream("POST", f"{server.url}/v1/chat/completions", json=body) as reply:
            lines = [line for line in reply.iter_lines() if line.startswith("data: ")]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == odd


def test_neighbouring_pieces_are_joined_and_nothing_is_lost_or_moved():
    events = [
        DraftToken("a "), DraftToken("b "), DraftToken("c", restart=True), StageEvent("check", {}),
        *(AnswerToken(f"word{number} ") for number in range(30)),
    ]  # fmt: skip
    got = list(chunks_of(events, Reply("m")))
    drafts = [chunk["clinalign"] for chunk in got if chunk.get("clinalign", {}).get("event") == "draft"]
    pieces = [chunk["choices"][0]["delta"].get("content") for chunk in got[3:]]
    assert [(draft["text"], draft["restart"]) for draft in drafts] == [("a b ", False), ("c", True)]
    assert got[2]["clinalign"] == {"event": "stage", "stage": "check"}
    assert "".join(pieces) == "".join(f"word{number} " for number in range(30))
    assert all(len(piece) >= 48 for piece in pieces[:-1])
