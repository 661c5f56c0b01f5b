"""Conversations kept by the server: they go on, they belong to their key, and they survive a restart."""

import sqlite3
import stat
import subprocess
import sys
import threading

import pytest
from openai import OpenAI
from serving import ANSWER, DRAFT, acting, eventually, served

from agent.errors import ConfigError, ModelError
from agent.serving.threads import ThreadBusyError, Threads, thread_id

TURN = [{"role": "user", "content": "Is 58 normal?"}, {"role": "assistant", "content": "Yes."}]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "threads.sqlite"


def ask(server, thread, text="Is 58 normal?", *, key="first-key"):
    client = OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)
    return client.chat.completions.create(
        model=server.model,
        messages=[{"role": "user", "content": text}],
        extra_body={"clinalign": {"thread": thread, "draft": DRAFT}},
    )


def kept(file, name, owner=b"first-key"):
    threads = Threads(file)
    try:
        return [message["content"] for message in threads.messages(thread_id(name, owner=owner))]
    finally:
        threads.close()


def test_a_thread_goes_on_where_it_was_also_after_a_restart(context, file):
    for text in ("One?", "Two?"):
        with served(acting(context), keys=("first-key",), checkpoints=file) as server:
            reply = ask(server, "a", text)
    assert reply.clinalign["thread"] == "a"
    assert kept(file, "a") == ["One?", ANSWER, "Two?", ANSWER]


def test_the_agent_sees_what_came_before(context, file):
    seen = []
    acted = acting(context)
    judge = acted.engine.judge.judge
    acted.engine.judge.judge = lambda conversation, *rest, **more: (
        seen.append([message["content"] for message in conversation]) or judge(conversation, *rest, **more)
    )
    with served(acted, keys=("first-key",), checkpoints=file) as server:
        ask(server, "a", "One?")
        ask(server, "a", "Two?")
    assert seen[0] == ["One?"]
    assert seen[-1] == ["One?", ANSWER, "Two?"]


def test_another_key_has_another_thread_of_the_same_name(context, file):
    with served(acting(context), keys=("first-key", "second-key"), checkpoints=file) as server:
        ask(server, "a", "Mine?", key="first-key")
        ask(server, "a", "Theirs?", key="second-key")
    assert kept(file, "a", b"first-key") == ["Mine?", ANSWER]
    assert kept(file, "a", b"second-key") == ["Theirs?", ANSWER]


def test_a_request_without_a_thread_leaves_nothing(context, file):
    with served(acting(context), checkpoints=file) as server:
        assert server.post().status_code == 200
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)


def test_a_turn_that_fails_is_not_kept(context, file):
    def fail(step, ledger):
        raise ModelError("down", "unreachable")

    with served(acting(context, fail), checkpoints=file) as server:
        reply = server.post(clinalign={"thread": "a", "draft": DRAFT})
    assert reply.status_code == 503
    assert kept(file, "a", b"") == []


def test_two_turns_of_one_thread_do_not_cross(context, file):
    free = threading.Event()
    with served(acting(context, lambda step, ledger: free.wait(10)), checkpoints=file) as server:
        body = {"thread": "a", "draft": DRAFT}
        first = threading.Thread(target=lambda: server.post(clinalign=body))
        first.start()
        assert eventually(lambda: server.health()["in_flight"] == 1)
        second = server.post(clinalign=body)
        free.set()
        first.join()
        third = server.post(clinalign=body)
    assert (second.status_code, second.json()["error"]["code"], third.status_code) == (409, "thread_busy", 200)


def test_whoever_has_the_answer_may_go_on_at_once(context, file):
    with served(acting(context), checkpoints=file) as server:
        body = {"thread": "a", "draft": DRAFT}
        assert {server.post(stream=True, clinalign=body).status_code for _ in range(8)} == {200}


def test_the_end_of_a_turn_does_not_end_the_next(file):
    threads = Threads(file)
    with threads.turn("id") as first:
        first.keep(TURN)
        with threads.turn("id") as second:
            first.end()
            with pytest.raises(ThreadBusyError), threads.turn("id"):
                pass
            assert second.earlier() == TURN
    threads.close()


def test_the_file_is_its_owners_alone_and_tells_neither_key_nor_name(file):
    threads = Threads(file)
    threads.append(thread_id("Zelda-Quux", owner=b"first-key"), TURN)
    files = [path for path in file.parent.iterdir() if path.name.startswith(file.name)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    content = b"".join(path.read_bytes() for path in files)
    threads.close()
    assert b"Is 58 normal?" in content
    assert b"Zelda" not in content
    assert b"first-key" not in content


def test_a_long_thread_keeps_its_last_state_only(file):
    threads = Threads(file)
    for _ in range(30):
        threads.append("id", TURN)
    threads.append("other", TURN)
    assert len(threads.messages("id")) == 60
    threads.close()
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM checkpoints").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM writes").fetchone()[0] <= 4


def test_a_thread_can_be_forgotten(file):
    threads = Threads(file)
    for name in ("id", "other"):
        threads.append(name, TURN)
    threads.delete("id")
    assert (threads.messages("id"), threads.messages("other")) == ([], TURN)
    threads.close()


def test_many_threads_may_be_written_at_once_by_two_servers(file):
    threads = [Threads(file), Threads(file)]
    workers = [
        threading.Thread(target=lambda n=n: [threads[n % 2].append(f"id{n}", TURN) for _ in range(5)]) for n in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [len(threads[0].messages(f"id{n}")) for n in range(8)] == [10] * 8


def test_strict_reading_of_checkpoints_changes_nothing(file, monkeypatch):
    code = (
        "import sys, warnings, logging; logging.basicConfig(level=0); from pathlib import Path; "
        "from agent.serving.threads import Threads; "
        f"t = Threads(Path({str(file)!r})); t.append('id', {TURN!r}); print(t.messages('id'))"
    )
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "true")
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout.strip() == str(TURN), done.stderr
    assert "msgpack" not in done.stderr


@pytest.mark.parametrize("content", [b"not a database, but a text of some length", None])
def test_a_file_that_cannot_be_used_is_told_at_once(context, file, content):
    if content:
        file.write_bytes(content)
    with (
        pytest.raises(ConfigError, match="can't be kept in"),
        served(acting(context), checkpoints=file if content else file / "no" / "such"),
    ):
        pass
