"""What people decided, as preference rows: what stands over what the agent or the draft said, and nothing where nobody decided."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import load_dataset
from review_work import BOTH, DRAFT, ID, OWNER, QUESTION, SECOND_ONLY, a_model, accept, asked, decided, reject
from scripted_model import with_model
from typer.testing import CliRunner

from agent.errors import ConfigError, InputError
from agent.review.cli import app
from agent.review.conversations import Conversations
from agent.review.preferences import export_reviews
from agent.testing import FakeServer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conversations.sqlite"


@pytest.fixture
def by_model(context):
    with FakeServer(a_model()) as server:
        yield with_model(context, server)


def reviewed(file, context, *decisions, by=None):
    """Ask once, and decide so many times."""
    conversations = Conversations(file)
    asked(conversations, context)
    for made in decisions:
        decided(conversations, context, made, by=by)
    conversations.close()


def exported(file, name="rows.jsonl"):
    target = file.parent / name
    export_reviews(file, target)
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def pair(row):
    return [row[side][0]["content"] for side in ("chosen", "rejected")]


def test_a_rejected_edit_prefers_what_stands_over_what_the_agent_said(file, by_model):
    reviewed(file, by_model, reject(0, comment="They have none. \u2028"), by="dr.x")
    (row,) = exported(file)
    assert pair(row) == [SECOND_ONLY, BOTH]
    assert row["prompt"] == [{"role": "user", "content": QUESTION}]
    assert (row["principle_ids"], row["reviewer"], row["id"][32:]) == (["model"], "dr.x", "-over-answer")
    (decision,) = row["decisions"]
    assert decision.pop("at").startswith("20")
    assert decision == {"edit": 0, "principle_id": "model", "decision": "reject", "comment": "They have none. \u2028"}


@pytest.mark.parametrize(
    ("decisions", "pairs"),
    [
        ([accept(0)], [[BOTH, DRAFT]]),
        ([[*reject(0), *accept(1)]], [[SECOND_ONLY, BOTH], [SECOND_ONLY, DRAFT]]),
        ([reject(0, 1)], [[DRAFT, BOTH]]),
        ([reject(0), accept(0)], [[BOTH, DRAFT]]),
        ([accept(0), reject(0)], [[SECOND_ONLY, BOTH]]),
    ],
    ids=["accepted", "one of each", "all rejected", "taken back", "accepted no more"],
)
def test_rows_are_made_of_the_decisions_that_hold(file, by_model, decisions, pairs):
    reviewed(file, by_model, *decisions)
    assert [pair(row) for row in exported(file)] == pairs


def test_the_prompt_is_the_conversation_as_it_stood(file, by_model):
    conversations = Conversations(file)
    asked(conversations, by_model)
    decided(conversations, by_model, reject(0))
    asked(conversations, by_model, question="And with beer?")
    decided(conversations, by_model, accept(0))
    conversations.close()
    first, second = exported(file)
    assert [message["content"] for message in second["prompt"]] == [QUESTION, SECOND_ONLY, "And with beer?"]
    assert first["id"] != second["id"]


def test_turns_that_nobody_decided_on_make_no_rows(file, by_model):
    conversations = Conversations(file)
    asked(conversations, by_model, id="other")
    asked(conversations, by_model)
    decided(conversations, by_model, reject(0))
    asked(conversations, by_model)
    conversations.close()
    assert len(exported(file)) == 1


def test_both_forms_are_read_the_same(file, by_model, tmp_path):
    reviewed(file, by_model, [*reject(0, comment="no"), *accept(1)], by="dr.x")
    lines = exported(file)
    export_reviews(file, tmp_path / "rows.parquet")
    cache = str(tmp_path / "cache")
    loaded = load_dataset("parquet", data_files=str(tmp_path / "rows.parquet"), split="train", cache_dir=cache)
    assert loaded.to_list() == lines


def test_without_decisions_there_is_nothing_to_export(file, by_model, tmp_path):
    reviewed(file, by_model)
    with pytest.raises(InputError, match="no decisions in it to export; it has 1 turn"):
        exported(file)
    assert not list(tmp_path.glob("rows*"))


@pytest.mark.parametrize("name", ["rows.csv", "folder"])
def test_a_target_of_another_kind_is_refused(file, by_model, name):
    reviewed(file, by_model, reject(0))
    with pytest.raises(InputError, match=r"FILE\.jsonl or FILE\.parquet"):
        exported(file, name)


def test_what_exists_is_replaced_only_by_force(file, by_model, tmp_path):
    reviewed(file, by_model, reject(0))
    exported(file)
    with pytest.raises(InputError, match="--force"):
        exported(file)
    assert export_reviews(file, tmp_path / "rows.jsonl", force=True).rows == 1
    with pytest.raises(InputError, match=r"FILE\.jsonl"):
        export_reviews(file, file, force=True)


def test_a_file_that_is_missing_is_not_made(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        exported(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told(file):
    file.write_text("no database at all " * 100, encoding="utf-8")
    with pytest.raises(ConfigError, match="not a database"):
        exported(file)


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_commands_say_what_they_did_and_quote_nobody(file, by_model, tmp_path):
    reviewed(file, by_model, reject(0))
    said = run("export", file, tmp_path / "rows.jsonl")
    assert "1 preference row in" in said
    assert "from 1 turn that somebody decided on, of 1" in said
    listed = run("list", file)
    assert "turns   1  decisions   1" in listed
    assert listed.endswith("1 conversation\n")
    assert "ibuprofen" not in listed
    assert OWNER not in listed
    assert [run("purge", file, "--days", days) for days in (30, 0)] == [
        "0 conversations forgotten\n",
        "1 conversation forgotten\n",
    ]
    assert Conversations(file).turns(OWNER, ID) == []
