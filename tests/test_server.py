"""The server as an OpenAI client meets it: answers, what they cost, and what the server says of itself."""

import asyncio

import pytest
from serving import ANSWER, ASKED, DRAFT, EMERGENCY, HTTP, QUESTION, Served, acting, served
from waiting import wait_until

DRAFTED = {"clinalign": {"draft": DRAFT}}


@pytest.fixture(scope="module")
def server(context):
    with served(acting(context)) as running:
        yield running


def ask(server: Served, **more):
    more = {"messages": ASKED, "extra_body": DRAFTED} | more
    return server.client.chat.completions.create(model=server.model, **more)


async def ask_async(server: Served, *, stream: bool):
    async with server.async_client as client:
        reply = await client.chat.completions.create(
            model=server.model, messages=ASKED, stream=stream, extra_body=DRAFTED
        )
        if not stream:
            return reply.choices[0].message.content
        return "".join([chunk.choices[0].delta.content or "" async for chunk in reply])


def test_the_official_client_gets_the_revised_draft(server):
    reply = ask(server)
    choice = reply.choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", ANSWER, "stop")
    assert (reply.object, reply.model) == ("chat.completion", "clinalign/fake:model")
    assert reply.id.startswith("chatcmpl-")
    assert reply._request_id == reply.id


def test_streamed_or_not_sync_or_async_the_answer_is_the_same(server):
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in ask(server, stream=True))
    answers = {asyncio.run(ask_async(server, stream=stream)) for stream in (False, True)}
    assert answers | {streamed} == {ANSWER}


def test_any_other_client_of_openai_works_too(server):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=server.model, base_url=f"{server.url}/v1", api_key="any", max_retries=0)
    assert model.invoke(QUESTION).content == ANSWER
    assert "".join(chunk.text for chunk in model.stream(QUESTION)) == ANSWER


def test_without_a_draft_the_model_writes_one(server):
    reply = ask(server, extra_body={})
    assert reply.choices[0].message.content == ANSWER
    assert reply.clinalign["draft"] == DRAFT
    assert [call["step"] for call in reply.clinalign["calls"]] == ["draft", "critique", "revise", "judge"]


def test_the_extension_tells_how_the_answer_came_about(server):
    told = ask(server).clinalign
    assert (told["accepted"], told["stopped_because"]) == (True, "revision accepted")
    assert (told["draft"], told["notice"], told["thread"]) == (DRAFT, None, None)
    assert [edit["after"] for edit in told["edits"]] == ["Sleep"]
    assert [rows[0]["verdict"] for rows in told["critiques"]] == ["unmet", "met"]
    assert told["scenario"]["urgency"] == "non-emergent"
    assert {"principles", "rubric", "warnings", "engine", "models", "library_hash", "disclaimer"} <= set(told)


def test_usage_counts_the_hidden_calls_and_breaks_them_down(server):
    usage = ask(server).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (300, 30, 330)
    assert usage.prompt_tokens_details.cached_tokens == 120
    assert usage.completion_tokens_details.reasoning_tokens == 9
    assert list(usage.clinalign["steps"]) == ["critique", "revise", "judge"]
    assert usage.clinalign["steps"]["judge"] == {
        "model": "fake:model", "calls": 1, "seconds": 0.5, "prompt_tokens": 100, "cached_tokens": 40,
        "completion_tokens": 10, "reasoning_tokens": 3,
    }  # fmt: skip


def test_an_emergency_is_noticed_beside_the_answer(server):
    reply = ask(server, messages=[{"role": "user", "content": EMERGENCY}])
    assert "emergency number" in reply.clinalign["notice"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "developer", "content": "Be kind."}, *ASKED],
        [{"role": "system", "content": "Be kind."}, *ASKED, {"role": "assistant", "content": "Yes."}, *ASKED],
        [{"role": "user", "content": [{"type": "text", "text": "Is 58 "}, {"type": "text", "text": "normal?"}]}],
        [{"role": "user", "name": "Pat", "content": QUESTION}],
    ],
    ids=["developer", "long", "parts", "name"],
)
def test_every_way_to_write_text_is_understood(server, messages):
    assert ask(server, messages=messages).choices[0].message.content == ANSWER


def test_what_has_no_effect_is_taken_and_named(server):
    reply = ask(server, temperature=0.2, max_tokens=5, seed=1, user="u", stop=["."], n=1, logprobs=False)
    assert reply.choices[0].message.content == ANSWER
    assert reply.clinalign["ignored"] == ["max_tokens", "seed", "stop", "temperature", "user"]


def test_the_model_carries_the_recipe_and_is_listed(server):
    assert [model.id for model in server.client.models.list()] == ["clinalign/fake:model"]
    assert server.client.models.retrieve("clinalign/fake:model").owned_by == "clinalign"


def test_health_tells_engine_library_and_readiness(server, context):
    health = server.health()
    assert (health["status"], health["ready"], health["in_flight"], health["waiting"]) == ("ok", True, 0, 0)
    assert health["library_hash"] == context.index.library.content_hash
    assert (health["engine"], health["model"]) == ("fake engine", "clinalign/fake:model")


def test_metrics_count_requests_answers_calls_and_tokens(context):
    with served(acting(context)) as server:
        assert server.post().status_code == 200
        assert server.post(model="other").status_code == 404
        expected = {
            'clinalign_requests_total{outcome="answered"}': 1,
            'clinalign_requests_total{outcome="bad_request"}': 1,
            'clinalign_requests_total{outcome="timeout"}': 0,
            'clinalign_request_seconds_count{outcome="answered"}': 1,
            'clinalign_answers_total{result="accepted"}': 1,
            'clinalign_answers_total{result="kept"}': 0,
            'clinalign_model_calls_total{step="revise"}': 1,
            'clinalign_model_call_seconds_total{step="judge"}': 0.5,
            'clinalign_tokens_total{kind="prompt"}': 300,
            'clinalign_tokens_total{kind="cached"}': 120,
            'clinalign_tokens_total{kind="completion"}': 30,
            "clinalign_runs_in_flight": 0,
        }
        wait_until(
            lambda: server.metric('clinalign_requests_total{outcome="answered"}')
        )  # counted when the reply has gone
        assert {line: server.metric(line) for line in expected} == expected


def test_metrics_are_what_prometheus_reads(server):
    from prometheus_client.parser import text_string_to_metric_families

    reply = HTTP.get(f"{server.url}/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "clinalign_runs_waiting" in {family.name for family in text_string_to_metric_families(reply.text)}


def test_a_page_of_another_site_gets_no_leave(server):
    headers = {"origin": "https://example.org", "access-control-request-method": "POST"}
    preflight = HTTP.options(f"{server.url}/v1/chat/completions", headers=headers)
    plain = HTTP.get(f"{server.url}/health", headers=headers)
    assert preflight.status_code == 405
    assert not any(name.startswith("access-control") for name in (*preflight.headers, *plain.headers))


def test_without_a_model_the_embedded_engine_answers_under_its_own_name(context):
    with served(context) as server:
        reply = server.client.chat.completions.create(model="clinalign/embedded", messages=ASKED)
    assert "No language model is configured" in reply.choices[0].message.content
    assert reply.usage.total_tokens == 0
