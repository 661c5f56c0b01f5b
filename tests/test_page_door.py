"""Who and what is let in to the page, how large, and that no stream is held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from page_inside import JOIN, LIMIT, STREAM, asked, door

from agent.errors import ConfigError
from agent.page.door import PageDoor, check_open


def test_a_body_of_the_largest_size_passes_whole() -> None:
    assert asked("POST", JOIN, content=b"x" * LIMIT).json() == {"size": LIMIT}


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 512):
        yield b"x" * 512


@pytest.mark.parametrize("size", [LIMIT + 1, 100 * LIMIT])
@pytest.mark.parametrize("is_told", [True, False])
def test_a_larger_one_is_refused_in_one_sentence_whether_its_size_is_told_or_not(size: int, is_told: bool) -> None:
    refusal = asked("POST", JOIN, content=b"x" * size if is_told else in_pieces(size + 512))
    assert refusal.status_code == 413
    assert refusal.json() == {"detail": "The request has more than 2 KiB; shorten the question or the draft."}


def test_a_size_that_is_a_lie_lets_no_more_in() -> None:
    refusal = asked("POST", JOIN, content=in_pieces(2 * LIMIT), headers={"content-length": "5"})
    assert refusal.status_code == 413


def test_what_is_sent_without_end_is_not_read_for_ever() -> None:
    taken = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            taken.append(512)
            yield b"x" * 512

    assert asked("POST", JOIN, content=endless()).status_code == 413
    assert sum(taken) < 10 * LIMIT


def test_a_client_that_goes_away_is_not_taken_for_one_that_has_sent_all() -> None:
    sent: list[Any] = []

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": JOIN, "scheme": "http", "headers": []}
    asyncio.run(door()(scope, gone, send))
    assert sent[0]["status"] == 400


# Who and what


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "[::1]:7860", "LOCALHOST:1"])
def test_its_own_machine_is_let_in(host: str) -> None:
    local = door(hosts=check_open("127.0.0.1", has_users=False, no_auth=False))
    assert asked("GET", "/", through=local, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7860", ""])
def test_another_name_for_this_machine_is_refused(host: str) -> None:
    local = door(hosts=check_open("127.0.0.1", has_users=False, no_auth=False))
    refusal = asked("GET", "/", through=local, headers={"host": host})
    assert refusal.status_code == 403
    assert "--auth" in refusal.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://192.0.2.1/",
        "/gradio_api/call/ask",
        "/gradio_api/run/ask",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/component_server",
        "/gradio_api/process_recording",
        "/gradio_api/deep_link",
        "/gradio_api/token",
        "/gradio_api//upload",
        "/gradio_api/queue/join/../../upload",
        "/monitoring/summary",
        "/docs",
        "/file=/etc/passwd",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_the_page_does_not_use_is_closed(path: str, method: str) -> None:
    reached: list[str] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])

    scope = {"type": "http", "method": method, "path": path, "scheme": "http", "headers": []}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(PageDoor(inside, health=dict, hosts=None, max_body_bytes=LIMIT)(scope, Any, send))  # type: ignore[arg-type]
    assert (sent[0]["status"], reached) == (404, [])


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://page.example"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
    ],
)
def test_other_sites_pages_are_refused(headers: dict[str, str]) -> None:
    assert asked("POST", JOIN, headers=headers).status_code == 403
    assert asked("GET", STREAM, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "https://behind.a.proxy.example"},
        {"sec-fetch-site": "none"},
        {"origin": "http://page.example"},
    ],
)
def test_its_own_page_is_let_in(headers: dict[str, str]) -> None:
    assert asked("POST", JOIN, headers=headers).status_code == 200


def test_a_link_from_another_site_leads_to_the_page_and_nowhere_else() -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert asked("GET", "/", headers=followed).status_code == 200
    assert asked("GET", "/logout", headers=followed).status_code == 403
    assert asked("GET", "/", headers=followed | {"sec-fetch-dest": "iframe"}).status_code == 403


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE"])
def test_other_methods_are_refused(method: str) -> None:
    assert asked(method, JOIN).status_code == 403


@pytest.mark.parametrize(
    ("host", "has_users", "no_auth", "hosts"),
    [
        ("127.0.0.1", False, False, frozenset({"127.0.0.1", "localhost", "::1"})),
        ("::1", False, False, frozenset({"127.0.0.1", "localhost", "::1"})),
        ("0.0.0.0", True, False, None),
        ("127.0.0.1", True, False, None),
        ("0.0.0.0", False, True, None),
    ],
)
def test_names_are_checked_where_nobody_logs_in(host: str, has_users: bool, no_auth: bool, hosts: Any) -> None:
    assert check_open(host, has_users=has_users, no_auth=no_auth) == hosts


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_others_are_not_let_in_by_mistake(host: str) -> None:
    with pytest.raises(ConfigError, match=r"--auth FILE\), or say --no-auth"):
        check_open(host, has_users=False, no_auth=False)


def test_users_and_no_users_contradict() -> None:
    with pytest.raises(ConfigError, match="contradicts"):
        check_open("0.0.0.0", has_users=True, no_auth=True)


def test_a_stream_is_not_held_up_and_ends_when_the_server_does() -> None:
    sent: list[Any] = []

    async def listening() -> None:
        through, came = door(), asyncio.Event()

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body"):
                came.set()

        async def receive() -> Any:
            await asyncio.sleep(60)

        scope = {"type": "http", "method": "GET", "path": STREAM, "scheme": "http", "headers": []}
        answer = asyncio.ensure_future(through(scope, receive, send))
        await asyncio.wait_for(came.wait(), 5)  # long before the stream's last event
        through.close()
        ended, _ = await asyncio.wait({answer}, timeout=5)
        assert ended

    asyncio.run(listening())
    assert [message.get("body") for message in sent] == [None, b"data: first\n\n", b""]
    assert (b"x-accel-buffering", b"no") in sent[0]["headers"]


def test_nothing_new_is_begun_once_the_server_is_being_stopped() -> None:
    through = door()
    through.close()
    assert asked("GET", STREAM, through=through).status_code == 503
