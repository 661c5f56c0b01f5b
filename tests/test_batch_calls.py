"""A reply that is paid for is found again, whatever tore the file it is in, and whoever else was writing to it."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
from dataclasses import replace
from pathlib import Path

import killing
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.batch.calls import CallLog, KeptCall
from agent.batch.disk import JournalError, leftover_of
from agent.ledger import CallRecord

RECORD = CallRecord("critique", "openai:a", "critique", "ab12", {"seed": 1}, 2, 0.25, 900, 800, 80, 0, "stop")
ANY_TEXT = st.text(st.characters(), max_size=40)  # half surrogates too


def call(row: str, request: str = "r1", text: str = "Yes.") -> KeptCall:
    return KeptCall(row, request, text, [RECORD.as_dict()], 0.125)


@pytest.fixture
def log(tmp_path: Path) -> CallLog:
    return CallLog(tmp_path / "calls.jsonl")


def everything(log: CallLog) -> dict[str, list[KeptCall]]:
    return log.load(lambda row: True)


def test_calls_come_back_by_row_in_the_order_in_which_they_were_made(log: CallLog) -> None:
    first, other, again = call("a", "r2"), call("b"), call("a", "r1")
    for made in (first, other, again):
        log.append(made)
    assert everything(log) == {"a": [first, again], "b": [other]}


def test_only_the_wanted_rows_are_loaded(log: CallLog) -> None:
    log.append(call("a"))
    log.append(call("b"))
    assert log.load({"b"}.__contains__) == {"b": [call("b")]}


def test_a_log_that_nobody_wrote_is_empty(log: CallLog) -> None:
    log.compact(lambda row: True)
    log.remove()
    assert everything(log) == {}
    assert not log.file.exists()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ANY_TEXT, text=ANY_TEXT)
def test_any_id_and_any_reply_come_back_exactly(log: CallLog, row: str, text: str) -> None:
    log.remove()
    log.append(call(row, text=text))
    assert log.load(lambda asked: asked == row) == {row: [call(row, text=text)]}
    assert log.load(lambda asked: asked != row) == {}


def test_replies_are_for_their_owner_alone(log: CallLog) -> None:
    log.append(call("a"))
    log.append(call("b"))
    log.compact({"a"}.__contains__)
    assert stat.S_IMODE(log.file.stat().st_mode) == 0o600


def append_one(file: Path) -> None:
    CallLog(file).append(call("torn", text="x" * 5000))


@pytest.mark.parametrize("byte", [0, 1, 2, 20, 2500, 5200])
def test_a_record_torn_by_a_kill_costs_itself_and_no_other(log: CallLog, byte: int) -> None:
    log.append(call("before"))
    assert killing.run_killed(append_one, log.file, at_byte=byte)
    log.append(call("after"))
    assert everything(log) == {"before": [call("before")], "after": [call("after")]}


@pytest.mark.parametrize(
    "junk",
    [b"\0" * 900, b'{"row": "x"', b'{"row": "x"}\n', b"[]\n", b"\xff\xfe\n", b'{"row": "x", "text": 1}', b"null\n"],
)
def test_what_is_no_record_is_passed_over(log: CallLog, junk: bytes) -> None:
    log.append(call("a"))
    with log.file.open("ab") as file:
        file.write(junk)
    log.append(call("b"))
    assert list(everything(log)) == ["a", "b"]
    log.compact(lambda row: True)
    assert list(everything(log)) == ["a", "b"]


def append_many(file: Path, writer: int) -> None:
    log = CallLog(file)
    for number in range(300):
        log.append(call(f"{writer}-{number}", text="x" * (number * 37)))


def test_several_processes_write_to_one_file(log: CallLog) -> None:
    writers = [killing.start(append_many, log.file, writer) for writer in range(3)]
    assert [killing.wait(pid) for pid in writers] == [0, 0, 0]
    found = everything(log)
    assert set(found) == {f"{writer}-{number}" for writer in range(3) for number in range(300)}
    assert all(len(calls) == 1 and len(calls[0].text) == int(row.split("-")[1]) * 37 for row, calls in found.items())


def test_compacting_keeps_the_wanted_records_as_they_are(log: CallLog) -> None:
    for number in range(6):
        log.append(call(str(number % 3), f"r{number}"))
    before = everything(log)
    log.compact({"0", "2"}.__contains__)
    assert everything(log) == {"0": before["0"], "2": before["2"]}
    log.append(call("1", "new"))
    assert everything(log)["1"] == [call("1", "new")]


def test_compacting_away_everything_removes_the_file(log: CallLog) -> None:
    log.append(call("a"))
    log.compact(lambda row: False)
    assert not log.file.exists()


def compact_to_b(file: Path) -> None:
    CallLog(file).compact({"b"}.__contains__)


def test_a_kill_at_any_step_of_compacting_leaves_the_old_file_or_the_new(log: CallLog) -> None:
    for made in (call("a"), call("b"), call("b", "r2")):
        log.append(made)
    whole, states, step = everything(log), [], 1
    while killing.run_killed(compact_to_b, log.file, at_step=step):
        states.append(everything(log))
        step += 1
        log.remove()
        for calls in whole.values():
            for made in calls:
                log.append(made)
    only_b = {"b": whole["b"]}
    assert states[0] == whole
    assert states[-1] == only_b
    assert all(state in (whole, only_b) for state in states)
    assert everything(log) == only_b  # the last one was not killed
    assert not leftover_of(log.file).exists()


def on_a_full_disk(file: Path, limit: int) -> tuple[str, int]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        append_one(file)
    except JournalError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        CallLog(file).append(call("after"))
        return str(error), os.getpid()
    raise AssertionError("the disk was not full")


def test_a_full_disk_ends_the_run_and_costs_no_other_record(log: CallLog) -> None:
    log.append(call("before"))
    message, pid = killing.answer_of(on_a_full_disk, log.file, 2000)
    assert pid != os.getpid()
    assert f"can't keep a model's reply in {log.file} (File too large); free space" in message
    assert list(everything(log)) == ["before", "after"]


def compact_on_a_full_disk(file: Path) -> str:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    try:
        compact_to_b(file)
    except JournalError as error:
        return str(error)
    raise AssertionError("the disk was not full")


def test_compacting_on_a_full_disk_changes_nothing(log: CallLog) -> None:
    for row in ("a", "b"):
        log.append(call(row))
    before = log.file.read_bytes()
    assert "free space" in killing.answer_of(compact_on_a_full_disk, log.file)
    assert log.file.read_bytes() == before
    assert not leftover_of(log.file).exists()


def test_a_record_is_one_line_that_names_its_row_first(log: CallLog) -> None:
    log.append(replace(call("a"), text="two\nlines\u2028"))
    lines = [line for line in log.file.read_bytes().split(b"\n") if line]
    assert len(lines) == 1
    assert next(iter(json.loads(lines[0]).items())) == ("row", "a")
