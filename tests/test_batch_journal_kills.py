"""No row is lost, doubled or torn and no call is paid twice, wherever a run is killed: the same command continues."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import killing
import pytest
from journal_rows import PLAN, WORDS, failed_row, ids_in, row

from agent.batch.calls import KeptCall
from agent.batch.journal import Journal
from agent.batch.row_lines import read_contents
from agent.errors import InputError


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


ROWS = [row(f"row-{number}", 50 + 997 * number % 3000) for number in range(12)]


def run(output: Path, options: dict[str, bool]) -> None:
    """Do what is not done of ROWS, as a batch does, and report what is written beside the output."""
    with (
        Journal.open(output, PLAN, **options) as journal,
        output.with_name("reported").open("ab", buffering=0) as reports,
    ):
        for number in range(0, len(ROWS), 3):
            lines = [line for line in ROWS[number : number + 3] if not journal.is_done(json.loads(line)["id"])]
            for line in lines:
                journal.calls.append(KeptCall(json.loads(line)["id"], "r", "Yes.", [], 0.0))
            journal.write(lines)
            reports.writelines(line + b"\n" for line in lines)
        journal.finish()


def begun(output: Path) -> None:
    """Leave what a run leaves that was killed: a row, an error, calls, and a torn end."""
    with Journal.open(output, PLAN) as journal:
        journal.write([ROWS[0], failed_row("row-1")])
        for id in ("row-0", "row-1", "row-2"):
            journal.calls.append(KeptCall(id, "r", "Yes.", [], 0.0))
    with output.open("ab") as file:
        file.write(ROWS[2][:30])


def all_lines(folder: Path) -> list[bytes]:
    """Return all lines of the output and of what was moved aside."""
    files = [path for path in folder.glob("out.jsonl*") if path.is_file()]
    return [line for path in files for line in path.read_bytes().splitlines()]


PLAIN: dict[str, bool] = {}
FRESH, RETRY = {"fresh": True}, {"retry_errors": True}


@pytest.mark.parametrize(
    ("is_new", "options", "again"),
    [
        (True, PLAIN, PLAIN),
        (True, FRESH, FRESH),
        (False, PLAIN, PLAIN),
        (False, PLAIN, FRESH),
        (False, FRESH, FRESH),
        (False, FRESH, PLAIN),
        (False, RETRY, RETRY),
        (False, RETRY, PLAIN),
    ],
)
def test_a_kill_at_any_step_loses_no_row_and_the_next_run_continues(
    tmp_path: Path, is_new: bool, options: dict[str, bool], again: dict[str, bool]
) -> None:
    was_killed, step = True, 0
    while was_killed:
        step += 1
        output = tmp_path / str(step) / "out.jsonl"
        output.parent.mkdir()
        if not is_new:
            begun(output)
        was_killed = killing.run_killed(run, output, options, at_step=step)
        run(output, again)
        assert sorted(ids_in(output)) == sorted(f"row-{number}" for number in range(12))
        everything = all_lines(output.parent)
        assert set(output.with_name("reported").read_bytes().splitlines()) <= set(everything)
        assert is_new or ROWS[0] in everything
        assert "retry_errors" not in again or not read_contents(output).failed
        assert not list(output.parent.rglob("*clinalign-new"))
        assert not list(output.parent.rglob("moving"))
    assert step > 20


@pytest.mark.parametrize("step", range(1, 30))
def test_what_a_kill_left_on_its_way_aside_gets_there_whole(tmp_path: Path, step: int) -> None:
    output, aside = tmp_path / "out.jsonl", tmp_path / "out.jsonl.1"
    begun(output)
    killing.run_killed(run, output, {"fresh": True}, at_step=step)
    Journal.open(output, PLAN).close()
    old = aside if aside.exists() else output
    with Journal.open(old, PLAN) as journal:
        assert journal.is_done("row-0")
        assert list(journal.calls.load(lambda row: True)) == ["row-1", "row-2"]  # the failed one's and the open one's
    assert not (tmp_path / "out.jsonl.2").exists()


def test_what_came_in_the_place_of_an_old_run_is_not_moved_over_it(tmp_path: Path) -> None:
    output, aside = tmp_path / "out.jsonl", tmp_path / "out.jsonl.1"
    begun(output)
    step = 1
    while not aside.exists():
        killing.run_killed(run, output, {"fresh": True}, at_step=step)
        step += 1
    before = aside.read_bytes()
    output.write_text("my notes\n")
    with pytest.raises(InputError, match="exists, and no run is known"):
        Journal.open(output, PLAN)
    assert (aside.read_bytes(), output.read_text()) == (before, "my notes\n")


def run_on(output: Path, last: int = 10**9) -> None:
    """Write row after row, in groups, and report each call and each row once it is safe."""
    with Journal.open(output, PLAN) as journal, output.with_name("reported").open("ab", buffering=0) as reports:
        paid = journal.calls.load(lambda row: True)
        while (first := journal.done) < last:
            numbers = range(first, min(last, first + 1 + first % 4))
            for id in (f"row-{number}" for number in numbers):
                assert not journal.is_done(id)
                if id not in paid:
                    journal.calls.append(KeptCall(id, "r", WORDS * (numbers[0] % 50), [], 0.0))
                reports.write(f"call {id}\n".encode())
            journal.write([row(f"row-{number}", number * 997 % 9000) for number in numbers])
            reports.write(b"".join(f"done row-{number}\n".encode() for number in numbers))


def check_after_kill(output: Path) -> None:
    """See that all that was reported as safe is there, once and whole."""
    with Journal.open(output, PLAN) as journal:
        done, kept = journal.done, journal.calls.load(lambda row: True)
    assert output.read_bytes() == b"".join(row(f"row-{n}", n * 997 % 9000) + b"\n" for n in range(done))
    for report in output.with_name("reported").read_text().splitlines():
        kind, id = report.split()
        assert int(id.removeprefix("row-")) < done or (kind == "call" and len(kept[id]) == 1)


def test_twenty_kills_in_the_middle_of_a_write_lose_double_and_tear_nothing(output: Path) -> None:
    chance = random.Random(7)
    for _ in range(20):
        assert killing.run_killed(run_on, output, at_byte=chance.randrange(1, 60_000))
        check_after_kill(output)
    run_on(output, 200)
    check_after_kill(output)


def test_twenty_kills_at_any_time_lose_double_and_tear_nothing(output: Path) -> None:
    chance = random.Random(8)
    for _ in range(20):
        writer = killing.start(run_on, output)
        killing.wait_for_file(output.with_name("reported"))
        time.sleep(chance.uniform(0, 0.02))
        killing.kill(writer)
        check_after_kill(output)
    assert not read_contents(output).failed
