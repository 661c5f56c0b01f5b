"""The chat as a process: who gets in, whose conversations are whose, which of Gradio's own doors are shut, and how it ends."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_process import USERS, ChatProcess, Visitor, chat_process

QUESTION = "Is a resting pulse of 58 normal for a fit adult?"
DRAFT = "Yes, it is."
TOO_LARGE = "The request has more than 64 KiB; shorten the question or the draft."


def environment(folder: Path, built_store: Path) -> dict[str, str]:
    store = shutil.copytree(built_store, folder / "chroma")
    mine = {"CLINALIGN_STORE": str(store), "XDG_DATA_HOME": str(folder), "GRADIO_TEMP_DIR": str(folder / "gradio")}
    return os.environ | mine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


@pytest.fixture(scope="module")
def chat(folder: Path, built_store: Path) -> Iterator[ChatProcess]:
    """Return a chat for whoever is on this machine."""
    options = ["--port", "0", "--history", str(folder / "history.sqlite"), "--max-body-kb", "64"]
    with chat_process(*options, environment=environment(folder, built_store)) as found:
        yield found


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, built_store: Path) -> Iterator[ChatProcess]:
    """Return a chat for USERS."""
    folder = tmp_path_factory.mktemp("closed")
    users = folder / "users"
    users.write_text("".join(f"{name}:{password}\n" for name, password in USERS.items()), encoding="utf-8")
    users.chmod(0o600)
    options = ["--port", "0", "--no-history", "--auth", str(users)]
    with chat_process(*options, environment=environment(folder, built_store)) as found:
        yield found


def conversation(visitor: Visitor) -> str:
    """Have a question answered, and return the id of its conversation."""
    said = visitor.call("ask", QUESTION, DRAFT, "")
    found = re.search(r'"data":\["([0-9a-f]{16,})"', said)
    assert found, said[:2000]
    return found[1]


# Whose conversations are whose


def test_a_conversation_opens_for_its_own_browser_and_for_no_other(chat: ChatProcess) -> None:
    mine, other = chat.visitor(), chat.visitor()
    id = conversation(mine)
    assert QUESTION in mine.call("open", id)
    assert QUESTION not in other.call("open", id)


def test_a_conversation_opens_for_its_own_user_wherever_and_for_no_other(closed: ChatProcess) -> None:
    id = conversation(closed.visitor("ann"))
    assert QUESTION in closed.visitor("ann").call("open", id)
    assert QUESTION not in closed.visitor("bob").call("open", id)


def test_a_client_without_cookies_is_told_what_to_do(chat: ChatProcess) -> None:
    nobody = chat.visitor()
    nobody.client.cookies.clear()
    assert "allow cookies" in nobody.call("ask", QUESTION, DRAFT, "")


def test_two_who_ask_at_once_get_their_own_answers(chat: ChatProcess) -> None:
    drafts = [f"It is {number} beats." for number in (71, 72)]
    said: dict[str, str] = {}

    def ask(draft: str) -> None:
        said[draft] = chat.visitor().call("ask", QUESTION, draft, "")

    threads = [threading.Thread(target=ask, args=[draft]) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[draft in said[asked] for draft in drafts] for asked in drafts] == [[True, False], [False, True]]


# Logging in


def test_without_a_login_only_the_way_in_is_open(closed: ChatProcess) -> None:
    nobody = closed.visitor().client
    assert '"auth_required":true' in nobody.get("/").text
    assert nobody.get("/config").status_code == 401
    assert (
        nobody.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0, "session_hash": "x"}).status_code == 401
    )
    assert nobody.get("/gradio_api/queue/data", params={"session_hash": "x"}).status_code == 401
    assert nobody.get("/health").json()["engine"].startswith("embedded")


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong horse"), ("bob", "correct horse"), ("eve", "x"), ("", "")]
)
def test_a_wrong_password_lets_nobody_in(closed: ChatProcess, name: str, password: str) -> None:
    nobody = closed.visitor()
    assert nobody.log_in(name, password).status_code in (400, 422)
    assert nobody.client.get("/config").status_code == 401


def test_who_logs_in_is_known_by_name_until_logging_out(closed: ChatProcess) -> None:
    ann, elsewhere = closed.visitor("ann").client, closed.visitor("ann").client
    assert ann.get("/config").json()["username"] == "ann"
    assert ann.get("/logout").status_code == 302
    assert [client.get("/config").status_code for client in (ann, elsewhere)] == [401, 401]


def test_no_password_is_sent_where_another_site_can_ask_for_it(closed: ChatProcess) -> None:
    answer = closed.visitor().log_in("ann", USERS["ann"])
    assert all("SameSite=Lax" in line and "HttpOnly" in line for line in answer.headers.get_list("set-cookie"))


def test_behind_a_proxy_with_https_the_cookie_is_sent_over_https_only(chat: ChatProcess) -> None:
    answer = httpx.get(chat.url, headers={"x-forwarded-proto": "https"}, verify=False)
    assert answer.headers["set-cookie"].startswith("__Host-clinalign=")
    assert answer.headers["set-cookie"].endswith("; Secure")


# Gradio's own doors


def test_nothing_can_be_left_on_the_disk(chat: ChatProcess, folder: Path) -> None:
    visitor = chat.visitor()
    before = sorted(folder.rglob("*"))
    for path in ("/gradio_api/upload", "/gradio_api/upload?upload_id=x", "/upload", "/gradio_api/component_server"):
        answer = visitor.client.post(path, files={"files": ("x.html", b"<script>1</script>")})
        assert answer.status_code == 404
    assert [path for path in sorted(folder.rglob("*")) if path not in before] == []


@pytest.mark.parametrize(
    "address",
    [
        "/gradio_api/file={}",
        "/gradio_api/file/{}",
        "/file={}",
        "/static/../../../../../../../../../..{}",
        "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{}",
        "/static/%2F{}",
        "/svelte/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{}",
        "/gradio_api/heartbeat/../file={}",
    ],
)
def test_no_file_of_this_machine_can_be_read(chat: ChatProcess, folder: Path, address: str) -> None:
    conversation(mine := chat.visitor())
    history = folder / "history.sqlite"
    assert history.is_file()
    for file in (history, Path("/etc/passwd")):
        with httpx.stream("GET", chat.url + address.format(file), cookies=mine.client.cookies, timeout=5) as answer:
            assert answer.status_code in (403, 404)


def test_what_is_too_large_is_told_so(chat: ChatProcess) -> None:
    answer = chat.visitor().client.post("/gradio_api/queue/join", content=b"x" * 200_000)
    assert (answer.status_code, answer.json()) == (413, {"detail": TOO_LARGE})


def test_the_history_is_its_owners_only(chat: ChatProcess, folder: Path) -> None:
    conversation(chat.visitor())
    assert {file.stat().st_mode & 0o077 for file in folder.glob("history.sqlite*")} == {0}


# How it ends


@pytest.mark.slow
def test_it_ends_in_seconds_without_a_word_while_pages_are_open_and_goes_on_where_it_was(
    tmp_path: Path, built_store: Path
) -> None:
    options = ["--port", "0", "--history", str(tmp_path / "history.sqlite")]
    place = environment(tmp_path, built_store)
    with chat_process(*options, environment=place) as first:
        mine = first.visitor()
        id = conversation(mine)
        with mine.client.stream("GET", "/gradio_api/heartbeat/abc") as open_page:
            assert next(open_page.iter_text()) == "data: ALIVE\n\n"
            assert first.stop() <= 5
        assert len(first.said) == 1
    with chat_process(*options, environment=place) as second:
        mine.client.base_url = second.url
        assert QUESTION in mine.call("open", id)


@pytest.mark.slow
def test_a_taken_port_and_an_open_door_are_one_line_each(chat: ChatProcess, tmp_path: Path, built_store: Path) -> None:
    port = chat.url.rpartition(":")[2]
    for options, message in [(["--port", port], "Address already in use"), (["--host", "0.0.0.0"], "or say --no-auth")]:
        with pytest.raises(AssertionError) as refusal, chat_process(*options, environment=os.environ):
            pass
        told: Any = str(refusal.value).partition("\n")[0]
        assert message in told
