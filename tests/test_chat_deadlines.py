"""What takes too long or is no longer wanted: time-outs, waits between attempts, limits of the run, callers who go."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from chat_client import NO_LIMITS, Listener, ask, both_ways, open_client, overhear

from agent.errors import CancelledError, LimitReachedError, ModelError
from agent.events import DraftToken
from agent.ledger import Ledger, Limits
from agent.testing import FakeServer, Fault, Reply

DRIPPING = Reply("drop " * 400, chunk_size=5, chunk_delay_s=0.02)


@both_ways
def test_silence_is_tried_twice_and_then_a_time_out(on_token: Listener | None) -> None:
    started = time.monotonic()
    with FakeServer(Fault.hang()) as server, pytest.raises(ModelError, match="raise the time-out") as caught:
        ask(open_client(server, timeout_s=0.1), on_token=on_token)
    assert (caught.value.fault, len(server.requests)) == ("time-out", 2)
    assert time.monotonic() - started < 2


def test_a_stream_that_drips_for_too_long_is_a_time_out() -> None:
    with FakeServer(DRIPPING) as server, pytest.raises(ModelError) as caught:
        ask(open_client(server, timeout_s=0.15), on_token=overhear)
    assert caught.value.fault == "time-out"


@both_ways
def test_the_wait_that_the_server_asks_for_is_kept(on_token: Listener | None) -> None:
    with FakeServer([Fault.http(429, retry_after_s=0.4), "Now."]) as server:
        assert ask(open_client(server), on_token=on_token) == "Now."
        first, second = (request.arrived_at for request in server.requests)
    assert 0.4 <= second - first < 1.5


@pytest.mark.parametrize(
    ("limits", "wait_s"), [(NO_LIMITS, 3600), (Limits(max_seconds=1), 30)], ids=["ever", "in this run"]
)
def test_a_wait_that_is_too_long_is_not_begun(limits: Limits, wait_s: int) -> None:
    started = time.monotonic()
    with FakeServer(Fault.http(429, retry_after_s=wait_s)) as server, pytest.raises(ModelError) as caught:
        ask(open_client(server), ledger=Ledger(limits))
    assert (caught.value.fault, len(server.requests)) == ("overloaded", 1)
    assert f"would be in {wait_s} s, too late" in str(caught.value)
    assert time.monotonic() - started < 1


def test_waits_grow_and_vary() -> None:
    with FakeServer([Fault.http(500)] * 4 + ["Now."]) as server:
        ask(open_client(server, backoff_s=0.05))
        times = [request.arrived_at for request in server.requests]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert [gap >= 0.05 * 2**n / 2 for n, gap in enumerate(gaps)] == [True] * 4


@both_ways
def test_the_time_limit_of_the_run_ends_a_call_under_way(on_token: Listener | None) -> None:
    started = time.monotonic()
    with FakeServer(Fault.hang()) as server:
        with pytest.raises(LimitReachedError) as caught:
            ask(open_client(server), ledger=Ledger(Limits(max_seconds=0.2)), on_token=on_token)
        assert caught.value.limit == "seconds"
        gone(server)
    assert time.monotonic() - started < 5


def test_the_time_limit_of_the_run_ends_the_retries() -> None:
    with FakeServer(Fault.http(500)) as server, pytest.raises((LimitReachedError, ModelError)):
        ask(open_client(server, max_attempts=10_000), ledger=Ledger(Limits(max_seconds=0.3)))
    assert len(server.requests) < 50


def test_no_call_is_begun_past_a_limit() -> None:
    with FakeServer("never asked") as server, pytest.raises(LimitReachedError, match="calls"):
        ask(open_client(server), ledger=Ledger(Limits(max_calls=0)))
    assert server.requests == []


def gone(server: FakeServer) -> float:
    """Return the seconds until the server notices that its client has left."""
    started = time.monotonic()
    while not server.disconnects and time.monotonic() - started < 5:
        time.sleep(0.005)
    assert server.disconnects == 1
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("script", "on_token"),
    [(Fault.hang(), None), (Fault.hang(), overhear), (DRIPPING, overhear)],
    ids=["before the whole reply", "before the first byte", "in the stream"],
)
def test_cancelling_closes_the_connection_at_once(script: Fault | Reply, on_token: Listener | None) -> None:
    cancelled = threading.Event()

    def cancel_soon(_: object) -> Fault | Reply:
        threading.Timer(0.1, cancelled.set).start()
        return script

    with FakeServer(cancel_soon) as server:
        with pytest.raises(CancelledError):
            ask(open_client(server), ledger=Ledger(NO_LIMITS, cancelled=cancelled), on_token=on_token)
        assert gone(server) < 1


def test_cancelling_ends_a_wait_between_attempts() -> None:
    cancelled = threading.Event()
    started = time.monotonic()
    with FakeServer(Fault.http(429, retry_after_s=60)) as server:
        threading.Timer(0.1, cancelled.set).start()
        with pytest.raises(CancelledError):
            ask(open_client(server), ledger=Ledger(NO_LIMITS, cancelled=cancelled))
    assert time.monotonic() - started < 2


def test_a_receiver_of_tokens_that_fails_ends_the_call() -> None:
    def refuse(token: DraftToken) -> None:
        raise RuntimeError("full")

    with FakeServer(DRIPPING) as server:
        with pytest.raises(RuntimeError, match="full"):
            ask(open_client(server), on_token=refuse)
        assert gone(server) < 1
