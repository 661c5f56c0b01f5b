"""One whole line per answer, whoever else writes; texts only on request."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent
from agent.errors import ConfigError
from agent.state import AgentContext
from agent.trace import check_trace, decisions_record, trace_record, write_decisions, write_trace

SECRET = "Zebrowska-private-words"
CALL = {"step": "critique", "model": "openai:tiny", "prompt": "critique", "prompt_hash": "abc", "sampling": {"seed": 1}}
EDIT = {
    "op": "ADD",
    "before": "",
    "after": f"{SECRET} two",
    "principle_id": "p1",
    "criterion": SECRET,
    "reason": SECRET,
}
ROW = {"criterion": SECRET, "principle_id": "p1", "evidence": SECRET, "reason": SECRET, "fix": SECRET}
OUTPUT: dict[str, Any] = {
    "answer": f"{SECRET} two three",
    "draft": SECRET,
    "accepted": True,
    "stopped_because": "revision accepted",
    "scenario": {"urgency": "routine"},
    "principles": [{"id": "p1", "title": "T", "dimension": "d", "score": 0.5, "why": [SECRET]}],
    "rubric": [{"criterion": SECRET, "points": 3, "principle_id": "p1"}],
    "critiques": [[ROW | {"verdict": "unmet"}], [ROW | {"verdict": "met"}]],
    "edits": [EDIT],
    "rounds": 1,
    "usage": {"calls": 3, "input_tokens": 100, "output_tokens": 20, "cost": 0.0, "seconds": 2.0},
    "calls": [CALL],
    "engine": "llm",
    "models": {"writer": "openai:tiny", "judge": "openai:tiny"},
    "library_hash": "0123",
    "warnings": [SECRET],
}


def test_a_record_names_what_made_the_answer_and_holds_no_text() -> None:
    record = trace_record(OUTPUT)
    assert SECRET not in json.dumps(record)
    assert len(record.pop("id")) == 32
    assert datetime.now(UTC) - datetime.fromisoformat(record.pop("time")) < timedelta(seconds=5)
    assert record.pop("clinalign")
    same = ("engine", "models", "library_hash", "scenario", "calls", "usage", "accepted", "stopped_because", "rounds")
    assert record == {key: OUTPUT[key] for key in same} | {
        "principles": [{"id": "p1", "score": 0.5}],
        "criteria": [{"principle_id": "p1", "points": 3}],
        "verdicts": [{"met": 0, "unmet": 1, "unknown": 0}, {"met": 1, "unmet": 0, "unknown": 0}],
        "edits": [{"op": "ADD", "principle_id": "p1", "words_before": 0, "words_after": 2}],
        "words": {"draft": 1, "answer": 3},
        "warnings": 1,
    }


def test_lines_are_appended_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    ids = [write_trace(file, OUTPUT), write_trace(file, OUTPUT, conversation=[{"role": "user", "content": SECRET}])]
    assert [json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines()] == ids
    assert SECRET not in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_texts_are_kept_on_request(tmp_path: Path) -> None:
    turn = {"role": "user", "content": SECRET}
    write_trace(tmp_path / "t", OUTPUT, with_text=True, conversation=[turn])
    text = json.loads((tmp_path / "t").read_text(encoding="utf-8"))["text"]
    assert text["conversation"] == [turn]
    assert {key: text[key] for key in text if key != "conversation"} == {
        key: OUTPUT[key] for key in ("draft", "answer", "rubric", "critiques", "edits", "warnings")
    }


def test_an_answer_that_is_referred_to_later_has_the_id_that_was_given(tmp_path: Path, context: AgentContext) -> None:
    file = tmp_path / "trace.jsonl"
    assert write_trace(file, OUTPUT, answer_id="turn-1") == "turn-1"
    agent.invoke("Headache?", draft="Rest.", context=replace(context, trace=file, answer_id="turn-2"))
    assert [json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines()] == ["turn-1", "turn-2"]


DECISION = {"edit": 0, "decision": "reject", "comment": SECRET, "at": "2026-01-01T00:00:00+00:00", "by": "dr.x"}
TURN = {"id": "turn-1", "output": OUTPUT, "answer": SECRET, "left_out": [0], "verdicts": [ROW | {"verdict": "unmet"}]}


def test_a_decision_is_a_record_that_names_its_answer_and_holds_no_text_and_nobody() -> None:
    record = decisions_record(TURN, [DECISION, DECISION | {"decision": "accept", "comment": ""}])
    assert SECRET not in json.dumps(record)
    assert "dr.x" not in json.dumps(record)
    assert {key: record[key] for key in record if key not in ("id", "time", "clinalign")} == {
        "kind": "decisions",
        "answer": "turn-1",
        "decisions": [
            {"edit": 0, "principle_id": "p1", "decision": "reject", "has_comment": True},
            {"edit": 0, "principle_id": "p1", "decision": "accept", "has_comment": False},
        ],
        "left_out": [0],
        "verdicts": {"met": 0, "unmet": 1, "unknown": 0},
        "words": 1,
    }


def test_comments_are_kept_on_request(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    write_decisions(file, TURN, [DECISION], calls=[CALL])
    write_decisions(file, TURN | {"verdicts": None}, [DECISION], with_text=True)
    without, with_text = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    assert (without["calls"], "text" in without) == ([CALL], False)
    assert with_text["text"] == {"decisions": [DECISION], "answer": SECRET, "critique": None}
    assert with_text["verdicts"] is None


@given(st.text())
def test_any_text_makes_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any_text.jsonl"
    file.unlink(missing_ok=True)
    write_trace(file, OUTPUT | {"answer": f"a{text}\u2028\n"}, with_text=True)
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["text"]["answer"] == f"a{text}\u2028\n"


WRITER = """
import json, sys
from pathlib import Path
from agent.trace import write_trace
output = json.loads(sys.stdin.read())
for number in range(1500):
    write_trace(Path(sys.argv[1]), output | {"answer": sys.argv[2] * (50_000 if number < 20 else 50)}, with_text=True)
"""


def test_processes_in_parallel_write_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    letters = "abcd"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), letter], stdin=subprocess.PIPE, text=True)
        for letter in letters
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(json.dumps(OUTPUT))
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 4
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert Counter(record["text"]["answer"][:50] for record in records) == {letter * 50: 1500 for letter in letters}
    assert len({record["id"] for record in records}) == 6000


@pytest.mark.parametrize("name", ["nowhere/trace.jsonl", ".", "x" * 300])
def test_a_file_that_cannot_be_written_is_one_line_before_anything_is_paid_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"can't write the trace .*; name a file in a folder that exists") as raised:
        check_trace(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    write_trace(file, OUTPUT)
    before = file.read_bytes()
    check_trace(file)
    assert file.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_costs_a_warning_and_not_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        write_trace(Path("/dev/full"), OUTPUT, with_text=True)
    assert "could not be written to /dev/full: No space left on device" in caplog.text
    assert SECRET not in caplog.text


def test_a_real_answer_leaves_a_record_without_its_words(tmp_path: Path, context: AgentContext) -> None:
    output = agent.invoke(f"{SECRET}: headache since Monday?", draft=f"{SECRET} take rest.", context=context)
    write_trace(tmp_path / "t", output)
    line = (tmp_path / "t").read_text(encoding="utf-8")
    assert SECRET not in line
    assert json.loads(line)["library_hash"] == context.index.library.content_hash
