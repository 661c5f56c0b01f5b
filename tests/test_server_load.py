"""Many at once, clients that go, and time that runs out: what is bounded stays bounded, and slots come free again."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import replace

import httpx
import pytest
from serving import ANSWER, DRAFT, HTTP, acting, eventually, served

from agent.ledger import Limits
from agent.serving import exchange


class Held:
    """An engine's calls that last until they are let go, or until nobody waits for them."""

    def __init__(self):
        self.free = threading.Event()
        self.at_work = 0
        self.most = 0
        self.cancelled = 0
        self._lock = threading.Lock()

    def __call__(self, step, ledger):
        with self._lock:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        while not self.free.wait(0.01) and not ledger.cancelled.is_set():
            pass
        with self._lock:
            self.at_work -= 1
            self.cancelled += ledger.cancelled.is_set()
        ledger.check()


async def ask_many(server, number, *, at_once=1_000):
    gate = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=None)) as client:

        async def one():
            async with gate:
                return await client.post(f"{server.url}/v1/chat/completions", json=server.body())

        return await asyncio.gather(*(one() for _ in range(number)))


def let_go(held, when):
    """Let an engine go on once something holds."""
    threading.Thread(target=lambda: eventually(when) and held.free.set(), daemon=True).start()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_ends_its_run_and_frees_the_slot(context, stream):
    held = Held()
    with served(acting(context, held), max_concurrency=1, max_waiting=0) as server:
        with pytest.raises(httpx.ReadTimeout):
            HTTP.post(f"{server.url}/v1/chat/completions", json=server.body(stream=stream), timeout=0.4)
        assert eventually(lambda: held.cancelled == 1)
        assert eventually(lambda: server.health()["in_flight"] == 0)
        assert eventually(lambda: server.metric('clinalign_requests_total{outcome="disconnected"}') == 1)
        held.free.set()
        assert server.post().json()["choices"][0]["message"]["content"] == ANSWER


def test_a_client_that_goes_while_it_waits_gives_up_its_place(context):
    held = Held()
    with served(acting(context, held), max_concurrency=1, max_waiting=1) as server, httpx.Client() as client:
        first = threading.Thread(target=server.post)
        first.start()
        assert eventually(lambda: held.at_work == 1)
        with pytest.raises(httpx.ReadTimeout):
            client.post(f"{server.url}/v1/chat/completions", json=server.body(), timeout=0.2)
        assert eventually(lambda: server.health()["waiting"] == 0)
        held.free.set()
        first.join()
        assert held.cancelled == 0


def test_no_more_than_allowed_work_at_once_and_all_get_their_answer(context):
    held = Held()
    with served(acting(context, held), max_concurrency=3) as server:
        let_go(held, lambda: held.at_work == 3 and server.health()["waiting"] == 9)
        replies = asyncio.run(ask_many(server, 12))
    assert {reply.json()["choices"][0]["message"]["content"] for reply in replies} == {ANSWER}
    assert held.most == 3


def test_a_full_queue_says_when_to_come_back(context):
    held = Held()
    with served(acting(context, held), max_concurrency=2, max_waiting=1) as server:
        let_go(held, lambda: server.metric('clinalign_requests_total{outcome="queue_full"}') == 7)
        replies = asyncio.run(ask_many(server, 10))
        refused = [reply for reply in replies if reply.status_code == 429]
        assert Counter(reply.status_code for reply in replies) == {200: 3, 429: 7}
        assert {reply.headers["retry-after"] for reply in refused} == {"2"}
        assert refused[0].json()["error"]["code"] == "queue_full"
        assert server.metric('clinalign_requests_total{outcome="queue_full"}') == 7


def test_a_full_server_says_that_it_is_not_ready(context):
    held = Held()
    with served(acting(context, held), max_concurrency=1, max_waiting=0) as server:
        asking = threading.Thread(target=server.post)
        asking.start()
        assert eventually(lambda: server.health()["ready"] is False)
        assert server.metric("clinalign_runs_in_flight") == 1
        held.free.set()
        asking.join()
        assert server.health()["ready"] is True


@pytest.mark.parametrize(("own", "servers"), [(60.0, 0.3), (None, 0.3), (0.3, 60.0)])
def test_at_the_lower_time_limit_the_best_version_so_far_is_the_answer(context, own, servers):
    limited = replace(acting(context, lambda step, ledger: time.sleep(0.2)), limits=Limits(max_seconds=own))
    with served(limited, max_seconds=servers) as server:
        reply = server.post().json()
    assert reply["choices"][0]["message"]["content"] == DRAFT
    assert reply["clinalign"]["stopped_because"] == "limit reached: seconds"


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_that_does_not_end_in_time_is_given_up(context, monkeypatch, stream):
    monkeypatch.setattr(exchange, "GRACE_S", 0.1)
    held = Held()
    with served(acting(context, held), max_seconds=0.3) as server:
        reply = server.post(stream=stream)
        assert eventually(lambda: held.cancelled == 1)
        assert server.metric('clinalign_requests_total{outcome="timeout"}') == 1
    error = reply.text.strip().splitlines()[-1].removeprefix("data: ")
    assert reply.status_code == (200 if stream else 504)
    assert '"type":"timeout_error"' in error.replace('": "', '":"')


def test_one_that_waits_too_long_may_come_again(context, monkeypatch):
    monkeypatch.setattr(exchange, "GRACE_S", 60.0)  # the first one keeps the only place however slow the machine is
    held = Held()
    with served(acting(context, held), max_concurrency=1, max_seconds=0.5) as server:
        first = threading.Thread(target=server.post)
        first.start()
        assert eventually(lambda: held.at_work == 1)
        time.sleep(0.2)  # its own time limit is worked out just after it was handed to a thread
        monkeypatch.setattr(exchange, "GRACE_S", -0.3)
        reply = server.post()
        held.free.set()
        first.join()
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "queue_timeout")
    assert reply.headers["retry-after"] == "2"


def test_the_end_of_the_server_ends_its_runs_and_tells_who_waits(context):
    held, replies = Held(), []
    with served(acting(context, held)) as server:
        asking = threading.Thread(target=lambda: replies.append(server.post()))
        asking.start()
        assert eventually(lambda: held.at_work == 1)
    asking.join(5)
    assert eventually(lambda: held.cancelled == 1)
    assert (replies[0].status_code, replies[0].json()["error"]["code"]) == (503, "shutting_down")


def test_sixteen_at_once_are_worked_on_at_once(context):
    call_s, requests, at_once = 0.1, 32, 16
    with served(acting(context, lambda step, ledger: time.sleep(call_s))) as server:
        asyncio.run(ask_many(server, 1))
        started = time.monotonic()
        replies = asyncio.run(ask_many(server, requests, at_once=at_once))
        took = time.monotonic() - started
    assert {reply.status_code for reply in replies} == {200}
    one_by_one = requests * 3 * call_s
    assert took < one_by_one / 3, f"{took:.2f} s; one by one {one_by_one:.2f}"
