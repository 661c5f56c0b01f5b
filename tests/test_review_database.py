"""The file of conversations: its owner's alone, small, free of what was deleted, shared without waiting, known from others."""

from __future__ import annotations

import math
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from review_work import (
    ID,
    OWNER,
    QUESTION,
    a_model,
    asked,
    decided,
    reject,
)
from scripted_model import with_model

from agent.call_memory import KeptReply
from agent.errors import ConfigError, InputError
from agent.ledger import CallRecord
from agent.review.conversations import Conversations
from agent.review.database import Database
from agent.review.names import Owner
from agent.review.replies import StoredReplies
from agent.serving.threads import Threads
from agent.testing import FakeServer

SECRET = "Zebrowska"
CALL = CallRecord("draft", "fake:model", "", "", {"seed": 1}, 1, 0.5, 100, 40, 10, 3, "stop")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conversations.sqlite"


def content(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.iterdir())


def count(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_the_files_are_their_owners_alone_and_name_neither_owner_nor_conversation(context, file):
    conversations = Conversations(file)
    asked(conversations, context, question=f"Is {SECRET} ill?")
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}
    kept = content(file)
    conversations.close()
    assert SECRET.encode() in kept
    assert OWNER.encode() not in kept
    assert ID.encode() not in kept


def test_a_file_that_others_could_read_is_closed_to_them(file):
    Conversations(file).close()
    file.chmod(0o644)
    Conversations(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "forget", [lambda c: c.delete(OWNER, ID), lambda c: c.delete_all(OWNER), lambda c: c.purge(days=0)]
)
def test_of_what_is_forgotten_no_byte_is_left(context, file, forget):
    conversations = Conversations(file)
    with FakeServer(a_model()) as server:
        context = with_model(context, server)
        for _ in range(3):
            asked(
                conversations, context, question=f"{QUESTION} {SECRET}", draft=f"{SECRET} may. Take 400 mg with food."
            )
            decided(conversations, context, reject(0, comment=f"not {SECRET}"))
        memory = StoredReplies(conversations._database, Owner(OWNER).thread(ID))
        memory.keep("request", KeptReply(SECRET, (CALL,), 0.1))
    assert SECRET.encode() in content(file)
    forget(conversations)
    assert SECRET.encode() not in content(file)
    assert conversations.turns(OWNER, ID) == conversations.cards(OWNER) == []
    conversations.close()
    assert SECRET.encode() not in content(file)


def test_forgetting_one_leaves_the_others(context, file):
    conversations = Conversations(file)
    for owner, id in ((OWNER, "one"), (OWNER, "two"), ("other", "one")):
        asked(conversations, context, owner=owner, id=id)
    conversations.delete(OWNER, "one")
    assert [
        len(conversations.turns(owner, id)) for owner, id in ((OWNER, "one"), (OWNER, "two"), ("other", "one"))
    ] == [0, 1, 1]
    conversations.delete_all(OWNER)
    assert [len(conversations.cards(owner)) for owner in (OWNER, "other")] == [0, 1]
    conversations.close()


def test_only_what_is_old_is_purged(context, file):
    conversations = Conversations(file)
    for id in ("old", "new"):
        asked(conversations, context, id=id)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "UPDATE conversations SET updated = '2020-01-01T00:00:00+00:00' WHERE thread = ?",
            [Owner(OWNER).thread("old")],
        )
    assert [conversations.purge(days=days) for days in (1e9, 30, 30)] == [0, 1, 0]
    assert [card.id for card in conversations.cards(OWNER)] == ["new"]
    for days in (-1, math.nan):
        with pytest.raises(InputError, match="days must be 0 or more"):
            conversations.purge(days=days)
    conversations.close()


def test_a_long_conversation_grows_with_its_turns_and_not_with_their_square(context, file):
    conversations = Conversations(file)
    sizes = []
    for _ in range(2):
        for _ in range(8):
            asked(conversations, context, question="Is 38 °C a fever?", draft="It can be one. " * 100)
        conversations._database.empty_log()
        sizes.append(file.stat().st_size)
    conversations.close()
    assert sizes[1] < 2.5 * sizes[0]
    assert count(file, "checkpoints") == 1
    assert count(file, "replies") == 0


def test_twenty_conversations_at_once_in_two_that_have_the_file_open(context, file):
    both = [Conversations(file), Conversations(file)]

    def twice(number: int) -> list[str]:
        for question in ("Is 38 °C a fever?", "And 39 °C?"):
            asked(
                both[number % 2],
                context,
                owner=f"o{number}",
                question=f"{question} ({number})",
                draft=f"Case {number}.",
            )
        return [turn["question"] for turn in both[0].turns(f"o{number}", ID)]

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(twice, range(20)))
    assert found == [[f"Is 38 °C a fever? ({n})", f"And 39 °C? ({n})"] for n in range(20)]
    for each in both:
        each.close()


def test_a_new_file_may_be_opened_by_many_at_once(file):
    ready = threading.Barrier(8)

    def opened(_: int) -> Conversations:
        ready.wait()
        return Conversations(file)

    with ThreadPoolExecutor(8) as pool:
        for conversations in pool.map(opened, range(8)):
            conversations.close()


def no_database(file: Path) -> None:
    file.write_bytes(b"not a database, but a text of some length" * 100)


def no_folder(file: Path) -> None:
    file.parent.rmdir()


def another_program(file: Path) -> None:
    Threads(file).close()


def another_version(file: Path) -> None:
    Conversations(file).close()
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 7")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_database, "file is not a database"),
        (no_folder, "No such file"),
        (Path.mkdir, "unable to open|is a directory"),
        (another_program, "a database of something else"),
        (another_version, "in form 7, this version of clinalign reads form 1; open it with the version that wrote it"),
    ],
)
def test_a_file_that_is_none_of_ours_is_told_at_once_and_left_as_it_is(file, make, said):
    make(file)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(ConfigError, match=said):
        Conversations(file)
    assert (file.read_bytes() if file.is_file() else None) == before


def test_kept_replies_come_back_in_their_order_whatever_they_say(file):
    database = Database(file)
    memory = StoredReplies(database, "thread")
    replies = [KeptReply("half \ud83d", (CALL,), 0.1), KeptReply("", (CALL, CALL), 0.0), KeptReply("c", (), 0.0)]
    for request, reply in zip(("a", "a", "b"), replies, strict=True):
        memory.keep(request, reply)
    again = StoredReplies(database, "thread")
    assert [again.recall("a"), again.recall("a"), again.recall("a"), again.recall("b")] == [
        *replies[:2],
        None,
        replies[2],
    ]
    assert StoredReplies(database, "other").recall("a") is None
    database.close()


def test_replies_that_a_kill_left_after_their_turn_had_ended_are_cleared(context, file):
    conversations = Conversations(file)
    asked(conversations, context)
    StoredReplies(conversations._database, Owner(OWNER).thread(ID)).keep("a", KeptReply(SECRET, (), 0.0))
    conversations.close()
    Conversations(file).close()
    assert SECRET.encode() not in content(file)
