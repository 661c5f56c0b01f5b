"""A process that is killed in the middle of a turn costs no reply that was paid for: the next one goes on where it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from review_work import BOTH, DRAFT, ID, OWNER, SECOND_ONLY, HangingModel, child, reject, turn_of

from agent.review.conversations import Conversations
from agent.testing import FakeServer

TASKS = ["draft", "critique", "revise", "judge"]


@pytest.fixture
def file(tmp_path: Path, data_dir: Path) -> Path:
    return tmp_path / "conversations.sqlite"


def killed(work: str, model: HangingModel, file: Path, url: str, **given: object) -> None:
    """Have a process do work, and kill it when the model hangs."""
    process = child(work, file, url, **given)
    assert model.hanging.wait(60)
    process.kill()
    process.wait(20)
    model.hanging.clear()


def state_of(file: Path) -> tuple[bool, str | None, int]:
    """Return whether the turn is unfinished, what stands, and how many replies are kept for resuming it."""
    with closing(Conversations(file)) as conversations:
        (turn,) = conversations.turns(OWNER, ID)
        replies = conversations._database.rows("SELECT text FROM replies")
        return conversations.is_unfinished(OWNER, ID), turn["answer"], len(replies)


@pytest.mark.slow
def test_an_answer_goes_on_after_two_kills_and_pays_for_no_reply_twice(file):
    model = HangingModel({1, 3})
    with FakeServer(model) as server:
        killed("ask", model, file, server.base_url, draft=None)
        assert state_of(file) == (True, None, 1)
        killed("resume", model, file, server.base_url)
        assert state_of(file) == (True, None, 2)
        turn = turn_of(child("resume", file, server.base_url))
    assert (turn["answer"], turn["output"]["draft"], turn["output"]["usage"]["calls"]) == (BOTH, DRAFT, 4)
    assert model.model.asked == TASKS
    assert state_of(file) == (False, BOTH, 0)


@pytest.mark.slow
def test_a_recomposed_answer_is_judged_after_a_kill_while_it_was(file):
    model = HangingModel({3})
    with FakeServer(model) as server:
        first = turn_of(child("ask", file, server.base_url))
        killed("decide", model, file, server.base_url, decisions=reject(0))
        assert state_of(file) == (True, SECOND_ONLY, 0)
        turn = turn_of(child("resume", file, server.base_url))
    assert turn["id"] == first["id"]
    assert [row["verdict"] for row in turn["verdicts"] or []] == ["unmet", "met"]
    assert model.model.asked == [*TASKS[1:], "judge"]
    assert state_of(file) == (False, SECOND_ONLY, 0)
